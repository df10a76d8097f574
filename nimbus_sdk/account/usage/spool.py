"""Events that wait on the disk: private files of up to 100 events, and 1,000 events in all.

A file is written whole and never changed, and whoever removes it has its events. A name can be removed once
only, so that no event ever has two owners, and a process that is killed leaves nothing that is half claimed.
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
"""Events that are kept at most, in memory and again on the disk; the oldest go first."""

EVENTS_A_FILE = 100
LONGEST_FILE = 2**20
_SUFFIX = ".jsonl"
_FIELDS = frozenset({"event_type", "model_name", "inference_type", "duration_ms", "success", "error_message"})


def put(folder: str, waiting: deque[Event]) -> None:
    """Move events to the disk; the oldest on it go where there are too many.

    Args:
        folder: ``Paths.usage``.
        waiting: The events; what was written is no longer in it.

    Raises:
        OSError: The disk refused; what it refused is still among those that wait.
    """
    if not waiting:
        return
    # What is in a file that is not full goes along, so that many small ones do not pile up.
    some = _newest_where_not_full(folder)
    while some := [*some, *_first(waiting, EVENTS_A_FILE - len(some))]:
        try:
            # The time in front, so that names in their order are files by their age.
            path = os.path.join(folder, f"{time.time_ns():020d}-{fs.unique()}{_SUFFIX}")
            fs.write_private(path, b"".join(json.dumps(event).encode() + b"\n" for event in some))
        except BaseException:
            room = MOST_EVENTS - len(waiting)
            waiting.extendleft(reversed(some[-room:] if room > 0 else []))
            raise
        some = []
    # Whoever writes last sees all that is there, so this holds however many processes write.
    _drop_oldest(folder)
    _sweep(folder)


def take(folder: str) -> list[Event]:
    """The events of the oldest file, which is gone then; none where nothing waits."""
    return next((events for path in _paths(folder) if (events := _taken(path))), [])


def _taken(path: str) -> list[Event]:
    try:
        content = fs.read(path, LONGEST_FILE) or b""
        os.unlink(path)
    except OSError:
        # Another process has it, or it must stay: what cannot be removed would be sent again and again.
        return []
    return [event for event in map(_event, content.splitlines()) if event is not None]


def _newest_where_not_full(folder: str) -> list[Event]:
    newest = _paths(folder)[-1:]
    return _taken(newest[0]) if newest and _events_in(newest[0]) < EVENTS_A_FILE else []


def _first(waiting: deque[Event], number: int) -> list[Event]:
    some: list[Event] = []
    with suppress(IndexError):
        while len(some) < number:
            some.append(waiting.popleft())
    return some


def _drop_oldest(folder: str) -> None:
    total = 0
    for path in reversed(_paths(folder)):
        total += _events_in(path)
        if total > MOST_EVENTS:
            with suppress(OSError):
                os.unlink(path)


def _events_in(path: str) -> int:
    try:
        return (fs.read(path, LONGEST_FILE) or b"").count(b"\n")
    except OSError:
        # Nothing that the SDK has written.
        return EVENTS_A_FILE


def _sweep(folder: str) -> None:
    """Remove what writers that were killed have left half-written."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with suppress(OSError):
            if not name.endswith(_SUFFIX) and time.time() - os.stat(path).st_mtime > fs.LEFT_OVER_SECONDS:
                os.unlink(path)


def _paths(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names) if name.endswith(_SUFFIX)]


def _event(line: bytes) -> Event | None:
    """The event of a line, or None where the SDK has not written it: nothing else leaves this machine."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and set(event) <= _FIELDS and "event_type" in event else None
