"""Objects of the core on their way to another process: whoever unpickles them loads the core first.

The core lies on no search path, so that pickle, which keeps of a class its module and name, would look for
it in vain in a fresh process: a worker of a cluster, of ``multiprocessing`` or of ``joblib``. Classes of the
core are therefore pickled with a function of this module, and functions under their name in ``nimbus_sdk``.
"""

from __future__ import annotations

import copyreg
import sys
from importlib import import_module
from types import FunctionType, ModuleType

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel import loader

_PROTOCOL = 4
_taught: set[str] = set()


def teach_pickle() -> None:
    """Teach pickle the classes of those modules of the core that were imported since the last call."""
    core = loader.loaded()
    if core is None:
        return
    for name, module in list(sys.modules.items()):
        if name in _taught or name.partition(".")[0] not in core.top_level:
            continue
        _taught.add(name)
        for found in list(vars(module).values()) if isinstance(module, ModuleType) else ():
            if isinstance(found, type) and found.__module__ == name:
                # Pickle takes up to six parts, of which the type of this function knows three.
                copyreg.pickle(found, _reduced)  # type: ignore[arg-type]


def under_public_name(found: object, name: str) -> object:
    """Let pickle keep a function of the core as ``nimbus_sdk.name``, where any process finds it."""
    if isinstance(found, FunctionType) and found.__qualname__ == name:
        found.__module__ = "nimbus_sdk"
    return found


def revived(module: str, name: str, *arguments: object) -> object:
    """An object of the core as pickle first makes it, without its state; for pickle alone.

    Raises:
        CoreError: This machine has no core, or one that does not load.
    """
    kind = _of_core(module, name)
    if not isinstance(kind, type):
        raise TypeError(f"{module}.{name} is no class")
    made: object = kind.__new__(kind, *arguments)
    return made


def called(module: str, name: str, *arguments: object) -> object:
    """What a class or function of the core makes of these arguments; for pickle alone.

    Raises:
        CoreError: This machine has no core, or one that does not load.
    """
    make = _of_core(module, name)
    if not callable(make):
        raise TypeError(f"{module}.{name} cannot be called")
    made: object = make(*arguments)
    return made


def _of_core(module: str, name: str) -> object:
    if module not in sys.modules:
        loader.load(Settings.load().paths.core)
    found: object = import_module(module)
    teach_pickle()
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _reduced(thing: object) -> str | tuple[object, ...]:
    plain = thing.__reduce_ex__(_PROTOCOL)
    if isinstance(plain, str):
        return plain
    make, given, *state = plain
    if make is copyreg.__newobj__:  # type: ignore[attr-defined]
        kind, *rest = given
        return revived, (kind.__module__, kind.__qualname__, *rest), *state
    if make.__module__.partition(".")[0] == type(thing).__module__.partition(".")[0]:
        return called, (make.__module__, make.__qualname__, *given), *state
    return plain
