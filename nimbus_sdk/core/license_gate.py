"""Wrap the core's public functions: check the license, report usage, download models when needed."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import FunctionType
from typing import TYPE_CHECKING, TypeVar

from nimbus_sdk.account.session import current_session
from nimbus_sdk.account.session_record import SessionRecord, require_valid
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

# Any one of the features is enough: the service lists training, and not always calibration beside it.
REQUIRED_FEATURES = {
    "train_model": ("training",),
    "calibrate_model": ("calibration", "training"),
    "init_streaming": ("streaming",),
    "process_chunk": ("streaming",),
    "finalize_trial": ("streaming",),
}
LOWEST_TIER = "research"
REPORTED = {"predict_batch": "batch", "finalize_trial": "streaming"}
_fallback_session: SessionRecord | None = None


def get_core_object(name: str) -> object:
    """Return a public object of the installed core, wrapped where the license or the usage is concerned.

    Raises:
        CoreNotInstalledError: There is no core; the message says what to run.
        CoreError: It cannot be loaded, or does not offer the name.
    """
    value = loader.get_object(name)
    pickling.register_reducers()
    value = _wrap(value, name)
    if isinstance(value, FunctionType) and value.__qualname__ == name:
        # Pickle refers to it as ``nimbus_sdk.name`` then, which any process can import.
        value.__module__ = "nimbus_sdk"
    return value


def _wrap(value: object, name: str) -> object:
    if not callable(value):
        return value
    if name == "load_model":
        return with_download(value)
    if name in REPORTED:
        value = with_usage_report(value, REPORTED[name])
    return requires_feature(value, REQUIRED_FEATURES[name]) if name in REQUIRED_FEATURES else value


def requires_feature(function: Callable[..., R], features: tuple[str, ...]) -> Callable[..., R]:
    """Return a function that checks the license at every call, with no request."""

    @functools.wraps(function)
    def checked(*arguments: object, **named: object) -> R:
        session: SessionRecord
        try:
            session = current_session()
        except SessionNotFoundError:
            if _fallback_session is None:
                raise
            session = require_valid(_fallback_session, datetime.now(UTC))
        if session.features_enabled.isdisjoint(features):
            raise FeatureNotLicensedError(
                f"{function.__name__} needs the feature {features[0]!r}, which the {session.license_type} "
                f"license of {session.key_masked} does not include; {LOWEST_TIER} and higher tiers do.",
                feature=features[0],
            )
        return function(*arguments, **named)

    return checked


def set_fallback_session(session: SessionRecord) -> None:
    """Set the session that counts if this machine has none; it contains no key.

    For workers of a cluster: the license is that of the user, on whichever machine the work is done.
    """
    global _fallback_session
    _fallback_session = session


def with_usage_report(function: Callable[..., R], inference_type: str) -> Callable[..., R]:
    """Return a function that reports each inference to the service, if the user has enabled that."""

    @functools.wraps(function)
    def reported(*arguments: object, **named: object) -> R:
        reporter = _find_reporter()
        if reporter is None:
            return function(*arguments, **named)
        started = time.perf_counter()
        try:
            result = function(*arguments, **named)
        except Exception as error:
            # Only the class: a message may contain decoded data.
            kind = type(error).__name__[:128]
            _report(reporter, inference_type, arguments, success=False, error_message=kind)
            raise
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        _report(reporter, inference_type, arguments, success=True, duration_ms=milliseconds)
        return result

    return reported


def _find_reporter() -> Reporter | None:
    if os.environ.get("NIMBUS_SDK_USAGE", "0") in ("", "0"):
        return None
    try:
        from nimbus_sdk.account.usage.reporter import reporter

        return reporter()
    except Exception as error:  # noqa: BLE001 - a bad setting must not stop the inference
        _log_once(f"Usage is not reported: {error}")
        return None


def _report(
    reporter: Reporter, inference_type: str, arguments: tuple[object, ...], **outcome: object
) -> None:
    try:
        name = getattr(getattr(arguments[0], "card", None), "name", None) if arguments else None
        reporter.report(
            {
                "event_type": "inference" if outcome["success"] else "error",
                "inference_type": inference_type,
                "model_name": name[:128] if isinstance(name, str) and name else None,
                **outcome,
            }
        )
    except Exception as error:  # noqa: BLE001 - a report that fails must not cost the result
        _log_once(f"Usage was not reported ({type(error).__name__}).")


@functools.cache
def _log_once(message: str) -> None:
    import logging

    logging.getLogger("nimbus_sdk.usage").warning("%s", message)


def with_download(load_model: Callable[..., R]) -> Callable[..., R]:
    """Return ``load_model`` such that it downloads a model of the service that is not on this machine."""

    @functools.wraps(load_model)
    def load_or_download(kind: object, name_or_path: object, **named: object) -> R:
        options = {"search": (Settings.load().paths.models,), **named}
        try:
            return load_model(kind, name_or_path, **options)
        except FileNotFoundError as error:
            if not isinstance(name_or_path, str) or not name_or_path.replace("_", "").isalnum():
                raise
            _download(name_or_path, error)
        return load_model(kind, name_or_path, **options)

    return load_or_download


def _download(name: str, not_found: FileNotFoundError) -> None:
    from nimbus_sdk.core.model_download import download_model

    try:
        download_model(name)
    except ConfigurationError:
        # Neither the core nor the service has it; the core's error lists the models that there are.
        raise not_found from None
    except NimbusConnectionError as error:
        raise NimbusConnectionError(
            f"The model {name} is not on this machine and could not be downloaded: {error.message}",
            passing=False,
            hint="Load it once with network; it is then stored for offline use.",
        ) from error
