"""Look up the public names of the core, and wrap its functions in what the SDK adds to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TypeAlias, cast

from nimbus_sdk.core import pickling
from nimbus_sdk.core.license_gate import REQUIRED_FEATURES, requires_feature
from nimbus_sdk.core.model_loading import with_download
from nimbus_sdk.core.usage_reports import REPORTED, with_decision_reports, with_usage_report
from nimbus_sdk.core.wheel import loader

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
