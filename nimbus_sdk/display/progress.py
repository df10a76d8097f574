"""Progress of long operations, as events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

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


def download_report(report: Report, title: str) -> Callable[[int, int, float | None], None]:
    """Return a function that reports the bytes of a download so far, all bytes, and the wait if it has one.

    Example:
        >>> download_report(print, "Downloading it")(5, 9, 2.5)
        ProgressEvent(stage='download', message='Downloading it', done=5, total=9, retry_in=2.5)
    """
    return lambda done, total, retry_in: report(ProgressEvent("download", title, done, total, retry_in))


def stored_part(event: ProgressEvent | None) -> str | None:
    """Return a line on a download that ends with this event, before it is complete; None if there is none.

    Examples:
        >>> stored_part(ProgressEvent("download", "Downloading core 0.1.0", 3 * 2**20, 4 * 2**20))
        'Interrupted: 3.0 of 4.0 MiB are stored. Run it again, and the download resumes there.'
    """
    if event is None or event.stage != "download" or not event.done:
        return None
    return f"Interrupted: {format_size(event)} are stored. Run it again, and the download resumes there."


def format_size(event: ProgressEvent) -> str:
    """Return how much of a download there is, as text."""
    return f"{(event.done or 0) / 2**20:.1f} of {(event.total or 0) / 2**20:.1f} MiB"
