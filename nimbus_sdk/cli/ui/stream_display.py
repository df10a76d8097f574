"""Results of a live stream: bars at a terminal, else a line for each, as text or JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from nimbus_sdk.cli.ui import output
from nimbus_sdk.display.terminal import escape_controls, print_notice

if TYPE_CHECKING:
    from nimbus_sdk import ChunkResult, StreamingResult

Result: TypeAlias = "ChunkResult | StreamingResult"
Show: TypeAlias = Callable[[Result], None]

_LONGEST_NAME = 24
_MOST_CELLS = 50


@dataclass
class Counts:
    """What a stream has shown so far; problems are those of the last window and of the last decision."""

    windows: int = 0
    rejected: int = 0
    decisions: int = 0
    missing: float = 0.0
    first: float = math.nan
    problems: dict[bool, tuple[str, ...]] = field(default_factory=dict)

    def add(self, result: Result) -> tuple[float, tuple[str, ...]]:
        """Count a result, and return its time in seconds since the first one, and problems to show.

        They are repeated in each result of a kind, so they are shown where they begin.
        """
        if math.isnan(self.first):
            self.first = result.timestamp
        before = self.problems.get(is_decision(result))
        self.problems[is_decision(result)] = result.problems
        if is_decision(result):
            self.decisions += 1
        else:
            self.windows += 1
            self.rejected += _is_rejected(result)
            self.missing += result.gap
        return result.timestamp - self.first, () if before else result.problems

    def summarize(self) -> list[str]:
        """Return them as a sentence, and what may be wrong with the stream as a whole."""
        missing = f", {self.missing:.2f} s of samples missing" if self.missing else ""
        counts = f"{_count(self.windows, 'window')}, {self.rejected} rejected, "
        problems = self.problems.get(False) or self.problems.get(True) or ()
        if not problems and self.rejected == self.windows:
            problems = (
                "All were unlike those of the training: compare unit, channels and filters of the stream.",
            )
        return [f"{counts}{_count(self.decisions, 'decision')}{missing}.", *problems]


def is_decision(result: Result) -> bool:
    """Return whether a result is the decision on a trial."""
    return hasattr(result, "n_chunks")


@contextmanager
def open_display(names: Sequence[str], confidence: float, *, as_json: bool) -> Iterator[Show]:
    """Yield a function that shows a result; ``names`` are of the classes, in the order of the posteriors."""
    if as_json:
        yield lambda result: output.print_json_line(_describe(result, names))
        return
    counts = Counts()
    shown = [escape_controls(name)[:_LONGEST_NAME] for name in names]
    try:
        if output.has_styles(sys.stdout):
            with _open_bars(shown, confidence, counts) as show:
                yield show
        else:
            yield lambda result: output.print_lines(*_lines(result, shown, confidence, *counts.add(result)))
    finally:
        if counts.windows:
            output.print_text(*counts.summarize())


def _describe(result: Result, names: Sequence[str]) -> dict[str, object]:
    """Return a result as JSON values; what is not known is null."""
    values: dict[str, object] = {
        "type": "decision" if is_decision(result) else "window",
        "timestamp": _known(result.timestamp),
        "prediction": result.prediction,
        "confidence": result.confidence,
        "posterior": dict(_shares(result, names)),
        "entropy": result.entropy,
        "outlier_score": _known(result.outlier_score),
    }
    rest = ("gap", "problems", "rejected", "n_chunks", "is_rest")
    return values | {name: getattr(result, name) for name in rest if hasattr(result, name)}


@contextmanager
def _open_bars(names: Sequence[str], confidence: float, counts: Counts) -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, width=output.line_width(sys.stdout))
    block = "#" if console.options.ascii_only else "█"
    # Above what is drawn anew, since the library of LSL writes to the terminal, too, while it connects.
    print_notice("Waiting for samples …")
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show(result: Result) -> None:
            time, problems = counts.add(result)
            if is_decision(result) or problems:
                lines = _lines(result, names, confidence, time, problems)
                folded = (part for line in lines for part in output.fold_for(sys.stdout, line))
                live.console.print(Text("\n".join(folded)))
            if is_decision(result):
                return
            lines = [*_bars(result, names, console.width, block), _state(result, counts, time)]
            live.update(Text("\n".join(line[: console.width] for line in lines), no_wrap=True), refresh=True)

        yield show


def _bars(result: Result, names: Sequence[str], width: int, block: str) -> list[str]:
    longest = max(map(len, names))
    cells = max(1, min(_MOST_CELLS, width - longest - 10))
    return [
        f"  {name:<{longest}}  {block * round(cells * share):<{cells}}  {share:.2f}"
        for name, share in _shares(result, names)
    ]


def _state(result: Result, counts: Counts, time: float) -> str:
    score = f"outlier score {result.outlier_score:.1f}{': REJECTED' if _is_rejected(result) else ''}"
    rejected = f"({counts.rejected} of {counts.windows} rejected)"
    return f"  {time:.1f} s  confidence {result.confidence:.2f}, {score} {rejected}"


def _lines(
    result: Result, names: Sequence[str], confidence: float, time: float, problems: Sequence[str]
) -> list[str]:
    notes = [f"{result.gap:.2f} s missing"] if result.gap else []
    name = names[int(result.posterior.argmax())]
    if not is_decision(result):
        shares = (f"{name} {share:.2f}" for name, share in _shares(result, names))
        if _is_rejected(result):
            notes.append(f"rejected, outlier score {result.outlier_score:.1f}")
        line = f"window    {'  '.join([*shares, *notes])}"
    else:
        notes.insert(0, f"after {_count(getattr(result, 'n_chunks', 0), 'window')}")
        verdict = (
            f"{'unsure  ' if result.confidence < confidence else 'decision'}  {name} {result.confidence:.2f}"
        )
        if getattr(result, "is_rest", False):
            verdict = f"rest      none of the classes ({name} {result.confidence:.2f}),"
        line = f"{verdict} {', '.join(notes)}"
    return [f"{time:8.2f} s  {line}", *(f"{'':12}{text}" for text in problems)]


def _is_rejected(result: Result) -> bool:
    return bool(getattr(result, "rejected", False))


def _shares(result: Result, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    return zip(names, result.posterior.tolist(), strict=True)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
