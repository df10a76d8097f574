"""A cell of the matrix, and the road on which its requests meet their fault."""

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
from tests.qualification.gate import Gate, pass_on
from tests.qualification.matrix_stories import Step, Story
from tests.qualification.wire_faults import Fault

NOWHERE = "https://no-such-host.invalid/"


@dataclass(frozen=True)
class Cell:
    """One story, one of its steps, one fault.

    Attributes:
        story: What a person does.
        step: Which request of it is struck.
        fault: By what.
        awaited: Whether the awaitable driver runs it, and not the blocking one.
    """

    story: Story
    step: Step
    fault: Fault
    awaited: bool

    @property
    def name(self) -> str:
        """For people, and for the order of the sample."""
        driver = "awaited" if self.awaited else "blocking"
        return f"{self.story.name} / {self.step.name} / {self.fault.name} / {driver}"

    @property
    def covers(self) -> frozenset[str]:
        """What a sample must hold at least one of."""
        place = "api" if self.step.at_the_api else self.step.name
        return self.fault.covers | {
            f"{self.story.name} / {self.step.name}",
            f"{place} / {self.fault.kind} / {self.awaited}",
        }


class Road:
    """What happens on the way to the gate: sends are counted, and faults before a connection happen here."""

    def __init__(self, gate: Gate, cell: Cell) -> None:
        self._gate = gate
        self._cell = cell
        self.sent: Counter[str] = Counter()

    def led(self, call: Request) -> Request:
        """The call as it goes out."""
        self.sent[call.name] += 1
        fault = self._cell.fault
        met = call.name == self._cell.step.name and (not fault.once or self.sent[call.name] == 1)
        self._gate.announce(call.name, fault.act if met else pass_on)
        if met and fault.before == "refused":
            self._gate.shut()
        else:
            self._gate.open()
        if met and fault.before == "dns":
            return replace(call, url=NOWHERE, auth=None)
        return call


class Carrier:
    """Carries requests down a road, blocking."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._http = HttpTransport()

    def send(self, call: Request, deadline: Deadline) -> Response:
        """Send once."""
        return self._http.send(self._road.led(call), deadline)

    def close(self) -> None:
        """Give connections back."""
        self._http.close()


class AsyncCarrier:
    """Carries requests down a road, awaitable."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._http = AsyncHttpTransport()

    async def send(self, call: Request, deadline: Deadline) -> Response:
        """Send once."""
        led = await asyncio.to_thread(self._road.led, call)
        return await self._http.send(led, deadline)

    async def aclose(self) -> None:
        """Give connections back."""
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
