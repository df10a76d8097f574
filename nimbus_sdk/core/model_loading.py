"""Load a model of the service that is not on this machine, by downloading it first."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError, CoreIntegrityError, NimbusConnectionError
from nimbus_sdk.storage import trust
from nimbus_sdk.storage.pointer import trust_root

R = TypeVar("R")


class UnknownModelError(ConfigurationError, FileNotFoundError):
    """Neither this machine nor the service has a model of this name."""


def with_download(load_model: Callable[..., R]) -> Callable[..., R]:
    """Return ``load_model`` such that it downloads a model of the service that is not on this machine."""

    @functools.wraps(load_model)
    def load_or_download(kind: object, name_or_path: object, **named: object) -> R:
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
