"""Events on the disk: private files of up to 100 events, and 1,000 events in all.

A file is written whole and never changed, and the process that removes it has its events. A name can be
removed only once, so no event has two owners, and a killed process leaves nothing half taken.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeAlias

from nimbus_sdk.storage import fs

Event: TypeAlias = Mapping[str, object]

MOST_EVENTS = 1000
"""Most events in memory, and again on the disk; the oldest are dropped first."""

EVENTS_A_FILE = 100
LONGEST_FILE = 2**20
_SUFFIX = ".jsonl"
_HELD = ".held"
_FIELDS = frozenset({"event_type", "model_name", "inference_type", "duration_ms", "success", "error_message"})


def put(folder: str, waiting: deque[Event]) -> None:
    """Move events to the disk; the oldest there are dropped if there are too many.

    If the disk refuses, the events that were not written stay in ``waiting``.
    """
    if not waiting:
        return
    # Events of a file that is not full are written again with these, so that small files do not pile up.
    held = _hold_newest_if_not_full(folder)
    try:
        old = [] if held is None else _read_events(held)
        while fresh := _pop(waiting, EVENTS_A_FILE - len(old)):
            try:
                # The time comes first, so that names in order are files by age.
                path = os.path.join(folder, f"{time.time_ns():020d}-{fs.unique_suffix()}{_SUFFIX}")
                lines = (json.dumps(event).encode() + b"\n" for event in (*old, *fresh))
                fs.write_private(path, b"".join(lines))
            except BaseException:
                room = MOST_EVENTS - len(waiting)
                waiting.extendleft(reversed(fresh[-room:] if room > 0 else []))
                raise
            if held is not None:
                fs.remove(held)
            held, old = None, []
    finally:
        if held is not None:
            os.rename(held, held.removesuffix(_HELD))
    # The last writer sees all files, so the bound holds for any number of processes.
    _drop_oldest(folder)
    _sweep(folder)


def take(folder: str) -> list[Event]:
    """Remove the oldest file and return its events; an empty list if there is none."""
    return next((events for path in _paths(folder) if (events := _take_file(path))), [])


def _take_file(path: str) -> list[Event]:
    try:
        events = _read_events(path)
        os.unlink(path)
    except OSError:
        # Another process has taken it, or it cannot be removed and would be sent again and again.
        return []
    return events


def _read_events(path: str) -> list[Event]:
    content = fs.read(path, LONGEST_FILE) or b""
    return [event for event in map(_parse_event, content.splitlines()) if event is not None]


def _hold_newest_if_not_full(folder: str) -> str | None:
    """Rename the newest file so that no other process takes it; return its path then, or None.

    Killed in between, a process leaves it under this name, and ``_sweep`` gives it the old one again.
    """
    newest = _paths(folder)[-1:]
    if not newest or _count_events(newest[0]) >= EVENTS_A_FILE:
        return None
    held = f"{newest[0]}{_HELD}"
    with suppress(OSError):
        # By its age another process knows that this one is at work.
        os.utime(newest[0])
        os.rename(newest[0], held)
        return held
    return None


def _pop(waiting: deque[Event], number: int) -> list[Event]:
    some: list[Event] = []
    with suppress(IndexError):
        while len(some) < number:
            some.append(waiting.popleft())
    return some


def _drop_oldest(folder: str) -> None:
    total = 0
    for path in reversed(_paths(folder)):
        total += _count_events(path)
        if total > MOST_EVENTS:
            with suppress(OSError):
                os.unlink(path)


def _count_events(path: str) -> int:
    try:
        return (fs.read(path, LONGEST_FILE) or b"").count(b"\n")
    except OSError:
        # The SDK has not written this.
        return EVENTS_A_FILE


def _sweep(folder: str) -> None:
    """Give the events that killed writers held their name again, and remove the temporary files of these."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with suppress(OSError):
            if name.endswith(_SUFFIX) or time.time() - os.stat(path).st_mtime <= fs.LEFT_OVER_SECONDS:
                continue
            if name.endswith(_HELD):
                os.rename(path, path.removesuffix(_HELD))
            else:
                os.unlink(path)


def _paths(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names) if name.endswith(_SUFFIX)]


def _parse_event(line: bytes) -> Event | None:
    """Return the event of a line, or None if the SDK has not written it: nothing else leaves this machine."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and set(event) <= _FIELDS and "event_type" in event else None
