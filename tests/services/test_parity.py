"""The two faces of a system are twins, and the systems speak alike."""

from __future__ import annotations

import inspect

import pytest

from nimbus_sdk import services
from tests.services.conftest import KEYS, SYSTEMS

BY_KIND = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__"}


def members(cls: type) -> dict[str, object]:
    """What a class offers, inherited or not."""
    found = {name: one for base in reversed(cls.__mro__[:-1]) for name, one in vars(base).items()}
    pairs = (*BY_KIND, *BY_KIND.values())
    return {name: one for name, one in found.items() if not name.startswith("_") or name in pairs}


def shape(function: object) -> str:
    """A signature, with what differs by kind made alike."""
    text = str(inspect.signature(function))  # type: ignore[arg-type]
    return text.replace("Async", "")


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_faces_of_a_system_are_twins(system):
    """The same names with the same arguments, awaitable on one side."""
    plain, awaitable = members(getattr(services, system)), members(getattr(services, f"Async{system}"))
    assert {BY_KIND.get(name, name) for name in plain} == set(awaitable)
    for name, function in plain.items():
        twin = awaitable[BY_KIND.get(name, name)]
        if isinstance(function, property):
            assert isinstance(twin, property)
            continue
        assert shape(function) == shape(twin), name
        assert inspect.getdoc(function), name
        assert "Flow" not in str(inspect.signature(function)), name
        local = name == "require_permission"
        asynchronous = inspect.iscoroutinefunction(twin) or inspect.isasyncgenfunction(twin)
        assert asynchronous is not local, name


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("prefix", ["", "Async"])
def test_every_client_takes_the_same_keywords(system, prefix):
    """Key, base URL, timeout, profile and transport have the same names everywhere, and no more positions."""
    parameters = inspect.signature(getattr(services, f"{prefix}{system}")).parameters
    assert {"api_key", "base_url", "timeout", "profile", "transport"} <= set(parameters)
    assert all(parameter.default is not inspect.Parameter.empty for parameter in parameters.values())
    positional = [name for name, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert positional == ["api_key"]
    request = inspect.signature(getattr(services, f"{prefix}{system}").request).parameters
    assert list(request) == ["self", "method", "path", "params", "json", "request_id"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("prefix", ["", "Async"])
def test_everything_public_is_documented(system, prefix):
    """Every method says what it does."""
    cls = getattr(services, f"{prefix}{system}")
    methods = {name: found for name, found in members(cls).items() if not name.startswith("_")}
    assert all(inspect.getdoc(found) for found in [cls, *methods.values()])


@pytest.mark.parametrize("system", SYSTEMS)
def test_clients_are_context_managers(system):
    """Both kinds are closed by their block, also by one that fails."""
    given = {"api_key": KEYS[system], "base_url": "https://one.example"}
    with getattr(services, system)(**given) as client:
        assert isinstance(client, getattr(services, system))

    async def main() -> None:
        async with getattr(services, f"Async{system}")(**given) as client:
            assert isinstance(client, getattr(services, f"Async{system}"))
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
        _ = services.NimbusTwo


def test_the_sdk_loads_none_of_this(fresh):
    """``import nimbus_sdk`` loads no further system; one of them loads neither the others nor PyJWT."""
    fresh(
        "import sys, nimbus_sdk\n"
        "assert not any(name.startswith(('nimbus_sdk.services', 'jwt')) for name in sys.modules)\n"
        "import nimbus_sdk.services\n"
        "assert 'httpx' not in sys.modules and 'pydantic' not in sys.modules\n"
        "nimbus_sdk.services.NimbusOS()\n"
        "loaded = [name for name in sys.modules if 'neuroai' in name or 'nexus' in name]\n"
        "assert not loaded and 'jwt' not in sys.modules and 'httpx' not in sys.modules, loaded\n"
        "nimbus_sdk.services.Nexus('nxs_abc123xyz789def456uvw')\n"
        "assert 'jwt' not in sys.modules\n"
    )
