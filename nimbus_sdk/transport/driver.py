"""The only two loops that run a flow: one blocking, one awaitable."""

from __future__ import annotations

import dataclasses
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import NimbusConnectionError, NimbusError, RateLimitError
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Blocking, Flow, Request, Response, Sleep, Step
from nimbus_sdk.transport.rate_limit import PROCESS_LIMITS, Limits
from nimbus_sdk.transport.retry import AttemptHistory, retry_policy
from nimbus_sdk.transport.status import raise_for_status

if TYPE_CHECKING:
    from types import TracebackType

    from nimbus_sdk.transport.http import AsyncTransport, Transport

T = TypeVar("T")
_ONLINE_WORDS = frozenset({"", "0", "false", "no", "off"})


class Driver:
    """Runs flows, blocking.

    The network libraries are loaded at the first request, so a flow that needs none costs none.

    Args:
        settings: Timeout and offline mode are read from here.
        transport: Carries requests; HTTP where left out.
        limits: Limits a minute; the process's own where left out.
        sleep: Waits, in seconds.
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
        """Run a flow to its end, within the timeout of the settings.

        Raises:
            NimbusError: What the flow did not handle.
        """
        deadline = Deadline(self._settings.timeout)
        try:
            step = next(flow)
            while True:
                try:
                    reply = self._perform(step, deadline)
                except Exception as error:  # noqa: BLE001 - the flow decides what it can handle
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            return cast(T, end.value)
        finally:
            flow.close()

    def close(self) -> None:
        """Give connections back."""
        if self._transport is not None:
            self._transport.close()

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _perform(self, step: Step, deadline: Deadline) -> object:
        if isinstance(step, Blocking):
            with _uncounted(deadline):
                return step.run()
        if isinstance(step, Sleep):
            deadline.extend(step.seconds)
            self._sleep(step.seconds)
            return None
        return self._exchange(prepare_request(step, self._settings), deadline)

    def _exchange(self, call: Request, whole: Deadline) -> Response:
        from tenacity import Retrying

        deadline = request_deadline(call, whole)
        trail = AttemptHistory()

        def attempt() -> Response:
            with _recorded(trail):
                self._sleep(reserve_slot(self._limits, call, deadline))
                return check_response(self._limits, call, self._carrier().send(call, deadline))

        return Retrying(sleep=self._sleep, **retry_policy(call, deadline))(attempt)

    def _carrier(self) -> Transport:
        if self._transport is None:
            from nimbus_sdk.transport.http import HttpTransport

            self._transport = HttpTransport()
        return self._transport


class AsyncDriver:
    """Runs flows within an event loop; see :class:`Driver`. Blocking jobs go to a thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        transport: AsyncTransport | None = None,
        limits: Limits = PROCESS_LIMITS,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        import anyio

        self._settings = settings
        self._transport = transport
        self._limits = limits
        self._sleep = sleep or anyio.sleep

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, within the timeout of the settings.

        A cancelled task lets the blocking job under way finish, then closes the flow, so that whatever it
        holds (a lock, a partial file) is given back.

        Raises:
            NimbusError: What the flow did not handle.
        """
        deadline = Deadline(self._settings.timeout)
        try:
            step = next(flow)
            while True:
                try:
                    reply = await self._perform(step, deadline)
                except Exception as error:  # noqa: BLE001 - the flow decides what it can handle
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            return cast(T, end.value)
        finally:
            flow.close()

    async def aclose(self) -> None:
        """Give connections back."""
        if self._transport is not None:
            await self._transport.aclose()

    async def __aenter__(self) -> AsyncDriver:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _perform(self, step: Step, deadline: Deadline) -> object:
        if isinstance(step, Blocking):
            from nimbus_sdk.transport.threads import run_in_thread

            with _uncounted(deadline):
                return await run_in_thread(step.run)
        if isinstance(step, Sleep):
            deadline.extend(step.seconds)
            await self._sleep(step.seconds)
            return None
        return await self._exchange(prepare_request(step, self._settings), deadline)

    async def _exchange(self, call: Request, whole: Deadline) -> Response:
        from tenacity import AsyncRetrying

        deadline = request_deadline(call, whole)
        trail = AttemptHistory()

        async def attempt() -> Response:
            with _recorded(trail):
                await self._sleep(reserve_slot(self._limits, call, deadline))
                return check_response(self._limits, call, await self._carrier().send(call, deadline))

        return await AsyncRetrying(sleep=self._sleep, **retry_policy(call, deadline))(attempt)

    def _carrier(self) -> AsyncTransport:
        if self._transport is None:
            from nimbus_sdk.transport.http import AsyncHttpTransport

            self._transport = AsyncHttpTransport()
        return self._transport


def run(settings: Settings, flow: Flow[T]) -> T:
    """Run one flow with a driver of its own."""
    with Driver(settings) as driver:
        return driver.run(flow)


async def run_async(settings: Settings, flow: Flow[T]) -> T:
    """Run one flow with a driver of its own, within an event loop."""
    async with AsyncDriver(settings) as driver:
        return await driver.run(flow)


class _recorded:  # noqa: N801 - reads as the statement it makes
    """Counts an attempt, and marks the error that ends it with what came before."""

    __slots__ = ("_trail",)

    def __init__(self, trail: AttemptHistory) -> None:
        self._trail = trail

    def __enter__(self) -> None:
        self._trail.attempts += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, NimbusError):
            self._trail.note(error)


@contextmanager
def _uncounted(deadline: Deadline) -> Iterator[None]:
    """What happens on this machine (a prompt, a slow disk) takes nothing from the time for the network."""
    started = time.monotonic()
    try:
        yield
    finally:
        deadline.extend(time.monotonic() - started)


def prepare_request(call: Request, settings: Settings) -> Request:
    """The call with its request id, if calls may be made at all.

    Raises:
        NimbusConnectionError: Offline mode is on.
    """
    word = os.environ.get("NIMBUS_SDK_OFFLINE", "").strip().lower()
    if settings.offline or word not in _ONLINE_WORDS:
        raise NimbusConnectionError(
            f"Offline mode is on, so nothing was sent ({call.name}).",
            passing=False,
            sent=False,
            hint="To use the network unset NIMBUS_SDK_OFFLINE (in the environment or .env) "
            "and leave offline=True out.",
        )
    if "X-Request-ID" in call.headers:
        return call
    return dataclasses.replace(call, headers={**call.headers, "X-Request-ID": uuid.uuid4().hex})


def request_deadline(call: Request, whole: Deadline) -> Deadline:
    """The time that a call may take out of the whole conversation's."""
    if call.allowance:
        whole.extend(call.allowance)
    return whole.within(call.patience)


def reserve_slot(limits: Limits, call: Request, deadline: Deadline) -> float:
    """Seconds to wait before the request keeps to the service's limits.

    Raises:
        RateLimitError: Longer than there is time for.
    """
    host = origin(call.url)
    wait = limits.reserve(host, call.name, call.per_minute, time.monotonic())
    if wait and wait >= deadline.remaining():
        limits.give_back(host, call.name)
        raise RateLimitError(
            f"The limit for {call.name} is used up; the next request may go out in {wait:.0f} s, "
            "which is more than the time left.",
            retry_after=wait,
        )
    return wait


def check_response(limits: Limits, call: Request, answer: Response) -> Response:
    """The answer, checked, once the limits have learned from it."""
    # Where no limit is documented, what a header counts may be one key's or one path's, and no other's.
    if call.per_minute is not None:
        server_now = time.time() + (answer.clock_offset or 0.0)
        limits.observe(origin(call.url), call.name, answer.headers, server_now, time.monotonic())
    return raise_for_status(call, answer)
