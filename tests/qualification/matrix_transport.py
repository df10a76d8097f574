"""A cell of the matrix, and the transports that inject its fault."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.http import AsyncHttpTransport, HttpTransport
from tests.qualification.faulty_proxy import FaultyProxy, forward
from tests.qualification.matrix_use_cases import Step, UseCase
from tests.qualification.wire_faults import Fault

NOWHERE = "https://no-such-host.invalid/"


@dataclass(frozen=True)
class Cell:
    """One use case, one of its steps, one fault.

    Attributes:
        use_case: What the user does.
        step: Which request has the fault.
        fault: The fault.
        awaited: Whether the awaitable driver runs it, and not the blocking one.
    """

    use_case: UseCase
    step: Step
    fault: Fault
    awaited: bool

    @property
    def name(self) -> str:
        """For messages, and for the order of the sample."""
        driver = "awaited" if self.awaited else "blocking"
        return f"{self.use_case.name} / {self.step.name} / {self.fault.name} / {driver}"

    @property
    def covers(self) -> frozenset[str]:
        """What a sample must contain at least one of."""
        host = "api" if self.step.at_the_api else self.step.name
        return self.fault.covers | {
            f"{self.use_case.name} / {self.step.name}",
            f"{host} / {self.fault.kind} / {self.awaited}",
        }


class FaultInjector:
    """Counts requests, sets the proxy's action for each, and injects faults that precede a connection."""

    def __init__(self, proxy: FaultyProxy, cell: Cell) -> None:
        self._proxy = proxy
        self._cell = cell
        self.sent: Counter[str] = Counter()

    def prepare(self, request: Request) -> Request:
        """Return the request as it is sent."""
        self.sent[request.name] += 1
        fault = self._cell.fault
        has_fault = request.name == self._cell.step.name and (not fault.once or self.sent[request.name] == 1)
        self._proxy.set_action(request.name, fault.action if has_fault else forward)
        if has_fault and fault.before == "refused":
            self._proxy.refuse_connections()
        else:
            self._proxy.open()
        if has_fault and fault.before == "dns":
            return replace(request, url=NOWHERE, auth=None)
        return request


class FaultyTransport:
    """A blocking transport with a fault."""

    def __init__(self, injector: FaultInjector) -> None:
        self._injector = injector
        self._http = HttpTransport()

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once."""
        return self._http.send(self._injector.prepare(request), deadline)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncFaultyTransport:
    """An awaitable transport with a fault."""

    def __init__(self, injector: FaultInjector) -> None:
        self._injector = injector
        self._http = AsyncHttpTransport()

    async def send(self, request: Request, deadline: Deadline) -> Response:
        """Send a request once."""
        prepared = await asyncio.to_thread(self._injector.prepare, request)
        return await self._http.send(prepared, deadline)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


@contextmanager
def without_name_server() -> Iterator[None]:
    """Names that end in .invalid do not exist (RFC 6761), and no real name server is asked about them."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *rest, **options)

    socket.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        socket.getaddrinfo = real
