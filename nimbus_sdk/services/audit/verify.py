"""Reading the audit trail, and finding where it was changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeAlias

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import AuditTrailError
from nimbus_sdk.services.audit.entry import (
    GENESIS,
    MAX_LINE_BYTES,
    START,
    AuditEntry,
    AuditOutcome,
    AuditRecord,
    Position,
    decode_entry,
    is_genuine,
)
from nimbus_sdk.services.audit.trail import NO_LINKS, TrailFiles
from nimbus_sdk.storage import fs

_Place: TypeAlias = tuple[str, int]
_WAIT_SECONDS = 30.0
_MAX_ISSUES = 1000
NO_OUTCOME = "no outcome recorded (the process ended, or it is still running)"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditIssue:
    """One place at which the trail is not what was written.

    Attributes:
        file: Name of the file.
        line: Line in it, from 1; 0 for the file as a whole.
        what: What was found there.
    """

    file: str
    line: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What ``verify`` found; true if the trail is whole.

    Attributes:
        entries: Entries that could be read: of calls, and of their outcomes.
        calls: Calls among them.
        without_outcome: Calls whose process ended before their outcome was recorded, or which are running.
        files: Names of the files, oldest first.
        first: When the first call was made, UTC, or None.
        last: When the last call was made, UTC, or None.
        digest: MAC of the last entry. Stored elsewhere, it proves later what was there today.
        issues: What was changed or removed, in order.
    """

    entries: int
    calls: int
    without_outcome: int
    files: tuple[str, ...]
    first: str | None
    last: str | None
    digest: str
    issues: tuple[AuditIssue, ...]

    def __bool__(self) -> bool:
        return not self.issues


def verify(paths: Paths, name: str) -> AuditReport:
    """Follow the chain from the first entry to the head record.

    A changed or added entry shows by its MAC, a removed one by its number, a removed end by the head record.
    Whoever may read this installation's secret can forge all of it: for proof against that person, store
    ``digest`` somewhere else.

    Args:
        paths: Where the trail is stored.
        name: Which trail.

    Raises:
        AuditTrailError: It cannot be read.
    """
    with ExitStack() as stack:
        files, head, secret = _open_trail(stack, TrailFiles(paths, name))
        check = _ChainCheck(name, head, secret)
        for file in files:
            for number, line in file.lines():
                check.step(file.name, number, line)
        check.end()
        return AuditReport(
            entries=check.entries,
            calls=check.calls,
            without_outcome=len(check.pending),
            files=tuple(file.name for file in files),
            first=check.first,
            last=check.last,
            digest=check.position.mac,
            issues=tuple(check.issues),
        )


@dataclass(frozen=True, slots=True)
class AuditCall:
    """A call that was read from the trail.

    Attributes:
        number: Number of its entry.
        entry: What was known of it before it was sent.
        outcome: How it ended; None if its process ended before that was recorded, or if it is running.
    """

    number: int
    entry: AuditEntry
    outcome: AuditOutcome | None

    def describe(self) -> str:
        """Return how it ended, in words."""
        return self.outcome.result if self.outcome is not None else NO_OUTCOME


def latest(paths: Paths, name: str, most: int) -> tuple[AuditCall, ...]:
    """Return the newest calls, oldest first; lines that cannot be read are skipped.

    Raises:
        AuditTrailError: The trail cannot be read.
    """
    calls: dict[int, AuditCall] = {}
    with ExitStack() as stack:
        files, _, _ = _open_trail(stack, TrailFiles(paths, name))
        for line in (line for file in files for _, line in file.lines()):
            record = decode_entry(line)
            if record is None:
                continue
            if record.entry is not None:
                calls[record.number] = AuditCall(record.number, record.entry, record.outcome)
                if len(calls) > most:
                    del calls[next(iter(calls))]
            elif record.outcome is not None and record.outcome.call in calls:
                call = calls[record.outcome.call]
                calls[call.number] = replace(call, outcome=record.outcome)
    return tuple(calls.values())


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was under the lock; what is written later is not read."""

    name: str
    stream: BinaryIO
    size: int

    def lines(self) -> Iterator[tuple[int, bytes]]:
        left, number = self.size, 0
        while left > 0 and (line := self.stream.readline(min(left, MAX_LINE_BYTES))):
            left -= len(line)
            number += 1
            yield number, line


def _open_trail(stack: ExitStack, files: TrailFiles) -> tuple[list[_File], Position | None, bytes | None]:
    """Return the files, the head and the secret, as they are at one moment."""
    try:
        if not os.path.isdir(files.folder):
            return [], START, None
        with files.exclusive(_WAIT_SECONDS):
            named = [path for path in (*files.list_full(), files.current) if os.path.lexists(path)]
            streams = [(path, stack.enter_context(fs.open_for_reading(path, NO_LINKS))) for path in named]
            opened = [_File(os.path.basename(p), s, os.fstat(s.fileno()).st_size) for p, s in streams]
            head = files.read_head() if opened or os.path.lexists(files.head) else START
            return opened, head, files.read_secret()
    except OSError as error:
        raise AuditTrailError(
            f"The audit trail in {files.folder} cannot be read ({error.strerror or error}).",
            hint="Check the permissions of the folder.",
        ) from None


class _ChainCheck:
    """Follows the chain, line by line."""

    def __init__(self, name: str, head: Position | None, secret: bytes | None) -> None:
        self.position = START
        self.entries = self.calls = 0
        self.pending: set[int] = set()
        self.first: str | None = None
        self.last: str | None = None
        self.issues: list[AuditIssue] = []
        self._head, self._secret = head, secret
        self._unreadable = 0
        self._torn: _Place | None = None
        self._place: _Place = (f"{name}.jsonl", 0)
        self._is_genuine = True

    def step(self, file: str, number: int, line: bytes) -> None:
        """Check the next line."""
        self._report_unreadable(self._torn)
        self._torn = None
        line, is_ended = line.removesuffix(b"\n"), line.endswith(b"\n")
        record = decode_entry(line)
        if record is None and not is_ended:
            # If it is the last one, its writer was killed in the middle of it.
            self._torn = file, number
            return
        if record is None:
            self._report_unreadable((file, number))
            return
        follows = self._is_genuine
        self._place, self._is_genuine = (file, number), is_genuine(line, self._secret)
        if not self._is_genuine:
            added = self._head is not None and record.number > self._head.number
            what = "not written by the SDK" if added else "changed after it was written"
            self._report(self._place, f"entry {record.number}: {what}")
        self._check_order(record, follows=follows)
        self.position, self._unreadable = record.position, 0
        self._count(record)

    def end(self) -> None:
        """Compare the last entry with the head record; a crash may leave one entry beyond that."""
        whole, head, last = (self._place[0], 0), self._head, self.position
        if head is not None and head.number > last.number:
            self._report_unreadable(self._torn)
        if head is None:
            what = "the head record is missing or was not made here: nobody knows where the trail ended"
            self._report(whole, what)
        elif head.number > last.number + self._unreadable:
            self._report(whole, f"{_entries(last.number + 1, head.number)} at the end: removed")
        elif self._is_genuine and head.number == last.number and head.mac != last.mac:
            self._report(self._place, f"entry {last.number}, the last: not the one that was written here")
        elif self._is_genuine and head.number < last.number - 1:
            self._report(whole, f"the head record is older than {_entries(head.number + 1, last.number)}")

    def _count(self, record: AuditRecord) -> None:
        self.entries += 1
        if record.entry is not None:
            self.calls += 1
            self.pending.add(record.number)
            self.first = self.first or record.entry.when
            self.last = record.entry.when
        if record.outcome is not None:
            self.pending.discard(record.outcome.call)

    def _check_order(self, record: AuditRecord, *, follows: bool) -> None:
        skipped = record.number - self.position.number - 1
        if skipped > self._unreadable:
            before = _entries(self.position.number + 1, record.number - 1)
            self._report(self._place, f"{before} before it: removed")
        elif skipped < 0:
            self._report(self._place, f"entry {record.number}: out of its place, copied or inserted")
        elif skipped == 0 and record.previous != self.position.mac and follows and self._is_genuine:
            no_head = f"the head record was missing when entry {record.number} was written"
            no_link = f"entry {record.number}: does not follow the one before it"
            self._report(self._place, no_head if record.previous == GENESIS else no_link)

    def _report_unreadable(self, place: _Place | None) -> None:
        if place is not None:
            self._unreadable += 1
            self._report(place, "no entry: overwritten, or cut short by a power failure")

    def _report(self, place: _Place, what: str) -> None:
        if len(self.issues) < _MAX_ISSUES:
            self.issues.append(AuditIssue(file=place[0], line=place[1], what=what))


def _entries(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first} to {last}"
