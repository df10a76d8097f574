"""The models that ``load_model`` finds on this machine without network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.core.model_download import model_path, stored_models
from nimbus_sdk.core.wheel.manifest import find_core
from nimbus_sdk.core.wheel.protocol import MODEL_SUFFIX


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine.

    Attributes:
        name: As for ``load_model``.
        origin: The core that it comes with, such as ``core 0.1.0``, or ``download``.
        path: Its file.
    """

    name: str
    origin: str
    path: str


def find_local_models(paths: Paths) -> tuple[LocalModel, ...]:
    """Return the models that come with the core in use and those that were downloaded, by name.

    Raises:
        CoreIntegrityError: The record of the installed core is damaged.
        CoreInstallError: A file cannot be read or written.
    """
    found = {name: LocalModel(name, "download", model_path(paths, name)) for name in stored_models(paths)}
    core = find_core(paths.core)
    for file in () if core is None else core.files:
        inside = PurePosixPath(file)
        if core is not None and inside.suffix == MODEL_SUFFIX:
            # A core looks for a name among its own models first.
            path = os.path.join(core.library, *inside.parts)
            found[inside.stem] = LocalModel(inside.stem, f"core {core.version}", path)
    return tuple(found[name] for name in sorted(found))
