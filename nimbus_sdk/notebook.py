"""What a notebook shows while something long is going on; every value is escaped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nimbus_sdk.progress import ProgressEvent

REDRAW_SECONDS = 0.1


@contextmanager
def html_progress() -> Iterator[Callable[[ProgressEvent], None]]:
    """A function that shows events as one bar in the cell that runs."""
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    drawn = 0.0

    def report(event: ProgressEvent) -> None:
        nonlocal drawn
        now = time.monotonic()
        if event.done is not None and event.done != event.total and now - drawn < REDRAW_SECONDS:
            return
        drawn = now
        handle.update(HTML(progress_html(event)))

    yield report


def progress_html(event: ProgressEvent) -> str:
    """One event as HTML.

    Example:
        >>> from nimbus_sdk.progress import ProgressEvent
        >>> progress_html(ProgressEvent("validate", "Key <ok>"))
        '<div>Key &lt;ok&gt;</div>'
    """
    text = escape(event.message)
    if event.done is None or not event.total:
        return f"<div>{text}</div>"
    share = f"{event.done / 2**20:.1f} of {event.total / 2**20:.1f} MiB"
    return f"<div>{text} <progress value='{event.done}' max='{event.total}'></progress> {share}</div>"
