"""Make the installed core importable in this process, and give its public names. On the fast path.

One finder in front of ``sys.meta_path`` answers for the core's own top-level names and for nothing else.
``sys.path`` stays as it is, so nothing of the core's folder can shadow another module, and no file named
like the core, be it beside a script, in the working directory or on PYTHONPATH, can stand in for it.

A process keeps the core it has loaded: switching to another version counts from the next process on. The
core takes further modules from its folder while it works, so each load leaves a note, once a day, that the
installation is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module, invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType

from nimbus_sdk.core.wheel.manifest import InstalledCore, current, faults
from nimbus_sdk.core.wheel.protocol import ALIASES, DISTRIBUTION
from nimbus_sdk.core.wheel.requirements import missing_requirements, pip_command, require_interpreter
from nimbus_sdk.errors import (
    CoreError,
    CoreIncompatibleError,
    CoreInstallError,
    CoreIntegrityError,
    CoreNotInstalledError,
)
from nimbus_sdk.storage import fs

NOTE_USE_EVERY_SECONDS = 86_400.0
_START_AGAIN = "Start the program again: it then loads the core that is in use now."
_lock = RLock()
_loaded: tuple[InstalledCore, ModuleType] | None = None


def load(core_folder: str) -> ModuleType:
    """The core's module, imported at the first call; later calls give the same one.

    Args:
        core_folder: The folder of all versions.

    Raises:
        CoreNotInstalledError: There is none.
        CoreIntegrityError: Files are missing or of another size than what was installed.
        CoreIncompatibleError: It does not fit this interpreter, or a requirement is missing.
        CoreInstallError: It does not load.
        CoreError: Another module goes by the core's name in this process.
    """
    return _in_process(core_folder)[1]


def spec(core_folder: str) -> ModuleSpec | None:
    """Where Python's own import finds the core, for a program that imports it by its name.

    Args:
        core_folder: The folder of all versions.

    Raises:
        CoreError: What :func:`load` raises, but for a core that does not load.
    """
    with _lock:
        finder = _CoreFinder(_importable(core_folder))
        sys.meta_path.insert(0, finder)
        return finder.find_spec(DISTRIBUTION)


def loaded() -> InstalledCore | None:
    """What this process has loaded, which may differ from what is in use by now; None before."""
    return None if _loaded is None else _loaded[0]


def offered(core_folder: str, name: str) -> object:
    """A public object of the core, by its name or an older one for it.

    Args:
        core_folder: The folder of all versions.
        name: Such as ``load_model``, or ``RxLDAModel`` for ``NimbusLDA``.

    Raises:
        CoreIncompatibleError: This version of the core does not offer it, or a requirement is missing.
        CoreError: The core that was loaded is no longer there, or what :func:`load` raises.
    """
    core, module = _in_process(core_folder)
    try:
        found: object = getattr(module, ALIASES.get(name, name))
    except ImportError as error:
        # A core may leave its modules until they are asked for.
        raise _unobtainable(core, name, error) from error
    except AttributeError:
        version = getattr(module, "__version__", "unknown")
        raise CoreIncompatibleError(
            f"Version {version} of the core does not offer {name}.",
            hint="`nimbus-sdk install --force` brings the latest version.",
        ) from None
    return found


class _CoreFinder:
    """Answers for the top-level names of one installation of the core."""

    def __init__(self, core: InstalledCore) -> None:
        self._core = core
        self._library = [core.library]
        self._names = frozenset(core.top_level)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The core's module; a name that is the core's is never looked for elsewhere."""
        if name not in self._names:
            if name.partition(".")[0] in self._names and not os.path.isdir(self._library[0]):
                raise ModuleNotFoundError(f"{_removed(self._core)}. {_START_AGAIN}", name=name)
            return None
        spec = PathFinder.find_spec(name, self._library)
        if spec is None:
            raise ModuleNotFoundError(f"the core has lost {name}", name=name)
        return spec


def _in_process(core_folder: str) -> tuple[InstalledCore, ModuleType]:
    global _loaded
    with _lock:
        if _loaded is None:
            core = _importable(core_folder)
            _loaded = (core, _imported(core))
            fs.note_use(core.folder, NOTE_USE_EVERY_SECONDS)
        return _loaded


def _importable(core_folder: str) -> InstalledCore:
    core = current(core_folder)
    if core is None:
        raise CoreNotInstalledError("The core is not installed on this machine.")
    _check(core)
    return core


def _check(core: InstalledCore) -> None:
    require_interpreter(core.tag, core.interpreter, core.requires_python)
    found = faults(core)
    if found:
        raise CoreIntegrityError(f"Core {core.version} in {core.folder} was damaged.", issues=found)
    for name in core.top_level:
        if name in sys.modules:
            origin = getattr(sys.modules[name], "__file__", None) or "an unknown place"
            if origin.startswith(core.library + os.sep):
                continue
            raise CoreError(
                f"Another module named {name} was imported before the core, from {origin}.",
                hint="Rename that file, or import nimbus_sdk first and take names of the core from there.",
            )


def _imported(core: InstalledCore) -> ModuleType:
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


def _unobtainable(core: InstalledCore, name: str, error: ImportError) -> CoreError:
    if os.path.isdir(core.library):
        return _unloadable(core, error)
    return CoreError(f"{name} cannot be had: {_removed(core)}.", hint=_START_AGAIN)


def _removed(core: InstalledCore) -> str:
    return f"core {core.version}, which this program has loaded, was removed since"


def _unloadable(core: InstalledCore, error: Exception) -> CoreError:
    if not isinstance(error, ImportError):
        return CoreInstallError(f"Core {core.version} does not load: {type(error).__name__}: {error}.")
    absent = error.name if isinstance(error, ModuleNotFoundError) else None
    missing = missing_requirements(core.requires)
    if not missing and absent is not None and absent.partition(".")[0] not in core.top_level:
        missing = (absent.partition(".")[0],)
    if missing:
        return CoreIncompatibleError(
            f"Core {core.version} needs what this environment lacks: {', '.join(missing)}.",
            hint=f"Run `{pip_command(missing)}`, then try again.",
        )
    return CoreIncompatibleError(f"Core {core.version} does not load here: {error}.")
