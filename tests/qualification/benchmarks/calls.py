"""``python -m tests.qualification.benchmarks.calls``: what a call costs beside plain httpx.

One process asks one server on the loopback interface: one thread, 16 threads, 16 tasks. The contenders, with
aiohttp among them if it is installed, take turns, so that whatever else the machine does meets them alike;
the ratio is that of each turn. ``--write`` puts the table into the section "Calls" of
``docs/performance.md``. It ends with 1 where a promise is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from nimbus_sdk import AsyncNimbusClient, NimbusClient
from tests.qualification.benchmarks import page
from tests.qualification.benchmarks.measures import Verdict

KEY = "nbci_test_" + "0" * 48
CROWD = 16
LEAST_RATIO = 0.85
MOST_GROWTH = 1.2
OURS, HTTPX, AIOHTTP = "the SDK", "httpx", "aiohttp"
ONE_THREAD, THREADS, TASKS = "one thread", f"{CROWD} threads", f"{CROWD} tasks"

Call = Callable[[], object]
AwaitableCall = Callable[[], Coroutine[Any, Any, object]]


@dataclass(frozen=True)
class Outcome:
    """What was measured.

    Attributes:
        rates: Calls a second by mode and contender, one for each turn.
        growth: Processor time of calls after many others, in that of the first ones.
        many: How many others.
    """

    rates: dict[str, dict[str, list[float]]]
    growth: float
    many: int

    def ratio(self, mode: str) -> float:
        """The SDK's calls a second in those of httpx, turn by turn."""
        turns = self.rates[mode]
        return median(ours / theirs for ours, theirs in zip(turns[OURS], turns[HTTPX], strict=True))

    def verdicts(self) -> list[Verdict]:
        """What was promised of the figures."""
        kept = [
            Verdict(f"{mode}, in calls of httpx", self.ratio(mode), LEAST_RATIO, "", at_least=True)
            for mode in self.rates
        ]
        return [*kept, Verdict(f"a call after {self.many:,}, in first ones", self.growth, MOST_GROWTH, "")]

    def table(self) -> str:
        """The figures in Markdown."""
        names = list(self.rates[TASKS])
        rows = []
        for mode, turns in self.rates.items():
            rates = [f"{median(turns[name]):,.0f}" if name in turns else "" for name in names]
            rows.append([mode, *rates, f"{self.ratio(mode):.2f}"])
        return page.markdown(["calls a second", *names, f"{OURS} / {HTTPX}"], rows)


@contextmanager
def server() -> Iterator[str]:
    """Run the server in a process of its own, and yield its base URL."""
    program = Path(__file__).with_name("calls_server.py")
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measured(url: str, turns: int, calls: int, many: int) -> Outcome:
    """Measure all modes.

    Args:
        url: The server's.
        turns: Of each contender in each mode.
        calls: In a turn.
        many: After how many the cost of a call is compared with that of the first ones.
    """
    with NimbusClient(KEY, base_url=url) as client, httpx.Client() as plain:
        blocking: dict[str, Call] = {
            OURS: client.health,
            HTTPX: lambda: plain.get(f"{url}/api/health").raise_for_status().json(),
        }
        alone = {name: partial(_repeat, call, calls) for name, call in blocking.items()}
        crowd = {name: partial(_in_threads, call, calls) for name, call in blocking.items()}
        rates = {ONE_THREAD: _in_turns(alone, turns, calls), THREADS: _in_turns(crowd, turns, calls)}
        growth = _growth(client.health, calls, many)
    with asyncio.Runner() as runner, _awaitable_calls(url, runner) as awaitable:
        tasks = {
            name: lambda call=call: runner.run(_in_tasks(call, calls)) for name, call in awaitable.items()
        }
        rates[TASKS] = _in_turns(tasks, turns, calls)
    return Outcome(rates, growth, many)


def _in_turns(contenders: Mapping[str, Call], turns: int, calls: int) -> dict[str, list[float]]:
    """Return the calls a second of each contender, which makes that many calls in its turn."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    # The first turn opens connections and imports modules.
    for turn in range(turns + 1):
        for name, run in contenders.items():
            started = time.perf_counter()
            run()
            if turn:
                rates[name].append(calls / (time.perf_counter() - started))
    return rates


def _repeat(call: Call, calls: int) -> None:
    for _ in range(calls):
        call()


def _in_threads(call: Call, calls: int) -> None:
    with ThreadPoolExecutor(CROWD) as pool:
        for future in [pool.submit(_repeat, call, calls // CROWD) for _ in range(CROWD)]:
            future.result()


async def _in_tasks(call: AwaitableCall, calls: int) -> None:
    async def repeat() -> None:
        for _ in range(calls // CROWD):
            await call()

    await asyncio.gather(*(repeat() for _ in range(CROWD)))


@contextmanager
def _awaitable_calls(url: str, runner: asyncio.Runner) -> Iterator[dict[str, AwaitableCall]]:
    """Yield the call of each awaitable client, all of which belong to the loop of a runner."""
    client, plain = AsyncNimbusClient(KEY, base_url=url), httpx.AsyncClient()

    async def with_httpx() -> object:
        return (await plain.get(f"{url}/api/health")).raise_for_status().json()

    calls: dict[str, AwaitableCall] = {OURS: client.health, HTTPX: with_httpx}
    closing: list[AwaitableCall] = [client.aclose, plain.aclose]
    if find_spec(AIOHTTP) is not None:
        session = runner.run(_open_session())

        async def with_aiohttp() -> object:
            async with session.get(f"{url}/api/health") as response:
                return await response.json()

        calls[AIOHTTP] = with_aiohttp
        closing.append(session.close)
    yield calls
    for close in closing:
        runner.run(close())


async def _open_session() -> Any:
    return import_module(AIOHTTP).ClientSession(raise_for_status=True)


def _growth(call: Call, calls: int, many: int) -> float:
    first = _least_cost(call, calls)
    _repeat(call, many)
    return _least_cost(call, calls) / first


def _least_cost(call: Call, calls: int) -> float:
    costs = []
    for _ in range(10):
        started = time.process_time()
        _repeat(call, calls)
        costs.append(time.process_time() - started)
    return min(costs)


def main() -> int:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.qualification.benchmarks.calls", description=__doc__
    )
    parser.add_argument("--turns", type=int, default=40, help="of each contender (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=160, help="in a turn (default: %(default)s)")
    parser.add_argument("--many", type=int, default=20_000, help="before the last (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"into {page.PAGE.name}")
    chosen = parser.parse_args()
    with server() as url:
        outcome = measured(url, chosen.turns, chosen.calls, chosen.many)
    found = outcome.verdicts()
    print(outcome.table(), *found, sep="\n")
    if chosen.write:
        page.put(
            "Calls",
            "`python -m tests.qualification.benchmarks.calls --write` measures this section: one process "
            f"and a server on the loopback interface, {chosen.turns} turns of {chosen.calls} calls each, the "
            "median of the turns. The SDK also checks the response and keeps to limits and timeout. "
            f"{page.machine()}\n\n{outcome.table()}\n\nAfter {chosen.many:,} calls, a call costs "
            f"{outcome.growth:.2f} times the processor time that it cost at the beginning.",
        )
    return 0 if all(verdict.kept for verdict in found) else 1


if __name__ == "__main__":
    sys.exit(main())
