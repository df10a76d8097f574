"""Clients of all services, blocking and awaitable, called in the same way; and a sandbox for them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from nimbus_sdk import services
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.transport import retry
from tests.support.flows import one_of_both
from tests.support.raw_server import RawServer, head, serving

SERVICES = ("NimbusOS", "NeuroAI", "Nexus")
KINDS = ("sync", "async")


def either_kind(test: Callable[..., object]) -> Callable[..., object]:
    """For a test that is worth both clients; all others use the blocking one: the flows are the same."""
    return pytest.mark.parametrize("kind", one_of_both(test))(test)


NIMBUS_OS_KEY = "sk_test_abc123xyz789def456ghi"
NEUROAI_KEY = "nai_abc123xyz789def456ghi789"
# {"integrationId": "int_abc123", "organizationId": "org_xyz789", "agentId": "agt_def456",
#  "permissions": ["read", "write"]}, signed with nobody's secret
NEXUS_KEY = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    ".eyJpbnRlZ3JhdGlvbklkIjoiaW50X2FiYzEyMyIsIm9yZ2FuaXphdGlvbklkIjoib3JnX3h5ejc4OSIsImFnZW50SWQiOiJhZ3RfZGVm"
    "NDU2IiwicGVybWlzc2lvbnMiOlsicmVhZCIsIndyaXRlIl19"
    ".c2lnbmF0dXJlLW9mLW5vYm9keQ"
)
KEYS = {"NimbusOS": NIMBUS_OS_KEY, "NeuroAI": NEUROAI_KEY, "Nexus": NEXUS_KEY}
VARIABLES = {"NimbusOS": "NIMBUS_OS_SANDBOX_API_KEY", "NeuroAI": "NEUROAI_API_KEY", "Nexus": "NEXUS_API_KEY"}


class AnyClient:
    """One client; ``open_client("request", "GET", "/orders")`` waits for the result of either kind."""

    def __init__(self, kind: str, service: str, **given: Any) -> None:
        self.kind = kind
        self.called: set[str] = set()
        self.client = getattr(services, service if kind == "sync" else f"Async{service}")(**given)
        self._runner = asyncio.Runner() if kind == "async" else None

    def __call__(self, name: str, /, *args: Any, **given: Any) -> Any:
        """Call a method and wait."""
        self.called.add(name)
        method = getattr(self.client, name)
        if self._runner is None:
            result = method(*args, **given)
            return list(result) if name == "list_keys" else result
        return self._runner.run(self._awaited(name, method, args, given))

    async def _awaited(self, name: str, method: Any, args: Any, given: Any) -> Any:
        if name == "list_keys":
            return [key async for key in method(*args, **given)]
        return await method(*args, **given)

    def close(self) -> None:
        """Close the client."""
        if self._runner is None:
            self.client.close()
        else:
            self._runner.run(self.client.aclose())
            self._runner.close()


Open = Callable[..., AnyClient]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are too short to be noticed; how long they are is tested elsewhere."""
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture(autouse=True)
def no_keys_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a key or a URL of whoever runs it."""
    for name in [name for name in os.environ if name.startswith(("NEUROAI_", "NEXUS_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def kind() -> str:
    """The blocking client, unless a test is for ``either_kind``."""
    return "sync"


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """All services."""
    return str(request.param)


@pytest.fixture
def open_client(kind: str) -> Iterator[Open]:
    """Opens clients and closes them in the end."""
    opened: list[AnyClient] = []

    def open_client_of(service: str, api_key: str | None = None, **given: Any) -> AnyClient:
        opened.append(AnyClient(kind, service, api_key=api_key, **given))
        return opened[-1]

    yield open_client_of
    for client in opened:
        client.close()


@dataclass(slots=True)
class Replies:
    """A server that gives the responses of a document, in order; the last one again and again."""

    server: RawServer
    plays: list[tuple[str, bytes, tuple[str, ...]]]

    @property
    def url(self) -> str:
        """Its base URL."""
        return self.server.url

    def say(self, status: str, body: object = None, *headers: str) -> None:
        """Add a response; bytes are sent as they are."""
        text = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.plays.append((status, text, ("Content-Type: application/json", *headers)))


@pytest.fixture
def replies() -> Iterator[Replies]:
    """A server without responses yet."""
    plays: list[tuple[str, bytes, tuple[str, ...]]] = []

    def answer(connection: Any, request: Any) -> None:
        del request
        status, body, headers = plays.pop(0) if len(plays) > 1 else plays[0]
        connection.sendall(head(status, *headers, length=len(body)) + body)

    with serving(answer) as server:
        yield Replies(server, plays)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """One sandbox for a whole module."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def box(running: Sandbox) -> Sandbox:
    """The module's sandbox, without faults and requests."""
    running.clear_faults()
    running.clear_journal()
    return running


@pytest.fixture
def paths() -> Paths:
    """The paths of this test's home."""
    return Settings.load().paths


def base_of(box: Sandbox, service: str) -> str:
    """The base URL of a service in the sandbox."""
    return {"NimbusOS": box.nimbus_os_url(), "NeuroAI": box.neuroai_url, "Nexus": box.nexus_url}[service]


def key_for(box: Sandbox, service: str) -> str:
    """A key that the sandbox knows."""
    make = {"NimbusOS": box.new_nimbus_os_key, "NeuroAI": box.new_neuroai_key, "Nexus": box.new_nexus_key}
    return make[service]()


PLAIN = {
    "NimbusOS": ("GET", "/orders", None),
    "NeuroAI": ("GET", "/v1/auth/verify", None),
    "Nexus": ("POST", "/api/public/thread", {"message": "Hello"}),
}
"""A call of each service that succeeds."""

ENDPOINT = {"NimbusOS": "nimbus_os", "NeuroAI": "neuroai_verify", "Nexus": "nexus_thread"}
"""The sandbox's name of that call."""


def ask(open_client: AnyClient, service: str) -> Any:
    """Make a service's plain call."""
    method, path, body = PLAIN[service]
    return open_client("request", method, path, json=body)
