"""Where the events of a long operation go: a function, a bar in a terminal or a notebook, or nowhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

from nimbus_sdk.display.progress import ProgressEvent, Report, format_size, stored_part
from nimbus_sdk.display.terminal import is_notebook, is_terminal

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

REDRAW_SECONDS = 0.1


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
        yield lambda event: None
        return
    if notebook:
        with html_progress(next_step) as report:
            yield report
        return
    from nimbus_sdk.display.progress_bar import progress_bar

    with progress_bar() as report:
        yield report


@contextmanager
def html_progress(next_step: str = "") -> Iterator[Report]:
    """Yield a function that draws events as one bar below the running cell, and the next step at the end."""
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
        part = stored_part(latest)
        if part is not None:
            draw(f"<div>{escape(part)}</div>")
        elif latest is not None and latest.stage != "done":
            # The error says more than the step at which it happened.
            draw("")
        raise


def progress_html(event: ProgressEvent, next_step: str = "") -> str:
    """Return an event as one line of HTML, the last one with the code to run next.

    Examples:
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
    share = format_size(event)
    if event.retry_in is not None:
        share += f", interrupted, next attempt in {event.retry_in:.0f} s"
    return f"<div>{text} <progress value='{event.done}' max='{event.total}'></progress> {share}</div>"
