"""Where the events of a long operation go: a function, a bar in a terminal or a notebook, or nowhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nimbus_sdk.display.progress import ProgressEvent, Report, html_progress
from nimbus_sdk.display.terminal import is_notebook, is_terminal


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
    from nimbus_sdk.display.progress_bar import progress_bar

    with progress_bar() as report:
        yield report


def _silent(event: ProgressEvent) -> None:
    """Ignore an event."""
