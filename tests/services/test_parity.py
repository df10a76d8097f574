"""The two clients of a service are twins: the same methods run the same flows, with the same results."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from nimbus_sdk import services
from nimbus_sdk.errors import MissingKeyError
from tests.services.conftest import KEYS, KINDS, SERVICES, base_of, key_for

NOT_FLOWS = {"list_keys", "require_permission", "__init__", "close", "__enter__", "__exit__"}
BY_KIND = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__"}


def members(cls: type) -> dict[str, Any]:
    """What a class offers, inherited or not."""
    found = {name: value for base in reversed(cls.__mro__[:-1]) for name, value in vars(base).items()}
    pairs = (*BY_KIND, *BY_KIND.values())
    return {name: value for name, value in found.items() if not name.startswith("_") or name in pairs}


def shape(function: object) -> str:
    """A signature, with what differs by kind made alike."""
    text = str(inspect.signature(function))  # type: ignore[arg-type]
    return text.replace("Async", "")


@pytest.mark.parametrize("service", SERVICES)
def test_the_two_clients_of_a_service_are_twins(service):
    """The same names, arguments after ``self`` and documentation; all but local ones run the same flow."""
    plain, awaitable = members(getattr(services, service)), members(getattr(services, f"Async{service}"))
    assert {BY_KIND.get(name, name) for name in plain} == set(awaitable)
    for name, function in plain.items():
        twin = awaitable[BY_KIND.get(name, name)]
        if isinstance(function, property):
            assert isinstance(twin, property)
            continue
        assert shape(function) == shape(twin), name
        assert shape(function).startswith("(self"), name
        if name not in NOT_FLOWS:
            assert function.__wrapped__ is twin.__wrapped__, name
            assert function.__doc__ == twin.__doc__, name
            assert "Flow" not in shape(function), name
        local = name == "require_permission"
        asynchronous = inspect.iscoroutinefunction(twin) or inspect.isasyncgenfunction(twin)
        assert asynchronous is not local, name


def play_nimbus_os(client, box):
    """Call every method of Nimbus OS."""
    new = [box.new_nimbus_os_key() for _ in range(2)]
    yield len(client("request", "GET", "/orders")["data"]) > 0
    yield client("save_key")
    yield client("rotate_key", new[0]).step
    yield client("rotation").step
    yield client("undo_rotation").step
    yield client("rotate_key", new[1]).step
    yield client("confirm_rotation").step
    yield client("forget_key")
    with pytest.raises(MissingKeyError):
        client("restore_key")


def play_neuroai(client, box):
    """Call every method of NeuroAI."""
    del box
    yield client("verify").valid
    yield client("save_key")
    issued = client("create_key", "CI", role="Viewer", save=True)
    yield issued.saved_in
    key_id = issued.info.id
    yield client("get_key", key_id).name
    yield client("update_key", key_id, name="CI 2").name
    yield [key.name for key in client("list_keys") if key.id == key_id]
    yield client("rotate_key", key_id).info.id == key_id
    yield client("rotate_if_older_than", 1, key_id=key_id)
    yield client("delete_key", key_id)
    yield client("request", "GET", "/v1/auth/verify")["valid"]
    yield client("restore_key") != ""
    yield client("forget_key")


def play_nexus(client, box):
    """Call every method of Nexus."""
    del box
    client.client.require_permission("write")
    yield sorted(client.client.claims.permissions)
    yield client("create_thread", "Hello").id is not None
    yield client("request", "POST", "/api/public/thread", json={"message": "Hello"}) is not None
    yield client("save_key")
    yield client("forget_key")
    with pytest.raises(MissingKeyError):
        client("restore_key")


PLAYS = {"NimbusOS": play_nimbus_os, "NeuroAI": play_neuroai, "Nexus": play_nexus}
RESULTS = {
    "NimbusOS": [True, "file", "switched", "switched", "undone", "switched", "confirmed", True],
    "NeuroAI": [True, "file", "file", "CI", "CI 2", ["CI 2"], True, None, None, True, True, True],
    "Nexus": [["read", "write"], True, True, "file", True],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_does_the_same_in_both_clients(service, open_client, box):
    """One script over all methods: the same results from the blocking client and the awaitable one."""
    client = open_client(service, key_for(box, service), base_url=base_of(box, service))
    assert list(PLAYS[service](client, box)) == RESULTS[service]
    local = {"close", "aclose", "claims", "require_permission"}
    public = {name for name in members(type(client.client)) if not name.startswith("_")}
    assert client.called == public - local


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("prefix", ["", "Async"])
def test_every_client_takes_the_same_keywords(service, prefix):
    """Key, base URL, timeout, profile and transport have the same names everywhere, and no more positions."""
    parameters = inspect.signature(getattr(services, f"{prefix}{service}")).parameters
    assert {"api_key", "base_url", "timeout", "profile", "transport"} <= set(parameters)
    assert all(parameter.default is not inspect.Parameter.empty for parameter in parameters.values())
    positional = [name for name, each in parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert positional == ["api_key"]
    request = inspect.signature(getattr(services, f"{prefix}{service}").request).parameters
    assert list(request) == ["self", "method", "path", "params", "json", "request_id"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("prefix", ["", "Async"])
def test_everything_public_is_documented(service, prefix):
    """Every method says what it does."""
    cls = getattr(services, f"{prefix}{service}")
    methods = {name: found for name, found in members(cls).items() if not name.startswith("_")}
    assert all(inspect.getdoc(found) for found in [cls, *methods.values()])


@pytest.mark.parametrize("service", SERVICES)
def test_clients_are_context_managers(service):
    """Both kinds are closed by their block, also by one that fails."""
    given = {"api_key": KEYS[service], "base_url": "https://one.example"}
    with getattr(services, service)(**given) as client:
        assert isinstance(client, getattr(services, service))

    async def main() -> None:
        async with getattr(services, f"Async{service}")(**given) as client:
            assert isinstance(client, getattr(services, f"Async{service}"))
            raise LookupError

    import asyncio

    with pytest.raises(LookupError):
        asyncio.run(main())


def test_every_public_name_can_be_had():
    """What the package lists is there, and nothing else is."""
    assert {"NimbusOS", "AsyncNimbusOS", "NeuroAI", "AsyncNeuroAI", "Nexus", "AsyncNexus"} <= set(
        services.__all__
    )
    assert set(services.__all__) <= set(dir(services))
    assert all(getattr(services, name) is not None for name in services.__all__)
    with pytest.raises(AttributeError):
        _ = services.NimbusTwo  # type: ignore[attr-defined]


def test_the_sdk_loads_none_of_this(fresh):
    """``import nimbus_sdk`` loads no further service; one of them loads none of the others."""
    fresh(
        "import sys, nimbus_sdk\n"
        "assert not any(name.startswith('nimbus_sdk.services') for name in sys.modules)\n"
        "import nimbus_sdk.services\n"
        "assert 'httpcore' not in sys.modules and 'pydantic' not in sys.modules\n"
        "nimbus_sdk.services.NimbusOS()\n"
        "loaded = [name for name in sys.modules if 'neuroai' in name or 'nexus' in name]\n"
        "assert not loaded and 'httpcore' not in sys.modules, loaded\n"
    )
