"""Progress as a bar in a terminal; imported only where one is drawn, since rich takes long to load."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from rich.text import Text

from nimbus_sdk.display.progress import ProgressEvent, Report, stored_part
from nimbus_sdk.display.timeouts import can_start_threads
from nimbus_sdk.errors.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

STALL_SECONDS = 3.0


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Yield a function that draws events on the error stream: a line for each step, with a bar for bytes."""
    bar = _Bar()
    try:
        yield bar.report
    except BaseException:
        bar.close()
        part = stored_part(bar.latest)
        if part is not None:
            bar.console.print(Text(part))
        raise
    bar.close()


class _PrintableStream:
    """A stream that never refuses a character."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(printable(text, self._stream))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class _BytesColumn(ProgressColumn):
    """A column that is empty for a step without a count of bytes."""

    def __init__(self, column: ProgressColumn, table_column: Column | None = None) -> None:
        super().__init__(table_column or Column(no_wrap=True))
        self.column = column

    def render(self, task: Task) -> RenderableType:
        return "" if task.total is None else self.column(task)


class _SpeedColumn(TransferSpeedColumn):
    """The speed, the time until the next attempt, or that for which there has been no data."""

    def render(self, task: Task) -> Text:
        now = time.monotonic()
        text = f"no data for {now - task.fields['at']:.0f} s"
        if now < task.fields["retry_at"]:
            text = f"next attempt in {task.fields['retry_at'] - now:.0f} s"
        elif task.finished or now - task.fields["at"] < STALL_SECONDS:
            return super().render(task)
        return Text(text, style="progress.data.speed")


class _Bar:
    """The lines of the steps."""

    def __init__(self) -> None:
        # rich checks the encoding of the stream for some of what it draws, and not for the rest.
        stream = None if sys.stderr is None else cast("IO[str]", _PrintableStream(sys.stderr))
        self.console = Console(file=stream, stderr=True)
        columns = (
            SpinnerColumn("line" if self.console.options.ascii_only else "dots"),
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            # A bar without a width of its own is what becomes shorter in a narrow terminal.
            _BytesColumn(BarColumn(bar_width=None), Column(max_width=40)),
            _BytesColumn(DownloadColumn()),
            _BytesColumn(_SpeedColumn()),
        )
        self._lines = Progress(
            *columns, console=self.console, transient=False, auto_refresh=can_start_threads()
        )
        self._step = self._lines.add_task("Starting", total=None)
        self.latest: ProgressEvent | None = None

    def report(self, event: ProgressEvent) -> None:
        """Draw an event."""
        # Started with the first event: a live bar would draw over the prompt for the key.
        self._lines.start()
        before, self.latest = self.latest, event
        is_new = before is None or event.stage != before.stage
        # A new line, since rich would go on to display the bytes of the step before. Its line stays.
        if is_new and self._lines.tasks and self._lines.tasks[-1].total is None:
            self._lines.remove_task(self._step)
        if event.stage == "done":
            # Printed at the end, in full; as a step beside the others it would be cut off.
            self._lines.refresh()
            return
        if is_new:
            self._step = self._lines.add_task(event.message, total=None, at=time.monotonic())
        elif before is not None and event.done != before.done:
            self._lines.update(self._step, at=time.monotonic())
        self._lines.update(
            self._step,
            description=event.message,
            completed=event.done,
            total=event.total,
            retry_at=time.monotonic() + (event.retry_in or 0.0),
        )

    def close(self) -> None:
        """Stop drawing, and print the last event if it is the end of the operation."""
        finished = self.latest is not None and self.latest.stage == "done"
        # The error says more than the step at which it happened; how far a download came stays.
        for task in [task for task in self._lines.tasks if finished or task.total is None]:
            self._lines.remove_task(task.id)
        self._lines.stop()
        if self.latest is not None and finished:
            self.console.print(Text(f"✓ {self.latest.message}", style="green"))
