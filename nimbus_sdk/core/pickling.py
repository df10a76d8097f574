"""Pickle objects of the core so that another process loads the core before it unpickles them.

Pickle stores the module and the name of a class. A fresh process (a worker of a cluster, of
``multiprocessing`` or of ``joblib``) would not find the module, since the core is on no search path. Objects
of the core are therefore pickled with a function of this module, and functions under their name in
``nimbus_sdk``.
"""

from __future__ import annotations

import copyreg
import sys
from importlib import import_module
from types import ModuleType

from nimbus_sdk.core.wheel import loader

_PROTOCOL = 4
_registered: set[str] = set()


def register_reducers() -> None:
    """Register how pickle reduces the classes of the core's modules imported since the last call."""
    core = loader.loaded_core()
    if core is None:
        return
    for name, module in list(sys.modules.items()):
        if name in _registered or name.partition(".")[0] not in core.top_level or _is_being_imported(module):
            continue
        _registered.add(name)
        for value in list(vars(module).values()) if isinstance(module, ModuleType) else ():
            if isinstance(value, type) and value.__module__ == name:
                # Pickle takes up to six parts; the type of this function has three.
                copyreg.pickle(value, _reduce)  # type: ignore[arg-type]


def _is_being_imported(module: ModuleType) -> bool:
    """Whether a thread is still importing this module, so that it lacks some of its classes."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def reconstruct(module: str, name: str, *arguments: object) -> object:
    """Create an object of the core without its state; for pickle only."""
    kind = _import_object(module, name)
    if not isinstance(kind, type):
        raise TypeError(f"{module}.{name} is not a class")
    instance: object = kind.__new__(kind, *arguments)
    return instance


def call(module: str, name: str, *arguments: object) -> object:
    """Call a class or function of the core; for pickle only."""
    function = _import_object(module, name)
    if not callable(function):
        raise TypeError(f"{module}.{name} cannot be called")
    result: object = function(*arguments)
    return result


def _import_object(module: str, name: str) -> object:
    if module not in sys.modules:
        loader.load()
    value: object = import_module(module)
    register_reducers()
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _reduce(value: object) -> str | tuple[object, ...]:
    reduced = value.__reduce_ex__(_PROTOCOL)
    if isinstance(reduced, str):
        return reduced
    function, arguments, *state = reduced
    if function is copyreg.__newobj__:  # type: ignore[attr-defined]
        kind, *rest = arguments
        return reconstruct, (kind.__module__, kind.__qualname__, *rest), *state
    if function.__module__.partition(".")[0] == type(value).__module__.partition(".")[0]:
        return call, (function.__module__, function.__qualname__, *arguments), *state
    return reduced
