"""The long form of the fuzzing: ``python -m tests.security.fuzz [--seconds 300] [READER …]``.

With atheris (``pip install atheris``) the search is guided by the branches that an input reaches, in a
process for each reader; without it, inputs are mutated blindly. Either ends at the first input that breaks a
reader, which is then in the folder ``--found``; move it from there to ``fuzz/cases``.
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

from tests.security.fuzz.readers import READERS, feed
from tests.security.fuzz.seeds import seeds

ROOT = Path(__file__).parents[3]
LONGEST_INPUT = 64 * 1024
LONGEST_SECONDS = 10
MOST_MEGABYTES = 1024
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


def main(arguments: list[str] | None = None) -> int:
    """Fuzz, and print a line for each reader; return 1 if one of them failed."""
    options = _parser().parse_args(arguments)
    options.found.mkdir(parents=True, exist_ok=True)
    guided = find_spec("atheris") is not None and not options.blind
    print(f"| reader | inputs ({'atheris' if guided else 'blind mutation'}) | seconds | found |")
    print("| --- | --- | --- | --- |")
    faults = 0
    for name in options.readers or READERS:
        started = time.monotonic()
        count, fault = (_fuzz_with_atheris if guided else _fuzz_blindly)(name, options.seconds, options.found)
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


def _fuzz_with_atheris(name: str, seconds: int, found: Path) -> tuple[int, str | None]:
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
        arguments = [f"-{option}={value}" for option, value in options.items()]
        done = subprocess.run(
            [sys.executable, "-m", "tests.security.fuzz.harness", name, corpus, *arguments],
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


def _fuzz_blindly(name: str, seconds: int, found: Path) -> tuple[int, str | None]:
    logging.disable(logging.CRITICAL)
    count, until = 0, time.monotonic() + seconds
    for content in _inputs(seeds(name)):
        started = time.monotonic()
        if started > until:
            break
        count += 1
        try:
            feed(READERS[name], content)
            fault = None if time.monotonic() - started < LONGEST_SECONDS else "TooSlow"
        except Exception as error:
            fault = type(error).__name__
        if fault is not None:
            path = found / f"{name}-{fault}"
            path.write_bytes(content)
            return count, f"see {path}"
    return count, None


def _inputs(corpus: list[bytes]) -> Iterator[bytes]:
    generator = random.Random(0)
    yield from corpus
    while True:
        yield _mutate(generator, corpus)


def _mutate(generator: random.Random, corpus: list[bytes]) -> bytes:
    content = bytearray(generator.choice(corpus))
    for _ in range(generator.randint(1, 6)):
        place, length = generator.randint(0, len(content)), generator.choice((1, 2, 8, 64))
        match generator.randrange(4):
            case 0:
                content[place : place + length] = generator.randbytes(length)
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = content[place : place + length] * generator.choice((2, 30))
            case _:
                content[place:place] = generator.choice(corpus)[:length]
    return bytes(content[:LONGEST_INPUT])


if __name__ == "__main__":
    sys.exit(main())
