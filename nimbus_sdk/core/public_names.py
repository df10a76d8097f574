"""Look up the public names of the core, and wrap its functions in what the SDK adds to them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TypeAlias, cast

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core import pickling
from nimbus_sdk.core.license_gate import REQUIRED_FEATURES, requires_feature
from nimbus_sdk.core.usage_reports import REPORTED, with_decision_reports, with_usage_report
from nimbus_sdk.core.wheel import loader
from nimbus_sdk.errors import ConfigurationError, CoreIntegrityError, NimbusConnectionError
from nimbus_sdk.storage import trust
from nimbus_sdk.storage.pointer import trust_root

Function: TypeAlias = Callable[..., object]

more_wrappers: list[Callable[[Function], Function]] = []
"""What wraps every function of the core, besides what this module knows of."""

_objects: dict[str, object] = {}


def load_object(name: str) -> object:
    """Return a public object of the installed core, wrapped where license, usage or models are concerned.

    Every call returns the same object, in whichever thread.
    """
    if name not in _objects:
        value = loader.get_object(name)
        pickling.register_reducers()
        if callable(value) and not isinstance(value, type):
            value = _wrap(value, name)
        if isinstance(value, FunctionType) and value.__qualname__ == name:
            # Pickle refers to it as ``nimbus_sdk.name`` then, which any process can import.
            value.__module__ = "nimbus_sdk"
        _objects.setdefault(name, value)
    return _objects[name]


def _wrap(function: Function, name: str) -> Function:
    if name == "load_model":
        function = with_download(function)
    if name == "decode_stream":
        function = with_decision_reports(cast("Callable[..., Iterator[object]]", function))
    if name in REPORTED:
        function = with_usage_report(function, REPORTED[name])
    if name in REQUIRED_FEATURES:
        function = requires_feature(function, REQUIRED_FEATURES[name])
    for wrap in more_wrappers:
        function = wrap(function)
    return function


class UnknownModelError(ConfigurationError, FileNotFoundError):
    """Neither this machine nor the service has a model of this name."""


def with_download(load_model: Function) -> Function:
    """Return ``load_model`` such that it downloads a model of the service that is not on this machine."""

    @functools.wraps(load_model)
    def load_or_download(kind: object, name_or_path: object, **named: object) -> object:
        options = {"search": (_trusted_folder(),), **named}
        try:
            return load_model(kind, name_or_path, **options)
        except FileNotFoundError as error:
            if not isinstance(name_or_path, str) or not name_or_path.replace("_", "").isalnum():
                raise
            _download(name_or_path, error)
        return load_model(kind, name_or_path, **options)

    return load_or_download


def _trusted_folder() -> str:
    """Return the folder of downloaded models, unless somebody else can change what is in it."""
    paths = Settings.load().paths
    try:
        _, distrusted = trust.survey(paths.models, trust_root(paths.core))
    except FileNotFoundError:
        return paths.models
    except OSError as error:
        distrusted = [f"{error.filename}: {error.strerror}"]
    if distrusted:
        raise CoreIntegrityError(
            "The downloaded models are not used.",
            issues=tuple(distrusted),
            hint=f"Remove {paths.models}, or the write permission of others; then load the model again.",
        )
    return paths.models


def _download(name: str, not_found: FileNotFoundError) -> None:
    from nimbus_sdk.core.model_download import download_model

    try:
        download_model(name)
    except ConfigurationError as error:
        # The core's error lists the models on this machine, the service's those that can be downloaded.
        raise UnknownModelError(str(not_found), hint=error.hint) from None
    except NimbusConnectionError as error:
        raise NimbusConnectionError(
            f"The model {name} is not on this machine and could not be downloaded: {error.message}",
            passing=False,
            hint="Load it once, online; it is then stored for offline use.",
        ) from error
