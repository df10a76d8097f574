"""Progress of long operations as events, and as a bar in a notebook."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

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
REDRAW_SECONDS = 0.1


def download_report(report: Report, title: str) -> Callable[[int, int, float | None], None]:
    """Return a function that reports the bytes of a download so far, all bytes, and the wait if it has one.

    Example:
        >>> download_report(print, "Downloading it")(5, 9, 2.5)
        ProgressEvent(stage='download', message='Downloading it', done=5, total=9, retry_in=2.5)
    """
    return lambda done, total, retry_in: report(ProgressEvent("download", title, done, total, retry_in))


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
        if latest is not None and is_partial_download(latest):
            draw(f"<div>{escape(stored_part(latest))}</div>")
        elif latest is not None and latest.stage != "done":
            # The error says more than the step at which it happened.
            draw("")
        raise


def is_partial_download(event: ProgressEvent) -> bool:
    """Return whether an event that is the last one leaves a part of a download behind."""
    return event.stage == "download" and bool(event.done)


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
