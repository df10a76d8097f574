"""Runs one cell of the matrix: the use case with its fault, then without it, and checks what is left."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
import traceback
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path

from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import NimbusError
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.transport.driver import AsyncDriver, Driver
from nimbus_sdk.transport.flow import Flow
from nimbus_sdk.transport.rate_limit import Limits
from tests.qualification.faulty_proxy import FaultyProxy, ProxyThread, forward
from tests.qualification.matrix_checks import (
    SECRET,
    Result,
    leaks,
    problems_of_disk,
    problems_of_repeat,
    problems_of_requests,
    problems_of_result,
)
from tests.qualification.matrix_rules import expected, timeout_of
from tests.qualification.matrix_transport import AsyncFaultyTransport, Cell, FaultInjector, FaultyTransport
from tests.qualification.matrix_use_cases import Homes, read_home_state


@dataclass(frozen=True)
class Report:
    """The result of a cell.

    Attributes:
        outcome: ``done``, ``stale`` or the name of an error's class.
        attempts: Number of requests of the step.
        seconds: How long the use case took.
        limit: How long it may take on a machine that is not overloaded; the long form checks it.
        wrong: Everything that is against the rules.
    """

    outcome: str
    attempts: int
    seconds: float
    limit: float
    wrong: tuple[str, ...]

    @property
    def is_too_slow(self) -> bool:
        """Whether it took longer than its limit."""
        return self.seconds > self.limit


class CellRunner:
    """Runs cells, each with a proxy and a home of its own.

    Args:
        thread: The thread of the proxies.
        sandbox: The service behind them.
        homes: Creates the homes.
        folder: Where the homes are.
    """

    def __init__(self, thread: ProxyThread, sandbox: Sandbox, homes: Homes, folder: Path) -> None:
        self._thread = thread
        self._sandbox = sandbox
        self._homes = homes
        self._folder = folder

    def run(self, number: int, cell: Cell) -> Report:
        """Run a cell, in a home with this number."""
        keys = {name: ApiKey.parse(self._sandbox.new_key("research")) for name in ("own", "other")}
        with FaultyProxy(self._thread, self._sandbox.api_url, self._sandbox.storage_url) as proxy:
            settings = self._homes.settings(f"home-{number}", proxy, timeout_of(cell.step, cell.fault))
            self._homes.prepare(settings, cell.use_case.start, keys)
            old, injector = read_home_state(settings), FaultInjector(proxy, cell)
            proxy.received.clear()
            result = _run_flow(
                cell.use_case.flow(settings, keys["own"]), settings, injector, awaited=cell.awaited
            )
            rules = expected(cell.use_case, cell.step, cell.fault)
            attempts = injector.sent[cell.step.name]
            wrong = list(problems_of_result(result, rules, attempts))
            wrong += problems_of_requests(proxy, injector, cell)
            wrong += problems_of_disk(cell, rules, result, old, settings, keys["own"])
            proxy.set_action("again", forward)
            proxy.open()
            wrong += problems_of_repeat(cell, settings, keys["own"])
            wrong += leaks(Path(str(settings.home)))
        shutil.rmtree(str(settings.home), ignore_errors=True)
        return Report(result.outcome, attempts, result.seconds, rules.seconds, tuple(wrong))


def _run_flow(flow: Flow[object], settings: Settings, injector: FaultInjector, *, awaited: bool) -> Result:
    started = time.monotonic()
    try:
        value = asyncio.run(_awaited(flow, settings, injector)) if awaited else _run(flow, settings, injector)
    except Exception as error:
        text = "".join(traceback.format_exception(error)) + repr(error) + str(getattr(error, "__dict__", ""))
        name = type(error).__name__ if isinstance(error, NimbusError) else f"bare {type(error).__name__}"
        return Result(name, time.monotonic() - started, text.encode())
    stale = isinstance(value, SessionRecord) and value.stale
    return Result("stale" if stale else "done", time.monotonic() - started, repr(value).encode())


def _run(flow: Flow[object], settings: Settings, injector: FaultInjector) -> object:
    with closing(Driver(settings, transport=FaultyTransport(injector), limits=Limits())) as driver:
        return driver.run(flow)


async def _awaited(flow: Flow[object], settings: Settings, injector: FaultInjector) -> object:
    driver = AsyncDriver(settings, transport=AsyncFaultyTransport(injector), limits=Limits())
    async with aclosing(driver):
        return await driver.run(flow)


class LogCapture(logging.Handler):
    """Receives the records of every logger at every level, and keeps those with a secret."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.count = 0
        self.with_secret: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Check one record."""
        self.count += 1
        if SECRET.search(self.format(record).encode()):
            self.with_secret.append(f"{record.name}: {record.msg}")
