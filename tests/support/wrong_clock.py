"""Processes whose clock stands wrong: libfaketime where it is installed, else a patch at their start."""

from __future__ import annotations

from glob import glob
from pathlib import Path

_LIBRARY_PLACES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
)
# libfaketime 0.9 breaks waits for a monotonic moment (clock_nanosleep), which is how time.sleep waits.
_OTHER_SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""
_PATCH = Path(__file__).with_name("patched_clock.py").read_text(encoding="utf-8")


def libfaketime() -> str | None:
    """Path of the library, or None where it is not installed."""
    return next((path for place in _LIBRARY_PLACES for path in glob(place)), None)


def by_library(seconds: float, library: str, folder: Path) -> dict[str, str]:
    """Variables that set a process's clock off with libfaketime; its monotonic clock runs as ever."""
    return {
        "LD_PRELOAD": library,
        "FAKETIME": f"{seconds:+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "PYTHONPATH": _at_start(folder, _OTHER_SLEEP),
    }


def by_patch(seconds: float, folder: Path) -> dict[str, str]:
    """Variables that do the same from within Python."""
    return {"PYTHONPATH": _at_start(folder, _PATCH), "CLOCK_OFFSET": str(seconds)}


def set_off(seconds: float, folder: Path) -> dict[str, str]:
    """Variables with which a process's clock is ahead by so many seconds, or behind by a negative number."""
    library = libfaketime()
    return by_patch(seconds, folder) if library is None else by_library(seconds, library, folder)


def _at_start(folder: Path, code: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return str(folder)
