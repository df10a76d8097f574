"""Both drivers with a clock that only a test moves, and transports that play a script."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable

import pytest

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.transport import driver
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.driver import AsyncDriver, Driver
from nimbus_sdk.transport.flow import Flow, Request, Response
from nimbus_sdk.transport.http import AsyncHttpTransport, HttpTransport
from nimbus_sdk.transport.rate_limit import Limits

EPOCH = 1_700_000_000.0


class Time:
    """A clock, and the sleeps that move it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self.now

    def time(self) -> float:
        """Unix seconds."""
        return EPOCH + self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if seconds:
            self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        """Let time pass, for a loop."""
        self.sleep(seconds)


def said(
    status: int = 200, body: bytes = b"{}", headers: dict[str, str] | None = None, **more: object
) -> Response:
    """An answer."""
    return Response(status=status, headers=headers or {}, body=body, **more)  # type: ignore[arg-type]


Play = Response | BaseException | Callable[[Request, Deadline], Response]


class Script:
    """A transport that plays answers, errors and functions in order; the last one for ever."""

    def __init__(self, time: Time, plays: Iterable[Play], cost: float = 0.0) -> None:
        self.calls: list[Request] = []
        self.left: list[float] = []
        self.closed = 0
        self._time = time
        self._plays = list(plays)
        self._cost = cost

    def send(self, call: Request, deadline: Deadline) -> Response:
        """Play the next one; a real transport keeps to the deadline, and so does this."""
        self.calls.append(call)
        self.left.append(deadline.remaining())
        self._time.now += min(self._cost, deadline.remaining())
        play = self._plays.pop(0) if len(self._plays) > 1 else self._plays[0]
        if isinstance(play, BaseException):
            raise play
        return play if isinstance(play, Response) else play(call, deadline)

    def close(self) -> None:
        """Note it."""
        self.closed += 1


class AsyncScript:
    """The awaitable form of a script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def send(self, call: Request, deadline: Deadline) -> Response:
        """Play the next one."""
        return self._script.send(call, deadline)

    async def aclose(self) -> None:
        """Note it."""
        self._script.close()


class Stage:
    """Runs flows against a script, by one of the two drivers."""

    def __init__(self, kind: str, time: Time) -> None:
        self.kind = kind
        self.time = time

    def script(self, *plays: Play, cost: float = 0.0) -> Script:
        """A script that costs so many seconds a request."""
        return Script(self.time, plays, cost)

    def run(
        self, flow: Flow[object], script: Script, *, limits: Limits | None = None, **settings: object
    ) -> object:
        """Run one flow to its end."""
        chosen = Settings(**{"timeout": 30.0, **settings})  # type: ignore[arg-type]
        limits = limits or Limits()
        if self.kind == "sync":
            return Driver(chosen, transport=script, limits=limits, sleep=self.time.sleep).run(flow)

        async def main() -> object:
            driver = AsyncDriver(chosen, transport=AsyncScript(script), limits=limits, sleep=self.time.asleep)
            return await driver.run(flow)

        return asyncio.run(main())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time for the drivers."""
    time = Time()
    monkeypatch.setattr(driver, "time", time)
    monkeypatch.setattr(driver, "Deadline", functools.partial(Deadline, clock=time.monotonic))
    return time


@pytest.fixture(params=["sync", "async"])
def stage(request: pytest.FixtureRequest, clock: Time) -> Stage:
    """A stage for each of the two drivers."""
    return Stage(request.param, clock)


@pytest.fixture
def a_call() -> Callable[..., Request]:
    """Makes a call of no consequence."""

    def make(**fields: object) -> Request:
        return Request(
            **{"name": "validate", "method": "POST", "url": "https://api.nimbusbci.com/v1/x", **fields}
        )

    return make


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Callable[..., Response]:
    """Send requests over real sockets, with each of the two transports; return the last response."""

    def blocking(*requests: Request, seconds: float = 5.0, deadline: Deadline | None = None) -> Response:
        transport = HttpTransport()
        try:
            return [transport.send(each, deadline or Deadline(seconds)) for each in requests][-1]
        finally:
            transport.close()

    async def awaiting(
        *requests: Request, seconds: float = 5.0, deadline: Deadline | None = None
    ) -> Response:
        transport = AsyncHttpTransport()
        try:
            return [await transport.send(each, deadline or Deadline(seconds)) for each in requests][-1]
        finally:
            await transport.aclose()

    if request.param == "sync":
        return blocking
    return lambda *requests, **options: asyncio.run(awaiting(*requests, **options))
