"""Placeholders for names of the core, for programs that import them where no core can be loaded.

A first cell imports everything and then installs. A placeholder raises the error that says what to run
whenever it is used, and tries to load the core each time. Once that succeeds, a function calls the core's
function, and a class is used like the core's class: for instances, as an argument, in ``isinstance``, and as
a base class. Only ``type(model) is NimbusLDA`` stays false, since the class of a model is the core's own.

Pickle refers to a placeholder by its name in this module, where another process finds the core's object.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from abc import ABCMeta
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import TypeVar

from nimbus_sdk.core.public_names import load_object, more_wrappers
from nimbus_sdk.core.wheel.protocol import ALIASES, DISTRIBUTION
from nimbus_sdk.errors import CoreIncompatibleError, CoreNotInstalledError, NimbusError

R = TypeVar("R")

_DOC = "{0} of the core, which could not be loaded when it was imported; see ``help(nimbus_sdk.{0})``."
_placeholders: dict[str, object] = {}


def make_placeholder(name: str) -> object:
    """Return the placeholder for a public name of the core: a class if the name is capitalized."""
    name = ALIASES.get(name, name)
    if name not in _placeholders:
        _placeholders.setdefault(name, _make_class(name) if name[0].isupper() else _make_function(name))
    return _placeholders[name]


def __getattr__(name: str) -> object:
    # Pickle asks for what it has a reference to, other tools for names with an underscore.
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _placeholders:
        return _placeholders[name]
    try:
        return load_object(name)
    except CoreIncompatibleError as error:
        raise AttributeError(error.message) from None
    except NimbusError:
        return make_placeholder(name)


def with_core_classes(function: Callable[..., R]) -> Callable[..., R]:
    """Return a function that replaces placeholders among its arguments by the classes of the core."""

    @functools.wraps(function)
    def call(*arguments: object, **named: object) -> R:
        return function(*map(_replace, arguments), **{key: _replace(value) for key, value in named.items()})

    return call


class CoreAttributeError(CoreNotInstalledError, AttributeError):
    """An attribute of a class of the core that is not installed, so that ``hasattr`` is false."""


class CoreClass(ABCMeta):
    """Type of the placeholders for classes, and for classes that a program derives from one.

    It derives from ``ABCMeta`` so that such a class may have an abstract class as a second base.
    """

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, object], **options: object
    ) -> type:
        """Make a placeholder; return a class that is derived from one as soon as the core can be loaded."""
        placeholder = super().__new__(cls, name, bases, namespace)
        if bases:
            class_cell = namespace.get("__classcell__")
            _loaders[placeholder] = functools.partial(_derive, placeholder, bases, options, class_cell)
            with suppress(NimbusError):
                return _load(placeholder)
        return placeholder

    def __call__(cls, *arguments: object, **named: object) -> object:
        """Make an instance of the core's class."""
        return _load(cls)(*arguments, **named)

    def __getattribute__(cls, name: str) -> object:
        core_class = None if name in ("__module__", "__name__", "__qualname__") else _find(cls)
        if core_class is None:
            return super().__getattribute__(name)
        if name == "__signature__":
            # inspect.signature would show the signature of ``__call__`` otherwise.
            return inspect.signature(core_class)
        return getattr(core_class, name)

    def __getattr__(cls, name: str) -> object:
        # Tools ask any object for names with an underscore.
        if name.startswith("_"):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        try:
            return getattr(_load(cls), name)
        except CoreNotInstalledError as error:
            raise CoreAttributeError(error.message, hint=error.hint) from None

    def __setattr__(cls, name: str, value: object) -> None:
        if (core_class := _find(cls)) is None:
            super().__setattr__(name, value)
        else:
            setattr(core_class, name, value)

    def __delattr__(cls, name: str) -> None:
        if (core_class := _find(cls)) is None:
            super().__delattr__(name)
        else:
            delattr(core_class, name)

    def __instancecheck__(cls, instance: object) -> bool:
        core_class = _find(cls)
        return super().__instancecheck__(instance) if core_class is None else isinstance(instance, core_class)

    def __subclasscheck__(cls, subclass: type) -> bool:
        if (core_class := _find(cls)) is None:
            return super().__subclasscheck__(subclass)
        return issubclass(_load(subclass) if isinstance(subclass, CoreClass) else subclass, core_class)


# Functions that are loaded once there are placeholders must take them; others are as fast as ever.
more_wrappers.append(with_core_classes)


_lock = RLock()
_loaders: dict[type, Callable[[], object]] = {}
"""What returns the class that a placeholder refers to."""

_derived: dict[type, type] = {}


def _make_class(name: str) -> type:
    placeholder = CoreClass(name, (), {"__module__": __name__, "__doc__": _DOC.format(name)})
    _loaders[placeholder] = functools.partial(load_object, name)
    return placeholder


def _make_function(name: str) -> Callable[..., object]:
    def placeholder(*arguments: object, **named: object) -> object:
        function: Callable[..., object] = load_object(name)  # type: ignore[assignment]
        if not hasattr(placeholder, "__wrapped__"):
            functools.update_wrapper(placeholder, function, assigned=("__doc__", "__annotations__"))
        return function(*arguments, **named)

    placeholder.__name__ = placeholder.__qualname__ = name
    placeholder.__doc__ = _DOC.format(name)
    return placeholder


def _find(placeholder: type) -> type | None:
    """Return the class that a placeholder refers to, or None if this process has not loaded the core."""
    if placeholder not in _loaders or DISTRIBUTION not in sys.modules:
        return None
    try:
        return _load(placeholder)
    except NimbusError:
        return None


def _load(placeholder: type) -> type:
    """Return the class that a placeholder refers to: that of the core, or one derived from it."""
    return _loaders[placeholder]()  # type: ignore[return-value]


def _derive(placeholder: type, bases: tuple[type, ...], options: dict[str, object], cell: object) -> type:
    """Make a class that is derived from a placeholder again from the core's class, once."""
    with _lock:
        if placeholder in _derived:
            return _derived[placeholder]
        name = placeholder.__name__
        # Decorators may have added to the class since its statement.
        body = dict(type.__getattribute__(placeholder, "__dict__"))
        for made_by_python in ("__dict__", "__weakref__", "__abstractmethods__", "_abc_impl"):
            body.pop(made_by_python, None)
        body["__qualname__"] = placeholder.__qualname__
        if cell is not None:
            body["__classcell__"] = cell
        core_bases = tuple(map(_replace, bases))
        derived = types.new_class(name, core_bases, options, lambda namespace: namespace.update(body))
        # Pickle looks for the class of an instance in its module.
        module = sys.modules.get(derived.__module__)
        if module is not None and vars(module).get(name) is placeholder:
            setattr(module, name, derived)
        _derived[placeholder] = derived
        return derived


def _replace(value: object) -> object:
    return _load(value) if isinstance(value, CoreClass) else value
