"""Reading the audit trail, and finding where it was changed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.errors import AuditTrailError
from nimbus_sdk.services.audit.entry import GENESIS, LONGEST_LINE, START, Line, Mark, read_line
from nimbus_sdk.services.audit.files import TrailFiles
from nimbus_sdk.storage import fs

_WAIT_SECONDS = 30.0
_MOST_ISSUES = 1000


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
    """What :func:`verify` found; true where the trail is whole.

    Attributes:
        entries: Lines that could be read.
        files: Names of the files, oldest first.
        first: When the first call was made, UTC, or None.
        last: When the last call was made, UTC, or None.
        digest: SHA-256 of the last line. Noted elsewhere, it proves later what was there today.
        issues: What was changed or removed, in order.
    """

    entries: int
    files: tuple[str, ...]
    first: str | None
    last: str | None
    digest: str
    issues: tuple[AuditIssue, ...]

    def __bool__(self) -> bool:
        return not self.issues


def verify(paths: Paths, name: str) -> AuditReport:
    """Follow the chain from the first line to the seal.

    A changed line shows by the one after it, a removed one by its number, an end that was cut off by the
    seal, an added one by its stamp. Whoever may read this installation's secret can forge all of it: for
    proof against that person, note ``digest`` somewhere else.

    Args:
        paths: Where the trail is kept.
        name: Which trail.

    Raises:
        AuditTrailError: It cannot be read.
    """
    with ExitStack() as stack:
        files = TrailFiles(paths, name)
        trail, sealed = _opened(stack, files)
        reading = _Reading(name)
        for file in trail:
            reading.follow(file)
        reading.end(sealed, files.seal.has_stamped)
        return AuditReport(
            entries=reading.entries,
            files=tuple(file.name for file in trail),
            first=reading.first,
            last=reading.last,
            digest=reading.mark.digest,
            issues=tuple(reading.issues),
        )


def latest(paths: Paths, name: str, most: int) -> tuple[Line, ...]:
    """The newest lines, oldest first; what cannot be read is left out.

    Raises:
        AuditTrailError: The trail cannot be read.
    """
    with ExitStack() as stack:
        trail, _ = _opened(stack, TrailFiles(paths, name))
        lines = (read_line(text) for file in trail for _, text in file.lines())
        return tuple(deque((line for line in lines if line is not None), maxlen=most))


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was when the lock was held; what is written later is not read."""

    name: str
    stream: BinaryIO
    size: int

    def lines(self) -> Iterator[tuple[int, bytes]]:
        left, number = self.size, 0
        while left > 0 and (text := self.stream.readline(min(left, LONGEST_LINE))):
            left -= len(text)
            number += 1
            yield number, text.rstrip(b"\n")


def _opened(stack: ExitStack, files: TrailFiles) -> tuple[list[_File], Mark | None]:
    try:
        if not os.path.isdir(files.folder):
            return [], START
        fs.make_private_folder(files.folder)
        with files.alone(_WAIT_SECONDS):
            named = [path for path in (*files.full(), files.current) if os.path.lexists(path)]
            found = [_opened_file(stack, path) for path in named]
            return found, files.seal.read() if found or os.path.lexists(files.seal.path) else START
    except OSError as error:
        raise AuditTrailError(
            f"The audit trail in {files.folder} cannot be read ({error.strerror or error}).",
            hint="Check the permissions of the folder.",
        ) from None


def _opened_file(stack: ExitStack, path: str) -> _File:
    stream = stack.enter_context(open(path, "rb"))  # noqa: SIM115 - the stack closes it
    return _File(os.path.basename(path), stream, os.fstat(stream.fileno()).st_size)


class _Reading:
    """Follows the chain, line by line."""

    def __init__(self, name: str) -> None:
        self.mark = START
        self.entries = 0
        self.first: str | None = None
        self.last: str | None = None
        self.issues: list[AuditIssue] = []
        self._unreadable = 0
        self._place = (f"{name}.jsonl", 0)
        self._text = b""

    def follow(self, file: _File) -> None:
        for number, text in file.lines():
            self._step(file.name, number, text)

    def end(self, sealed: Mark | None, has_stamped: Callable[[bytes], bool]) -> None:
        """Compare the last line with the seal; beyond it a crash leaves one line, which is stamped."""
        file = self._place[0]
        if sealed is None:
            self._report(file, 0, "the seal is missing or was not made here: nobody knows how far it went")
        elif sealed.number > self.mark.number + self._unreadable:
            self._report(file, 0, f"{_entries(self.mark.number + 1, sealed.number)} at the end: removed")
        elif sealed.number == self.mark.number and sealed.digest != self.mark.digest:
            self._report(*self._place, f"entry {sealed.number}, the last: changed after it was written")
        elif sealed.number < self.mark.number - has_stamped(self._text):
            self._report(
                *self._place, f"{_entries(sealed.number + 1, self.mark.number)}: not written by the SDK"
            )

    def _step(self, file: str, number: int, text: bytes) -> None:
        line = read_line(text)
        if line is None:
            self._unreadable += 1
            self._report(file, number, "no entry: overwritten, or cut short by a power failure")
            return
        if (line.number, line.previous) != (self.mark.number + 1, self.mark.digest):
            self._break(file, number, line)
        self.mark, self._unreadable = line.mark, 0
        self._place, self._text = (file, number), text
        self.entries += 1
        self.first = self.first or line.entry.when
        self.last = line.entry.when

    def _break(self, file: str, number: int, line: Line) -> None:
        skipped = line.number - self.mark.number - 1
        if skipped == 0 and self.mark == START:
            self._report(file, number, "the first entry does not begin the trail")
        elif skipped == 0 and line.previous == GENESIS:
            self._report(file, number, f"the seal was missing when entry {line.number} was written")
        elif skipped == 0:
            self._report(*self._place, f"entry {self.mark.number}: changed after it was written")
        elif skipped > self._unreadable:
            self._report(
                file, number, f"{_entries(self.mark.number + 1, line.number - 1)} before it: removed"
            )
        elif skipped < 0:
            self._report(file, number, f"entry {line.number}: out of its place, copied or inserted")

    def _report(self, file: str, line: int, what: str) -> None:
        if len(self.issues) < _MOST_ISSUES:
            self.issues.append(AuditIssue(file=file, line=line, what=what))


def _entries(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first} to {last}"
