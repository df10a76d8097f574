"""Progress of long operations as events, drawn as a bar in a terminal or a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import IO, TYPE_CHECKING, Literal, TypeAlias, cast

from nimbus_sdk.display.terminal import is_notebook, is_terminal
from nimbus_sdk.display.waiting import can_start_threads
from nimbus_sdk.errors.printable import printable

if TYPE_CHECKING:
    from IPython.display import DisplayHandle
    from rich.console import RenderableType

Stage: TypeAlias = Literal[
    "wait", "validate", "token", "release", "download", "verify", "unpack", "probe", "save", "done"
]


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of an operation, or a part of it.

    Attributes:
        stage: Name of the step.
        message: Description of the step, without secrets.
        done: Bytes so far, or None if nothing is counted.
        total: Bytes in all, or None.
        retry_in: Seconds until the next attempt of a download that is interrupted, else None.
    """

    stage: Stage
    message: str
    done: int | None = None
    total: int | None = None
    retry_in: float | None = None


Report: TypeAlias = Callable[[ProgressEvent], None]
STALL_SECONDS = 3.0


@contextmanager
def reporting(progress: Report | bool | None, quiet: bool, next_step: str = "") -> Iterator[Report]:
    """Yield the function that receives the events of the block.

    Args:
        progress: Your own function; True for a bar; False for none; None for a bar if there is a terminal or
            a notebook.
        quiet: The setting ``NIMBUS_SDK_NO_PROGRESS``; it counts only if ``progress`` is None.
        next_step: Code that a notebook names after the last event.
    """
    if callable(progress):
        yield progress
        return
    notebook = is_notebook()
    if progress is False or (progress is None and (quiet or not (notebook or is_terminal(sys.stderr)))):
        yield _silent
        return
    if notebook:
        with html_progress(next_step) as report:
            yield report
        return
    with _bar() as report:
        yield report


def download_report(report: Report, title: str) -> Callable[[int, int, float | None], None]:
    """Return a function that reports the bytes of a download so far, all bytes, and the wait if it has one.

    Example:
        >>> download_report(print, "Downloading it")(5, 9, 2.5)
        ProgressEvent(stage='download', message='Downloading it', done=5, total=9, retry_in=2.5)
    """
    return lambda done, total, retry_in: report(ProgressEvent("download", title, done, total, retry_in))


def _silent(event: ProgressEvent) -> None:
    """Ignore an event."""


class _PrintableStream:
    """A stream that never refuses a character."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(printable(text, self._stream))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def _bar() -> Iterator[Report]:
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

    class BytesColumn(ProgressColumn):
        """A column that is empty for a step without a count of bytes."""

        def __init__(self, column: ProgressColumn, table_column: Column | None = None) -> None:
            super().__init__(table_column or Column(no_wrap=True))
            self.column = column

        def render(self, task: Task) -> RenderableType:
            return "" if task.total is None else self.column(task)

    class SpeedColumn(TransferSpeedColumn):
        """The speed, the time until the next attempt, or that for which there has been no data."""

        def render(self, task: Task) -> Text:
            now = time.monotonic()
            text = f"no data for {now - task.fields['at']:.0f} s"
            if now < task.fields["retry_at"]:
                text = f"next attempt in {task.fields['retry_at'] - now:.0f} s"
            elif task.finished or now - task.fields["at"] < STALL_SECONDS:
                return super().render(task)
            return Text(text, style="progress.data.speed")

    # rich checks the encoding of the stream for some of what it draws, and not for the rest.
    stream = None if sys.stderr is None else cast("IO[str]", _PrintableStream(sys.stderr))
    console = Console(file=stream, stderr=True)
    columns = (
        SpinnerColumn("line" if console.options.ascii_only else "dots"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        # A bar without a width of its own is what becomes shorter in a narrow terminal.
        BytesColumn(BarColumn(bar_width=None), Column(max_width=40)),
        BytesColumn(DownloadColumn()),
        BytesColumn(SpeedColumn()),
    )
    bars = Progress(*columns, console=console, transient=False, auto_refresh=can_start_threads())
    step = bars.add_task("Starting", total=None)
    latest: ProgressEvent | None = None

    def report(event: ProgressEvent) -> None:
        nonlocal step, latest
        # Started with the first event: a live bar would draw over the prompt for the key.
        bars.start()
        is_new = latest is None or event.stage != latest.stage
        # A new line, since rich would go on to display the bytes of the step before. Its line stays.
        if is_new and bars.tasks and bars.tasks[-1].total is None:
            bars.remove_task(step)
        if event.stage == "done":
            # Printed below, in full; as a step beside the others it would be cut off.
            bars.refresh()
            latest = event
            return
        if is_new:
            step = bars.add_task(event.message, total=None, at=time.monotonic())
        elif latest is not None and event.done != latest.done:
            bars.update(step, at=time.monotonic())
        bars.update(
            step,
            description=event.message,
            completed=event.done,
            total=event.total,
            retry_at=time.monotonic() + (event.retry_in or 0.0),
        )
        latest = event

    interrupted = False
    try:
        yield report
    except BaseException:
        interrupted = latest is not None and latest.stage == "download" and bool(latest.done)
        raise
    finally:
        finished = latest is not None and latest.stage == "done"
        # The error says more than the step at which it happened; how far a download came stays.
        for task in [task for task in bars.tasks if finished or task.total is None]:
            bars.remove_task(task.id)
        bars.stop()
        if latest is not None and finished:
            console.print(Text(f"✓ {latest.message}", style="green"))
        elif latest is not None and interrupted:
            console.print(Text(stored_part(latest)))


REDRAW_SECONDS = 0.1


@contextmanager
def html_progress(next_step: str = "") -> Iterator[Callable[[ProgressEvent], None]]:
    """Yield a function that draws events as one bar below the running cell.

    Args:
        next_step: Code to run after the last event.
    """
    from IPython.display import HTML, display

    # Displayed with the first event: a call that fails before it has no output but the error.
    handle: DisplayHandle | None = None
    latest: ProgressEvent | None = None
    drawn_at = 0.0

    def draw(html: str) -> None:
        nonlocal handle
        if handle is None:
            handle = display(HTML(html), display_id=True)
        else:
            handle.update(HTML(html))

    def report(event: ProgressEvent) -> None:
        nonlocal drawn_at, latest
        latest = event
        now = time.monotonic()
        is_part = event.done is not None and event.done != event.total and event.retry_in is None
        if is_part and now - drawn_at < REDRAW_SECONDS:
            return
        drawn_at = now
        draw(progress_html(event, next_step))

    try:
        yield report
    except BaseException:
        if latest is not None and latest.stage == "download" and latest.done:
            draw(f"<div>{escape(stored_part(latest))}</div>")
        elif latest is not None and latest.stage != "done":
            # The error says more than the step at which it happened.
            draw("")
        raise


def stored_part(event: ProgressEvent) -> str:
    """Return a line on a download that ends before it is complete.

    Examples:
        >>> stored_part(ProgressEvent("download", "Downloading core 0.1.0", 3 * 2**20, 4 * 2**20))
        'Interrupted: 3.0 of 4.0 MiB are stored. Run it again, and the download resumes there.'
    """
    return f"Interrupted: {_share(event)} are stored. Run it again, and the download resumes there."


def _share(event: ProgressEvent) -> str:
    return f"{(event.done or 0) / 2**20:.1f} of {(event.total or 0) / 2**20:.1f} MiB"


def progress_html(event: ProgressEvent, next_step: str = "") -> str:
    """Return an event as one line of HTML.

    Args:
        event: The event.
        next_step: Code to run after the last one.

    Examples:
        >>> from nimbus_sdk.display.progress import ProgressEvent
        >>> progress_html(ProgressEvent("validate", "Key <ok>"))
        '<div>Key &lt;ok&gt;</div>'
        >>> progress_html(ProgressEvent("done", "It is there"), "f(1)")
        '<div>✓ It is there. Next: <code>f(1)</code></div>'
    """
    text = escape(event.message)
    if event.stage == "done":
        following = f" Next: <code>{escape(next_step)}</code>" if next_step else ""
        return f"<div>✓ {text}.{following}</div>"
    if event.done is None or not event.total:
        return f"<div>{text}</div>"
    share = _share(event)
    if event.retry_in is not None:
        share += f", interrupted, next attempt in {event.retry_in:.0f} s"
    return f"<div>{text} <progress value='{event.done}' max='{event.total}'></progress> {share}</div>"
