"""Import the installed core in this process, and look up its public names; runs at every start.

One finder in front of ``sys.meta_path`` finds the core's own top-level names and nothing else. ``sys.path``
is not changed, so nothing in the core's folder can shadow another module, and no file of the core's name is
imported instead of it, be it beside a script, in the working directory or on PYTHONPATH. A process keeps the
core that it has loaded: a switch to another version takes effect in the next process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module, invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType

from nimbus_sdk import errors
from nimbus_sdk.core.wheel.manifest import InstalledCore, missing_files, require_core
from nimbus_sdk.core.wheel.protocol import ALIASES, DISTRIBUTION
from nimbus_sdk.core.wheel.requirements import missing_requirements, require_interpreter
from nimbus_sdk.errors.python_environment import install_hint
from nimbus_sdk.storage import fs

NOTE_USE_EVERY_SECONDS = 86_400.0
_RESTART = "Restart the program: it then loads the core that is in use now."
_lock = RLock()
_loaded: tuple[InstalledCore, ModuleType] | None = None


def load(core_folder: str | None = None) -> ModuleType:
    """Import the core's module at the first call; later calls return the same one.

    The folder of all versions is that of the settings if omitted, here and below. Raises a ``CoreError`` if
    there is no core, or none that is whole, fits this environment and loads.
    """
    return _load_once(core_folder)[1]


class CoreImportError(errors.CoreError, ModuleNotFoundError):
    """An import by the core's own name fails; also what Python expects of a failed import."""


def become_core(module: ModuleType, core_folder: str | None = None) -> None:
    """Turn the module that an import by the core's name has found into the core."""
    # Without the lock: the import system holds its own for this name, for which `load` may be waiting.
    try:
        core = _loadable(core_folder)
    except errors.NimbusError as error:
        failed = CoreImportError(error.message, hint=error.hint)
        failed.name = module.__name__
        raise failed from None
    finder = _CoreFinder(core)
    sys.meta_path.insert(0, finder)
    spec = finder.find_spec(module.__name__)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{module.__name__} is missing from the core", name=module.__name__)
    # The object stays the same, since other threads may be waiting for it.
    vars(module.__spec__).update(vars(spec))
    vars(module).update(
        __path__=spec.submodule_search_locations,
        __package__=spec.parent,
        __file__=spec.origin,
        __cached__=spec.cached,
        __loader__=spec.loader,
    )
    spec.loader.exec_module(module)


def loaded_core() -> InstalledCore | None:
    """Return the core that this process has loaded, or None; it may no longer be the one in use."""
    return None if _loaded is None else _loaded[0]


def get_object(name: str, core_folder: str | None = None) -> object:
    """Return a public object of the core, such as ``load_model``, or ``NimbusLDA`` for ``RxLDAModel``."""
    core, module = _load_once(core_folder)
    try:
        value: object = getattr(module, ALIASES.get(name, name))
    except ImportError as error:
        # A core may import its modules only when they are needed.
        if os.path.isdir(core.library):
            raise _unloadable(core, error) from error
        raise errors.CoreError(f"{name} cannot be imported: {_removed(core)}.", hint=_RESTART) from error
    except AttributeError:
        version = getattr(module, "__version__", "unknown")
        raise errors.CoreIncompatibleError(
            f"Version {version} of the core does not offer {name}.",
            hint="`nimbus-sdk install --force` installs the latest version.",
        ) from None
    return value


class _CoreFinder:
    """Finds the top-level modules of one installation of the core."""

    def __init__(self, core: InstalledCore) -> None:
        self._core = core

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of the core; such a name is never searched for elsewhere."""
        core = self._core
        if name not in core.top_level:
            if name.partition(".")[0] in core.top_level and not os.path.isdir(core.library):
                raise ModuleNotFoundError(f"{_removed(core)}. {_RESTART}", name=name)
            return None
        spec = PathFinder.find_spec(name, [core.library])
        if spec is None:
            raise ModuleNotFoundError(f"{name} is missing from the core", name=name)
        return spec


def _load_once(core_folder: str | None) -> tuple[InstalledCore, ModuleType]:
    global _loaded
    with _lock:
        if _loaded is None:
            core = _loadable(core_folder)
            _loaded = (core, _import(core))
            # It imports further modules while it works, so its folder must stay.
            fs.touch_if_older(core.folder, NOTE_USE_EVERY_SECONDS)
        return _loaded


def _loadable(core_folder: str | None) -> InstalledCore:
    """Return the installed core, once it was found to fit this interpreter and to be whole."""
    core = require_core(core_folder)
    require_interpreter(core.tag, core.interpreter, core.requires_python)
    missing = missing_files(core)
    if missing:
        raise errors.CoreIntegrityError(f"Core {core.version} in {core.folder} is damaged.", issues=missing)
    for name in core.top_level:
        if name in sys.modules:
            module = sys.modules[name]
            origin = getattr(module, "__file__", None) or "an unknown place"
            if origin.startswith(core.library + os.sep) or hasattr(module, "_becomes_core"):
                continue
            raise errors.CoreError(
                f"Another module named {name} was imported before the core, from {origin}.",
                hint="Rename that file, or import nimbus_sdk first and take names of the core from there.",
            )
    return core


def _import(core: InstalledCore) -> ModuleType:
    before = set(sys.modules)
    finder = _CoreFinder(core)
    sys.meta_path.insert(0, finder)
    invalidate_caches()
    try:
        return import_module(DISTRIBUTION)
    except BaseException as error:
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in core.top_level:
                del sys.modules[name]
        if isinstance(error, Exception):
            raise _unloadable(core, error) from error
        raise


def _removed(core: InstalledCore) -> str:
    return f"core {core.version}, which this program has loaded, has been removed"


def _unloadable(core: InstalledCore, error: Exception) -> errors.CoreError:
    if not isinstance(error, ImportError):
        return errors.CoreInstallError(f"Core {core.version} does not load: {type(error).__name__}: {error}.")
    missing = list(missing_requirements(core.requires))
    if not missing and isinstance(error, ModuleNotFoundError):
        absent = (error.name or "").partition(".")[0]
        missing = [absent] if absent not in ("", *core.top_level) else []
    if missing:
        return errors.CoreIncompatibleError(
            f"Core {core.version} needs what this environment lacks: {', '.join(missing)}.",
            hint=install_hint(missing),
        )
    return errors.CoreIncompatibleError(f"Core {core.version} does not load here: {error}.")
