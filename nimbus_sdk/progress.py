"""What happens while something long is going on, as events; and who shows them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from nimbus_sdk.store.prompt import is_terminal, kernel_runs

if TYPE_CHECKING:
    from typing import Literal

    Stage = Literal[
        "wait", "validate", "token", "release", "download", "verify", "unpack", "probe", "save", "done"
    ]


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step, or a part of it.

    Attributes:
        stage: Which step.
        message: The step in words, without any secret.
        done: Bytes so far, or None where nothing is counted.
        total: Bytes in all, likewise.
    """

    stage: Stage
    message: str
    done: int | None = None
    total: int | None = None


Report: TypeAlias = Callable[[ProgressEvent], None]


@contextmanager
def reporting(progress: Report | bool | None, quiet: bool) -> Iterator[Report]:
    """The function that takes events while the block runs.

    Args:
        progress: A function of one's own; True for a bar; False for none; None for a bar where someone
            looks: in a terminal or a notebook.
        quiet: What ``NIMBUS_SDK_NO_PROGRESS`` says; it silences only what None would show.
    """
    if callable(progress):
        yield progress
        return
    notebook = kernel_runs()
    if progress is False or (progress is None and (quiet or not (notebook or is_terminal(sys.stderr)))):
        yield _silent
        return
    if notebook:
        from nimbus_sdk.notebook import html_progress

        with html_progress() as report:
            yield report
        return
    with _bar() as report:
        yield report


def _silent(event: ProgressEvent) -> None:
    """Show nothing."""


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True), transient=False)
    download = bars.add_task("Starting", total=None)

    def report(event: ProgressEvent) -> None:
        # Not before the first event: a live bar would draw over the hidden question for the key.
        bars.start()
        total = event.total if event.total is not None else bars.tasks[download].total
        done = event.done if event.done is not None else bars.tasks[download].completed
        bars.update(download, description=event.message, completed=done, total=total)

    try:
        yield report
    finally:
        bars.stop()
