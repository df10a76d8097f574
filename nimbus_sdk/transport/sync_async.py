"""Pairs of a blocking and an awaitable client, each method of which is written once, as a flow::

    class CortexFlows:
        def status(self) -> Flow[Status]: ...

    class Cortex(BlockingClient[CortexFlows]):
        status = blocking(CortexFlows.status)

    class AsyncCortex(AwaitableClient[CortexFlows]):
        status = awaitable(CortexFlows.status)

Name, signature, types and docstring of a method are those of its flow. Each client has a constructor of its
own, which drops the text of the key. A flow that takes a key as an argument drops its text in its first line.

Functions come in pairs as well: ``make_pair``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeAlias, TypeVar, get_args

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.transport.driver import AsyncDriver, AsyncTransport, Driver, Transport, run, run_async
from nimbus_sdk.transport.flow import Flow

F = TypeVar("F")
P = ParamSpec("P")
T = TypeVar("T")

Prepared: TypeAlias = tuple[Settings, Flow[T]]
"""A flow that is ready to run, and the settings to run it with."""


@printable_texts
class BlockingClient(Generic[F]):
    """Runs the flows of an API and blocks until they end.

    Args:
        flows: The object whose methods are the flows; its ``repr`` is part of the client's.
        settings: Timeout and offline mode.
        transport: Sends the requests; HTTP if omitted.
    """

    def __init__(self, flows: F, settings: Settings, transport: Transport | None) -> None:
        self._flows = flows
        self._driver = Driver(settings, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return _represent(self)


@printable_texts
class AwaitableClient(Generic[F]):
    """Runs the flows of an API within an event loop; see ``BlockingClient``."""

    def __init__(self, flows: F, settings: Settings, transport: AsyncTransport | None) -> None:
        self._flows = flows
        self._driver = AsyncDriver(settings, transport=transport)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._driver.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return _represent(self)


def blocking(
    flow: Callable[Concatenate[F, P], Flow[T]],
) -> Callable[Concatenate[BlockingClient[F], P], T]:
    """Return the method of a blocking client that runs a flow."""

    def method(client: BlockingClient[F], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            steps = flow(client._flows, *args, **kwargs)
        finally:
            # A traceback can show the arguments of every frame, and one of them may be a key. Emptied and not
            # deleted, since cgitb fails on a frame without them.
            args, kwargs = (), {}  # type: ignore[assignment]
        return client._driver.run(steps)

    _describe(method, flow)
    return method


def awaitable(
    flow: Callable[Concatenate[F, P], Flow[T]],
) -> Callable[Concatenate[AwaitableClient[F], P], Coroutine[Any, Any, T]]:
    """Return the method of an awaitable client that runs a flow."""

    async def method(client: AwaitableClient[F], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            steps = flow(client._flows, *args, **kwargs)
        finally:
            args, kwargs = (), {}  # type: ignore[assignment]
        return await client._driver.run(steps)

    _describe(method, flow)
    return method


def make_pair(
    prepare: Callable[P, Prepared[T]],
) -> tuple[Callable[P, T], Callable[P, Coroutine[Any, Any, T]]]:
    """Return a blocking and an awaitable function that prepare a flow from their arguments and run it.

    Both have the signature and docstring of ``prepare``, and its name without the underscore.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            settings, flow = prepare(*args, **kwargs)
        finally:
            # A traceback can show the arguments of every frame, and one of them may be a key.
            args, kwargs = (), {}  # type: ignore[assignment]
        return run(settings, flow)

    async def call_async(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            settings, flow = prepare(*args, **kwargs)
        finally:
            args, kwargs = (), {}  # type: ignore[assignment]
        return await run_async(settings, flow)

    prepare.__name__ = prepare.__qualname__ = prepare.__name__.removeprefix("_")
    for function in (call, call_async):
        _describe(function, prepare)
    return call, call_async


def in_thread(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the awaitable form of a function without network or secrets: it runs in a thread."""

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        from nimbus_sdk.transport.threads import run_in_thread

        return await run_in_thread(lambda: function(*args, **kwargs))

    return call


def _describe(method: Callable[..., object], flow: Callable[..., object]) -> None:
    """Give a method the name, documentation and signature of its flow, with the flow's result."""
    signature = inspect.signature(flow)
    result = signature.return_annotation
    if isinstance(result, str):
        result = result.partition("[")[2].removesuffix("]")
    elif arguments := get_args(result):
        result = arguments[-1]
    method.__name__ = method.__qualname__ = flow.__name__
    method.__doc__, method.__module__ = flow.__doc__, flow.__module__
    # A function that several clients have as a method calls its first argument ``flows``.
    parameters = [
        each.replace(name="self", annotation=each.empty) if each.name == "flows" else each
        for each in signature.parameters.values()
    ]
    method.__annotations__ = {**flow.__annotations__, "return": result}
    method.__annotations__.pop("flows", None)
    method.__signature__ = inspect.Signature(parameters, return_annotation=result)  # type: ignore[attr-defined]
    # typing.get_type_hints looks up the names of the annotations in the module of this one.
    method.__wrapped__ = flow  # type: ignore[attr-defined]


def _represent(client: BlockingClient[F] | AwaitableClient[F]) -> str:
    # A traceback with local variables may show a client whose constructor failed before it had its flows.
    return f"{type(client).__name__}({getattr(client, '_flows', 'not ready')})"
