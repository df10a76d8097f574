"""Plays one cell of the matrix: the story with its fault, what it leaves, and the same again without it."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nimbus_sdk.account import authenticating
from nimbus_sdk.core.protocol import MODEL_SUFFIX
from nimbus_sdk.errors import KeyNotFoundError, MissingKeyError, NimbusError
from nimbus_sdk.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.session import AuthSession
from nimbus_sdk.settings import Settings
from nimbus_sdk.transport.budget import Deadline
from nimbus_sdk.transport.drive import AsyncDriver, Driver
from nimbus_sdk.transport.flow import Answer, Call, Flow
from nimbus_sdk.transport.http import AsyncHttpTransport, HttpTransport
from nimbus_sdk.transport.limit import Limits
from tests.end_to_end.gate import Gate, Gatehouse, pass_on
from tests.end_to_end.matrix_rules import Expected, expected, timeout_of
from tests.end_to_end.matrix_stories import MODEL, Found, Homes, Step, Story, found_in
from tests.end_to_end.wire_faults import Fault

SECRET = re.compile(rb"nbci_(?:live|test)_[0-9a-fA-F]{48}|ghp_[A-Za-z0-9]{36}")
NOWHERE = "https://no-such-host.invalid/"
CREDENTIALS = "credentials.json"


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


@dataclass(frozen=True)
class Report:
    """What came of a cell.

    Attributes:
        outcome: ``done``, ``stale`` or the name of an error's class.
        tries: Requests of the step.
        seconds: How long the story took.
        wrong: Everything that is not as ruled.
    """

    outcome: str
    tries: int
    seconds: float
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class _Ending:
    outcome: str
    seconds: float
    said: bytes = b""


class _Road:
    """What happens on the way to the gate: sends are counted, and faults before a connection happen here."""

    def __init__(self, gate: Gate, cell: Cell) -> None:
        self._gate = gate
        self._cell = cell
        self.sent: Counter[str] = Counter()

    def led(self, call: Call) -> Call:
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


class _Carrier:
    def __init__(self, road: _Road) -> None:
        self._road = road
        self._http = HttpTransport()

    def send(self, call: Call, deadline: Deadline) -> Answer:
        return self._http.send(self._road.led(call), deadline)

    def close(self) -> None:
        self._http.close()


class _AsyncCarrier:
    def __init__(self, road: _Road) -> None:
        self._road = road
        self._http = AsyncHttpTransport()

    async def send(self, call: Call, deadline: Deadline) -> Answer:
        led = await asyncio.to_thread(self._road.led, call)
        return await self._http.send(led, deadline)

    async def aclose(self) -> None:
        await self._http.aclose()


class Stagehand:
    """Plays cells, each at a gate and in a home of its own.

    Args:
        house: Where the gates stand.
        sandbox: What stands behind them.
        homes: Makes the homes.
        folder: Where they lie.
    """

    def __init__(self, house: Gatehouse, sandbox: Sandbox, homes: Homes, folder: Path) -> None:
        self._house = house
        self._sandbox = sandbox
        self._homes = homes
        self._folder = folder

    def play(self, number: int, cell: Cell) -> Report:
        """Play one, in a home of this number."""
        keys = {name: ApiKey.parse(self._sandbox.new_key("research")) for name in ("own", "other")}
        with Gate(self._house, self._sandbox.api_url, self._sandbox.storage_url) as gate:
            settings = self._homes.settings(f"home-{number}", gate, timeout_of(cell.fault))
            self._homes.furnish(settings, cell.story.start, keys)
            old, road = found_in(settings), _Road(gate, cell)
            gate.arrived.clear()
            ending = _ended(cell.story.flow(settings, keys["own"]), settings, road, awaited=cell.awaited)
            ruled = expected(cell.story, cell.step, cell.fault)
            tries = road.sent[cell.step.name]
            wrong = list(_wrong_in_ending(ending, ruled, tries))
            wrong += _wrong_on_the_wire(gate, road, cell)
            wrong += _wrong_on_the_disk(cell, ruled, ending, old, settings, keys["own"])
            gate.announce("again", pass_on)
            gate.open()
            wrong += _wrong_again(cell, settings, keys["own"])
            wrong += leaks(Path(str(settings.home)))
        shutil.rmtree(str(settings.home), ignore_errors=True)
        return Report(ending.outcome, tries, ending.seconds, tuple(wrong))


def _ended(flow: Flow[object], settings: Settings, road: _Road, *, awaited: bool) -> _Ending:
    started = time.monotonic()
    try:
        value = asyncio.run(_awaited(flow, settings, road)) if awaited else _run(flow, settings, road)
    except Exception as error:
        told = "".join(traceback.format_exception(error)) + repr(error) + str(getattr(error, "__dict__", ""))
        name = type(error).__name__ if isinstance(error, NimbusError) else f"bare {type(error).__name__}"
        return _Ending(name, time.monotonic() - started, told.encode())
    stale = isinstance(value, AuthSession) and value.stale
    return _Ending("stale" if stale else "done", time.monotonic() - started, repr(value).encode())


def _run(flow: Flow[object], settings: Settings, road: _Road) -> object:
    with Driver(settings, transport=_Carrier(road), limits=Limits()) as driver:
        return driver.run(flow)


async def _awaited(flow: Flow[object], settings: Settings, road: _Road) -> object:
    async with AsyncDriver(settings, transport=_AsyncCarrier(road), limits=Limits()) as driver:
        return await driver.run(flow)


def _wrong_in_ending(ending: _Ending, ruled: Expected, tries: int) -> Iterator[str]:
    if ending.outcome not in ruled.outcomes:
        yield f"it ended as {ending.outcome}, not {' or '.join(ruled.outcomes)}: {ending.said[-400:]!r}"
    fewest, most = ruled.tries
    if not fewest <= tries <= most:
        yield f"it was sent {tries} times, not {fewest} to {most}"
    if ending.seconds > ruled.seconds:
        yield f"it took {ending.seconds:.1f} s, not {ruled.seconds:.1f} s at most"
    if SECRET.search(ending.said):
        yield "a secret is in what it said"


def _wrong_on_the_wire(gate: Gate, road: _Road, cell: Cell) -> Iterator[str]:
    if cell.fault.before is None and cell.fault.kind != "led away":
        # Where patience is short, the last request may have been given up before it went out.
        missing = road.sent - gate.arrived
        if gate.arrived - road.sent or missing.total() > (cell.story.seconds is not None):
            yield f"{dict(road.sent)} were sent, but {dict(gate.arrived)} arrived"
    if any(SECRET.search(request) for request in gate.elsewhere):
        yield "a secret went to another host"
    if gate.elsewhere and cell.step.at_the_api:
        yield "a redirect of the API was followed"


def _wrong_on_the_disk(
    cell: Cell, ruled: Expected, ending: _Ending, old: Found, settings: Settings, key: ApiKey
) -> Iterator[str]:
    now = found_in(settings)
    if ending.outcome == "stale" or ruled.left == "old":
        if now != old:
            yield f"{now} is left, and not the old state, {old}"
    elif ruled.left in ("dead", "gone"):
        # Another account's session outlives this key.
        dies = old.session == key.fingerprint
        without = replace(old, session=None, confirmed=None) if dies else old
        without = replace(without, key=None) if ruled.left == "gone" else without
        if now != without:
            yield f"{now} is left, and not {without}"
    else:
        yield from _wrong_in_new_state(cell.story, old, now, key)


def _wrong_in_new_state(story: Story, old: Found, now: Found, key: ApiKey) -> Iterator[str]:
    if story.brings in ("core", "session"):
        if now.confirmed is None or now.confirmed == old.confirmed:
            yield "the session was not renewed"
        if story.brings == "core" and now.core in (None, old.core):
            yield f"core {old.core} became {now.core}"
        wanted = replace(old, session=key.fingerprint, key=key.fingerprint, confirmed=now.confirmed)
        wanted = replace(wanted, core=now.core) if story.brings == "core" else wanted
    elif story.brings == "an end":
        wanted = replace(old, session=None, confirmed=None, key=None)
    elif story.brings == "model":
        wanted = replace(old, models=(f"{MODEL}{MODEL_SUFFIX}",))
    else:
        wanted = old
    if now != wanted:
        yield f"{now} is left, and not {wanted}"


def _wrong_again(cell: Cell, settings: Settings, key: ApiKey) -> Iterator[str]:
    patient, ends = replace(settings, timeout=30.0), cell.story.brings == "an end"
    try:
        with Driver(patient, limits=Limits()) as driver:
            if cell.story.brings == "model" and found_in(settings).session is None:
                # The key was called dead, and its session went: a model takes a new one.
                driver.run(authenticating(patient, None, offline_mode=False))
            value = driver.run(cell.story.flow(patient, key))
    except NimbusError as error:
        # What was revoked already, and what is gone from here, cannot be revoked again.
        if not (ends and isinstance(error, (KeyNotFoundError, MissingKeyError))):
            yield f"run again, it raises {type(error).__name__}: {error}"
    else:
        if isinstance(value, AuthSession) and value.stale:
            yield f"run again, it gives {value}"
    left = found_in(settings)
    if ends and (left.session or left.key):
        yield f"run again, it leaves {left} of a revoked key"
    if cell.story.brings in ("core", "session") and (left.session, left.key) != (key.fingerprint,) * 2:
        yield f"run again, it leaves {left}"
    if (cell.story.brings == "core" and not left.core) or (cell.story.brings == "model" and not left.models):
        yield f"run again, it leaves {left}"


def leaks(home: Path) -> Iterator[str]:
    """Files that hold a secret, beside the one that may; and what an end should have tidied away."""
    for path in home.rglob("*"):
        if path.suffix == ".tmp":
            yield f"{path.name} was left"
        if path.is_file() and path.name != CREDENTIALS and SECRET.search(path.read_bytes()):
            yield f"a secret is in {path.relative_to(home)}"


class Listening(logging.Handler):
    """Hears every logger at every level, and notes where a secret was said."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.heard = 0
        self.caught: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Hear one record."""
        self.heard += 1
        if SECRET.search(self.format(record).encode()):
            self.caught.append(f"{record.name}: {record.msg}")
