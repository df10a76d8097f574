"""The core's names as the SDK hands them out: within the license, models fetched when first wanted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from nimbus_sdk.core import load
from nimbus_sdk.errors import ConfigurationError, FeatureNotLicensedError, NimbusConnectionError
from nimbus_sdk.model_files import SUFFIX, download_model
from nimbus_sdk.session import current_session
from nimbus_sdk.settings import Settings
from nimbus_sdk.store.places import Places

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


def from_core(name: str) -> object:
    """A public name of the installed core, which is loaded at the first one.

    Raises:
        CoreNotInstalledError: There is no core; the message says what to run.
        CoreError: It cannot be loaded, or does not offer the name.
    """
    offered = load.offered(Places.of(Settings.load()).core, name)
    if name in NEEDS and callable(offered):
        return gated(offered, NEEDS[name])
    if name == "load_model" and callable(offered):
        return fetching(offered)
    return offered


def gated(function: Callable[..., R], features: tuple[str, ...]) -> Callable[..., R]:
    """A function that the license must include; asked at every call, from memory, with no network."""

    @functools.wraps(function)
    def within_the_license(*arguments: object, **named: object) -> R:
        session = current_session()
        if session.features_enabled.isdisjoint(features):
            raise FeatureNotLicensedError(
                f"{function.__name__} needs the feature {features[0]!r}, which the {session.license_type} "
                f"license of {session.key_masked} does not include; {LOWEST_TIER} and higher tiers do.",
                feature=features[0],
            )
        return function(*arguments, **named)

    return within_the_license


def fetching(load_model: Callable[..., R]) -> Callable[..., R]:
    """``load_model``, which fetches a model that the service offers when it is asked for the first time."""

    @functools.wraps(load_model)
    def fetched_when_absent(kind: object, name_or_path: object, **named: object) -> R:
        given = {"search": (Places.of(Settings.load()).models,), **named}
        try:
            return load_model(kind, name_or_path, **given)
        except FileNotFoundError as absent:
            if not isinstance(name_or_path, str) or "/" in name_or_path or name_or_path.endswith(SUFFIX):
                raise
            _fetch(name_or_path, absent)
        return load_model(kind, name_or_path, **given)

    return fetched_when_absent


def _fetch(name: str, absent: FileNotFoundError) -> None:
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
