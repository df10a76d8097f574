"""The two loops that run flows: one blocking, one awaitable."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar, cast

from nimbus_sdk.config.settings import OFF_WORDS, Settings, origin, read_text
from nimbus_sdk.errors import NimbusConnectionError, NimbusError, RateLimitError
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Blocking, Flow, Request, Response, Sleep, Step
from nimbus_sdk.transport.rate_limit import PROCESS_LIMITS, Limits
from nimbus_sdk.transport.retry import Retries, is_of_own_limit
from nimbus_sdk.transport.status_errors import raise_for_status

T = TypeVar("T")
_opening = threading.Lock()
"""Held while a driver opens its transport, which the threads that share it wait for."""


class Transport(Protocol):
    """Sends one request. Pass your own to test a program without a server."""

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once, and return the response whatever its status.

        Raises:
            NimbusConnectionError: No response, or an incomplete one.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class AsyncTransport(Protocol):
    """The awaitable counterpart of ``Transport``."""

    async def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once, and return the response whatever its status."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to send a request."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait between attempts, in seconds; unlike ``Sleep`` it counts against the deadline."""

    seconds: float


Exchange: TypeAlias = Generator[Attempt | Wait, object, Response]


class Driver:
    """Runs flows and blocks until they end.

    The network libraries are imported with the first request; a flow without requests never imports them.

    Args:
        settings: Timeout and offline mode.
        transport: Sends the requests; HTTP if omitted.
        limits: Rate limits; those of the process if omitted.
        sleep: Sleeps for so many seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: Transport | None = None,
        limits: Limits = PROCESS_LIMITS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._limits = limits
        self._sleep = sleep

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, within the timeout of the settings, and return its result.

        Raises:
            NimbusError: An error that the flow did not handle.
        """
        return self._run(flow, Deadline(self._settings.timeout))

    def close(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            self._transport.close()

    def _run(self, flow: Flow[T] | Exchange, deadline: Deadline) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    result = self._perform(step, deadline)
                except Exception as error:  # noqa: BLE001 - the flow decides what it handles
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            return cast(T, end.value)
        finally:
            flow.close()

    def _perform(self, step: Step | Attempt | Wait, deadline: Deadline) -> object:
        if isinstance(step, Attempt):
            return self._open_transport().send(step.request, deadline)
        if isinstance(step, Blocking):
            with _clock_stopped(deadline):
                return step.run()
        if isinstance(step, (Sleep, Wait)):
            if isinstance(step, Sleep):
                deadline.extend(step.seconds)
            self._sleep(step.seconds)
            return None
        request = prepare_request(step, self._settings)
        if self._transport is None:
            with _clock_stopped(deadline):
                self._open_transport()
        within = deadline.within(request.timeout)
        return self._run(exchange(request, within, self._limits), within)

    def _open_transport(self) -> Transport:
        if self._transport is None:
            with _opening:
                # Another thread may have been faster.
                if self._transport is None:
                    from nimbus_sdk.transport.http import HttpTransport

                    self._transport = HttpTransport()
        return self._transport


class AsyncDriver:
    """Runs flows within an event loop; see ``Driver``. Blocking jobs run in a thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        transport: AsyncTransport | None = None,
        limits: Limits = PROCESS_LIMITS,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        import asyncio

        from nimbus_sdk.transport.threads import run_in_thread

        self._run_in_thread = run_in_thread
        self._settings = settings
        self._transport = transport
        self._limits = limits
        self._sleep = sleep or asyncio.sleep

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, within the timeout of the settings, and return its result.

        If the task is cancelled, a running blocking job ends first and the flow is closed then, so that it
        releases its lock and its partial file.

        Raises:
            NimbusError: An error that the flow did not handle.
        """
        return await self._run(flow, Deadline(self._settings.timeout))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            await self._transport.aclose()

    async def _run(self, flow: Flow[T] | Exchange, deadline: Deadline) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._perform(step, deadline)
                except Exception as error:  # noqa: BLE001 - the flow decides what it handles
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            return cast(T, end.value)
        finally:
            flow.close()

    async def _perform(self, step: Step | Attempt | Wait, deadline: Deadline) -> object:
        if isinstance(step, Attempt):
            return await cast("AsyncTransport", self._transport).send(step.request, deadline)
        if isinstance(step, Blocking):
            with _clock_stopped(deadline):
                return await self._run_in_thread(step.run)
        if isinstance(step, (Sleep, Wait)):
            if isinstance(step, Sleep):
                deadline.extend(step.seconds)
            await self._sleep(step.seconds)
            return None
        request = prepare_request(step, self._settings)
        if self._transport is None or "tenacity" not in sys.modules:
            with _clock_stopped(deadline):
                # It takes as long as many requests, and must not hold up the other tasks.
                await self._run_in_thread(self._open_transport)
        within = deadline.within(request.timeout)
        return await self._run(exchange(request, within, self._limits), within)

    def _open_transport(self) -> None:
        import tenacity  # noqa: F401 - the first attempt that fails needs it

        from nimbus_sdk.transport.http import AsyncHttpTransport, load_anyio

        load_anyio()
        with _opening:
            if self._transport is None:
                self._transport = AsyncHttpTransport()


def exchange(request: Request, deadline: Deadline, limits: Limits) -> Exchange:
    """Send a request, again if that may help, and return its response unless that is a refusal."""
    retries = Retries(request, deadline)
    try:
        while True:
            pause: float | None
            try:
                if wait := reserve_slot(limits, request, deadline):
                    yield Wait(wait)
                response = check_response(limits, request, cast(Response, (yield Attempt(request))))
                if (pause := retries.wait_to_settle(response)) is None:
                    return response
            except NimbusError as error:
                pause = retries.wait_after(error)
            yield Wait(pause)
    except RateLimitError as error:
        # That our own limit allows no further attempt in time must not hide why there has to be one.
        if not is_of_own_limit(error) or retries.latest is None:
            raise
        raise retries.latest from None
    finally:
        # The traceback of an error refers to this frame.
        retries.latest = None


def run(settings: Settings, flow: Flow[T]) -> T:
    """Run one flow with a driver of its own."""
    try:
        with closing(Driver(settings)) as driver:
            return driver.run(flow)
    except KeyboardInterrupt as interrupt:
        from nimbus_sdk.errors.notebook_traceback import hide_frames

        hide_frames(interrupt)
        raise


async def run_async(settings: Settings, flow: Flow[T]) -> T:
    """Run one flow with a driver of its own, within an event loop."""
    async with aclosing(AsyncDriver(settings)) as driver:
        return await driver.run(flow)


@contextmanager
def _clock_stopped(deadline: Deadline) -> Iterator[None]:
    """Stop the clock of a deadline: time on this machine (a prompt, a slow disk) does not count."""
    started = time.monotonic()
    try:
        yield
    finally:
        deadline.extend(time.monotonic() - started)


def prepare_request(request: Request, settings: Settings) -> Request:
    """Return the request with an ``X-Request-ID`` header; raise if offline mode is on."""
    word = read_text(os.environ, "NIMBUS_SDK_OFFLINE").lower()
    if settings.offline or word not in OFF_WORDS:
        raise offline_error(request.name)
    if "X-Request-ID" in request.headers:
        return request
    return replace(request, headers={**request.headers, "X-Request-ID": os.urandom(16).hex()})


def offline_error(name: str) -> NimbusConnectionError:
    """Return the error for a request of some name that is not sent in offline mode."""
    return NimbusConnectionError(
        f"Offline mode is on, so nothing was sent ({name}).",
        passing=False,
        sent=False,
        hint="To use the network, unset NIMBUS_SDK_OFFLINE (in the environment or .env) "
        "and do not pass offline=True.",
    )


def reserve_slot(limits: Limits, request: Request, deadline: Deadline) -> float:
    """Reserve a slot within the rate limit, and return the seconds to wait; raise if these are too many."""
    host = origin(request.url)
    wait = limits.reserve(host, request.name, request.per_minute, time.monotonic())
    if wait and wait >= deadline.remaining():
        limits.release(host, request.name)
        raise RateLimitError(
            f"The limit for {request.name} is used up; the next request may go out in {wait:.0f} s, "
            "which is more than the time left.",
            retry_after=wait,
        )
    return wait


def check_response(limits: Limits, request: Request, response: Response) -> Response:
    """Update the rate limits from a response, and return it unless it is a refusal."""
    # If no limit is documented, the header may count the requests of one key or one path alone.
    if request.per_minute is not None:
        server_now = time.time() + (response.clock_offset or 0.0)
        limits.observe(origin(request.url), request.name, response.headers, server_now, time.monotonic())
    return raise_for_status(request, response)


def _reset_after_fork() -> None:
    """Replace the locks in a child process: another thread of the parent may have held them."""
    global _opening
    _opening = threading.Lock()
    PROCESS_LIMITS.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
