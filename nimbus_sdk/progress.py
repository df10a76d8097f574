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

    from rich.console import RenderableType

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
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TransferSpeedColumn,
    )

    class OfBytes(ProgressColumn):
        """A column that stays empty for a step of which nothing is counted."""

        def __init__(self, column: ProgressColumn) -> None:
            super().__init__()
            self.column = column

        def render(self, task: Task) -> RenderableType:
            return "" if task.total is None else self.column(task)

    counted = (OfBytes(BarColumn()), OfBytes(DownloadColumn()), OfBytes(TransferSpeedColumn()))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *counted)
    bars = Progress(*columns, console=Console(stderr=True), transient=False)
    step = bars.add_task("Starting", total=None)

    def report(event: ProgressEvent) -> None:
        nonlocal step
        # Not before the first event: a live bar would draw over the hidden question for the key.
        bars.start()
        before = bars.tasks[-1]
        if before.description != event.message:
            # A line of its own, lest rich goes on to show the bytes of the step before. Theirs stays.
            if before.total is None:
                bars.remove_task(step)
            step = bars.add_task(event.message, total=None)
        bars.update(step, completed=event.done, total=event.total)

    try:
        yield report
    finally:
        bars.stop()
