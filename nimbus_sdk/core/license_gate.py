"""The core's names as the SDK hands them out: within the license, models fetched when first wanted."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from nimbus_sdk.account.record import SessionRecord, require_valid
from nimbus_sdk.account.session import current_session
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core import pickling
from nimbus_sdk.core.wheel import loader
from nimbus_sdk.errors import (
    ConfigurationError,
    FeatureNotLicensedError,
    NimbusConnectionError,
    SessionNotFoundError,
)

if TYPE_CHECKING:
    from nimbus_sdk.account.usage.reporter import Reporter

R = TypeVar("R")

# What a name needs, any one of it: the service lists training, and not always calibration beside it.
NEEDS = {
    "train_model": ("training",),
    "calibrate_model": ("calibration", "training"),
    "init_streaming": ("streaming",),
    "process_chunk": ("streaming",),
    "finalize_trial": ("streaming",),
}
LOWEST_TIER = "research"
REPORTED = {"predict_batch": "batch", "finalize_trial": "streaming"}
_lent: SessionRecord | None = None
_told: set[str] = set()


def from_core(name: str) -> object:
    """A public name of the installed core, which is loaded at the first one.

    Raises:
        CoreNotInstalledError: There is no core; the message says what to run.
        CoreError: It cannot be loaded, or does not offer the name.
    """
    offered = loader.offered(Settings.load().paths.core, name)
    pickling.teach_pickle()
    return pickling.under_public_name(_within_bounds(offered, name), name)


def _within_bounds(offered: object, name: str) -> object:
    if not callable(offered):
        return offered
    if name == "load_model":
        return fetching(offered)
    if name in REPORTED:
        offered = reported(offered, REPORTED[name])
    return gated(offered, NEEDS[name]) if name in NEEDS else offered


def gated(function: Callable[..., R], features: tuple[str, ...]) -> Callable[..., R]:
    """A function that the license must include; asked at every call, from memory, with no network."""

    @functools.wraps(function)
    def within_the_license(*arguments: object, **named: object) -> R:
        session = _session()
        if session.features_enabled.isdisjoint(features):
            raise FeatureNotLicensedError(
                f"{function.__name__} needs the feature {features[0]!r}, which the {session.license_type} "
                f"license of {session.key_masked} does not include; {LOWEST_TIER} and higher tiers do.",
                feature=features[0],
            )
        return function(*arguments, **named)

    return within_the_license


def lend(session: SessionRecord) -> None:
    """Let gates that find no session on this machine go by one of another machine, which holds no key.

    For workers of a cluster: the license is the person's, wherever the work is done.
    """
    global _lent
    _lent = session


def _session() -> SessionRecord:
    try:
        return current_session()
    except SessionNotFoundError:
        if _lent is None:
            raise
        return require_valid(_lent, datetime.now(UTC))


def reported(function: Callable[..., R], inference_type: str) -> Callable[..., R]:
    """An inference that is reported to the service, if the person has asked for that."""

    @functools.wraps(function)
    def reported_when_wanted(*arguments: object, **named: object) -> R:
        where = _reporter()
        if where is None:
            return function(*arguments, **named)
        started = time.perf_counter()
        try:
            result = function(*arguments, **named)
        except Exception as error:
            # The class alone: a message may repeat what was decoded.
            _report(where, inference_type, arguments, success=False, error_message=type(error).__name__[:128])
            raise
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        _report(where, inference_type, arguments, success=True, duration_ms=milliseconds)
        return result

    return reported_when_wanted


def _reporter() -> Reporter | None:
    if os.environ.get("NIMBUS_SDK_USAGE", "0") in ("", "0"):
        return None
    try:
        from nimbus_sdk.account.usage.reporter import reporter

        return reporter()
    except Exception as error:  # noqa: BLE001 - a setting that cannot be used is no reason to decode nothing
        _tell_once(f"Usage is not reported: {error}")
        return None


def _report(where: Reporter, inference_type: str, arguments: tuple[object, ...], **outcome: object) -> None:
    try:
        where.report(
            {
                "event_type": "inference" if outcome["success"] else "error",
                "inference_type": inference_type,
                "model_name": _name_of(arguments[0]) if arguments else None,
                **outcome,
            }
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the person the result
        _tell_once(f"Usage was not reported ({type(error).__name__}).")


def _tell_once(what: str) -> None:
    import logging

    if what not in _told:
        _told.add(what)
        logging.getLogger("nimbus_sdk.usage").warning("%s", what)


def _name_of(model: object) -> str | None:
    name = getattr(getattr(model, "card", None), "name", None)
    return name[:128] if isinstance(name, str) and name else None


def fetching(load_model: Callable[..., R]) -> Callable[..., R]:
    """``load_model``, which fetches a model that the service offers when it is asked for the first time."""

    @functools.wraps(load_model)
    def fetched_when_absent(kind: object, name_or_path: object, **named: object) -> R:
        given = {"search": (Settings.load().paths.models,), **named}
        try:
            return load_model(kind, name_or_path, **given)
        except FileNotFoundError as absent:
            if not isinstance(name_or_path, str) or not name_or_path.replace("_", "").isalnum():
                raise
            _fetch(name_or_path, absent)
        return load_model(kind, name_or_path, **given)

    return fetched_when_absent


def _fetch(name: str, absent: FileNotFoundError) -> None:
    from nimbus_sdk.core.model_download import download_model

    try:
        download_model(name)
    except ConfigurationError:
        # Neither the core nor the service knows it: the core's own words say what there is.
        raise absent from None
    except NimbusConnectionError as error:
        raise NimbusConnectionError(
            f"The model {name} is not on this machine, and could not be fetched: {error.message}",
            passing=False,
            hint="Load it once with network; from then on it is kept for offline use.",
        ) from error
