"""Plays one cell of the matrix: the story with its fault, what it leaves, and the same again without it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from nimbus_sdk.account.session import AuthSession
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.transport.driver import AsyncDriver, Driver
from nimbus_sdk.transport.flow import Flow
from nimbus_sdk.transport.rate_limit import Limits
from tests.qualification.gate import Gate, Gatehouse, pass_on
from tests.qualification.matrix_road import AsyncCarrier, Carrier, Cell, Road
from tests.qualification.matrix_rules import expected, timeout_of
from tests.qualification.matrix_stories import Homes, found_in
from tests.qualification.matrix_verdict import (
    SECRET,
    Ending,
    leaks,
    wrong_again,
    wrong_in_ending,
    wrong_on_the_disk,
    wrong_on_the_wire,
)


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
            old, road = found_in(settings), Road(gate, cell)
            gate.arrived.clear()
            ending = _ended(cell.story.flow(settings, keys["own"]), settings, road, awaited=cell.awaited)
            ruled = expected(cell.story, cell.step, cell.fault)
            tries = road.sent[cell.step.name]
            wrong = list(wrong_in_ending(ending, ruled, tries))
            wrong += wrong_on_the_wire(gate, road, cell)
            wrong += wrong_on_the_disk(cell, ruled, ending, old, settings, keys["own"])
            gate.announce("again", pass_on)
            gate.open()
            wrong += wrong_again(cell, settings, keys["own"])
            wrong += leaks(Path(str(settings.home)))
        shutil.rmtree(str(settings.home), ignore_errors=True)
        return Report(ending.outcome, tries, ending.seconds, tuple(wrong))


def _ended(flow: Flow[object], settings: Settings, road: Road, *, awaited: bool) -> Ending:
    started = time.monotonic()
    try:
        value = asyncio.run(_awaited(flow, settings, road)) if awaited else _run(flow, settings, road)
    except Exception as error:
        told = "".join(traceback.format_exception(error)) + repr(error) + str(getattr(error, "__dict__", ""))
        name = type(error).__name__ if isinstance(error, NimbusError) else f"bare {type(error).__name__}"
        return Ending(name, time.monotonic() - started, told.encode())
    stale = isinstance(value, AuthSession) and value.stale
    return Ending("stale" if stale else "done", time.monotonic() - started, repr(value).encode())


def _run(flow: Flow[object], settings: Settings, road: Road) -> object:
    with Driver(settings, transport=Carrier(road), limits=Limits()) as driver:
        return driver.run(flow)


async def _awaited(flow: Flow[object], settings: Settings, road: Road) -> object:
    async with AsyncDriver(settings, transport=AsyncCarrier(road), limits=Limits()) as driver:
        return await driver.run(flow)


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
