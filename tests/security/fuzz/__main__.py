"""The long form of the fuzzing: ``python -m tests.security.fuzz [--seconds 300] [READER …]``.

With atheris (``pip install atheris``) the search is led by the branches that an input reaches, in a process
for each reader; without it, inputs are mutated blindly. Either ends at the first input that a reader does
not survive, which is then in the folder ``--found``; from there it belongs into ``fuzz/cases``.
"""

from __future__ import annotations

import argparse
import logging
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.security.fuzz.readers import READERS, fed
from tests.security.fuzz.seeds import seeds

ROOT = Path(__file__).parents[3]
LONGEST_INPUT = 64 * 1024
LONGEST_SECONDS = 10
MOST_MEGABYTES = 1024
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


def main(arguments: list[str] | None = None) -> int:
    """Fuzz, and print a line for each reader; 1 where one of them did not survive."""
    asked = _parser().parse_args(arguments)
    asked.found.mkdir(parents=True, exist_ok=True)
    led = find_spec("atheris") is not None and not asked.blind
    print(f"| reader | inputs ({'atheris' if led else 'blind mutation'}) | seconds | found |")
    print("| --- | --- | --- | --- |")
    faults = 0
    for name in asked.readers or READERS:
        started = time.monotonic()
        count, fault = (_led if led else _blind)(name, asked.seconds, asked.found)
        faults += fault is not None
        print(f"| {name} | {count:,} | {time.monotonic() - started:.0f} | {fault or 'nothing'} |", flush=True)
    return int(faults > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(READERS))
    parser.add_argument("--seconds", type=int, default=300, help="for each reader")
    parser.add_argument("--blind", action="store_true", help="mutate blindly, although atheris is here")
    parser.add_argument("--found", type=Path, default=Path(tempfile.gettempdir(), "nimbus-fuzz"))
    return parser


def _led(name: str, seconds: int, found: Path) -> tuple[int, str | None]:
    with tempfile.TemporaryDirectory(prefix="nimbus-corpus-") as corpus:
        for number, content in enumerate(seeds(name)):
            Path(corpus, f"seed-{number}").write_bytes(content)
        options = {
            "max_total_time": seconds,
            "max_len": LONGEST_INPUT,
            "timeout": LONGEST_SECONDS,
            "rss_limit_mb": MOST_MEGABYTES,
            "artifact_prefix": f"{found}/{name}-",
            "print_final_stats": 1,
        }
        told = [f"-{option}={value}" for option, value in options.items()]
        done = subprocess.run(
            [sys.executable, "-m", "tests.security.fuzz.harness", name, corpus, *told],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    Path(found, f"{name}.log").write_text(done.stdout + done.stderr)
    executed = _EXECUTED.search(done.stderr)
    count = int(executed[1]) if executed else 0
    return count, None if done.returncode == 0 and count else f"see {found / name}.log"


def _blind(name: str, seconds: int, found: Path) -> tuple[int, str | None]:
    logging.disable(logging.CRITICAL)
    count, until = 0, time.monotonic() + seconds
    for content in _inputs(seeds(name)):
        started = time.monotonic()
        if started > until:
            break
        count += 1
        try:
            fed(READERS[name], content)
            fault = None if time.monotonic() - started < LONGEST_SECONDS else "TooSlow"
        except Exception as error:
            fault = type(error).__name__
        if fault is not None:
            path = found / f"{name}-{fault}"
            path.write_bytes(content)
            return count, f"see {path}"
    return count, None


def _inputs(corpus: list[bytes]) -> Iterator[bytes]:
    chance = random.Random(0)
    yield from corpus
    while True:
        yield _mutated(chance, corpus)


def _mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    content = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 6)):
        place, length = chance.randint(0, len(content)), chance.choice((1, 2, 8, 64))
        match chance.randrange(4):
            case 0:
                content[place : place + length] = chance.randbytes(length)
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = content[place : place + length] * chance.choice((2, 30))
            case _:
                content[place:place] = chance.choice(corpus)[:length]
    return bytes(content[:LONGEST_INPUT])


if __name__ == "__main__":
    sys.exit(main())
