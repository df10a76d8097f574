"""Both clients behind one interface, so that a test runs with either."""

from __future__ import annotations

import asyncio

import pytest

from nimbus_sdk import AsyncNimbusClient, NimbusClient
from nimbus_sdk.transport import retry
from nimbus_sdk.transport.rate_limit import PROCESS_LIMITS

KEY = "nbci_live_" + "0123456789ab" * 4
BASE = "http://127.0.0.1:9"
"""Where nobody listens; respx answers in its place."""


class AnyClient:
    """One of the two clients; a method's name and arguments in, its value or error out."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def call(
        self, method: str, *given: object, client: dict[str, object] | None = None, **named: object
    ) -> object:
        """Open a client, call one method, close it."""
        options = {"api_key": KEY, "base_url": BASE, **(client or {})}
        if self.kind == "sync":
            with NimbusClient(**options) as opened:  # type: ignore[arg-type]
                return getattr(opened, method)(*given, **named)

        async def main() -> object:
            async with AsyncNimbusClient(**options) as opened:  # type: ignore[arg-type]
                return await getattr(opened, method)(*given, **named)

        return asyncio.run(main())

    def make(self, **options: object) -> NimbusClient | AsyncNimbusClient:
        """The client itself, unopened."""
        kind = NimbusClient if self.kind == "sync" else AsyncNimbusClient
        return kind(**options)  # type: ignore[arg-type]


@pytest.fixture
def any_client(request: pytest.FixtureRequest) -> AnyClient:
    """One of the two clients; see ``tests.support.flows``."""
    return AnyClient(request.param)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(PROCESS_LIMITS, "_buckets", {})
