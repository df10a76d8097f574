"""Blocking and awaitable calls are the same: names, arguments, defaults, annotations."""

import inspect
from typing import get_type_hints

import pytest

import nimbus_sdk
from nimbus_sdk import AsyncNimbusClient, NimbusClient, aio
from nimbus_sdk.transport.driver import AsyncDriver, Driver

METHODS = ["validate", "refresh", "revoke", "github_token", "list_models", "log_event", "health"]
TWINS = sorted(name for name in aio.__all__ if name != "AsyncNimbusClient")


def public(kind):
    """The public methods of a class, its base included."""
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}


@pytest.mark.parametrize("name", TWINS)
def test_every_call_has_a_twin_of_the_same_signature(name):
    """What can be called can be awaited."""
    call, twin = getattr(nimbus_sdk, name), getattr(aio, name)
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(call)
    assert inspect.signature(call) == inspect.signature(twin)
    assert twin.__doc__
    assert name in twin.__name__


def test_no_call_is_without_a_twin():
    """Every function of the SDK's own, that is not of the core, is in aio."""
    calls = {
        name
        for name in nimbus_sdk.__all__
        if name in nimbus_sdk._MODULES and inspect.isfunction(getattr(nimbus_sdk, name))
    }
    assert calls == set(TWINS)
    assert sorted(aio.__all__) == aio.__all__


def test_the_clients_have_the_documented_methods():
    """One for each endpoint, and how to close."""
    assert public(NimbusClient) == {*METHODS, "close"}
    assert public(AsyncNimbusClient) == {*METHODS, "aclose"}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_twin_of_the_same_signature(name):
    """And both say what they do."""
    method, twin = getattr(NimbusClient, name), getattr(AsyncNimbusClient, name)
    assert inspect.iscoroutinefunction(twin)
    assert inspect.signature(method) == inspect.signature(twin)
    assert get_type_hints(method) == get_type_hints(twin)
    assert "Flow" not in str(inspect.signature(method))
    assert method.__doc__
    assert twin.__doc__
    assert method.__name__ == twin.__name__ == name


@pytest.mark.parametrize(("one", "other"), [(NimbusClient, AsyncNimbusClient), (Driver, AsyncDriver)])
def test_both_are_made_and_closed_in_the_same_way(one, other):
    """The same arguments; `close` here is `aclose` there."""
    assert list(inspect.signature(one).parameters) == list(inspect.signature(other).parameters)
    assert "close" in dir(one)
    assert "aclose" in dir(other)


def test_clients_are_entered_in_the_same_way():
    """`with` here is `async with` there."""
    assert {"__enter__", "__exit__"} <= set(dir(NimbusClient))
    assert {"__aenter__", "__aexit__"} <= set(dir(AsyncNimbusClient))


def test_every_argument_of_the_surface_is_annotated_without_any():
    """No public signature says Any."""
    for name in [*TWINS, "NimbusClient", "AsyncNimbusClient"]:
        value = getattr(nimbus_sdk, name) if hasattr(nimbus_sdk, name) else getattr(aio, name)
        for parameter in inspect.signature(value).parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty
            assert "Any" not in str(parameter.annotation)
