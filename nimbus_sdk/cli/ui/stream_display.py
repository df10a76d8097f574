"""Results of a live stream: bars at a terminal, else a line for each, as text or JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    """What a stream has shown so far."""

    windows: int = 0
    rejected: int = 0
    decisions: int = 0
    missing: float = 0.0
    window_problems: tuple[str, ...] = ()
    decision_problems: tuple[str, ...] = ()
    first: float = math.nan

    def add(self, result: Result) -> tuple[float, tuple[str, ...]]:
        """Count a result, and return its time in seconds since the first one, and problems to show.

        They are repeated in each result of a kind, so they are shown where they begin.
        """
        before = self.decision_problems if is_decision(result) else self.window_problems
        if math.isnan(self.first):
            self.first = result.timestamp
        if is_decision(result):
            self.decisions += 1
            self.decision_problems = result.problems
        else:
            self.windows += 1
            self.window_problems = result.problems
            self.rejected += getattr(result, "rejected", False)
            self.missing += result.gap
        return result.timestamp - self.first, () if before else result.problems

    def summarize(self) -> str:
        """Return them as a sentence."""
        missing = f", {self.missing:.2f} s of samples missing" if self.missing else ""
        return (
            f"{_count(self.windows, 'window')}, {self.rejected} rejected, "
            f"{_count(self.decisions, 'decision')}{missing}."
        )

    def explain(self) -> tuple[str, ...]:
        """Return what may be wrong with the stream as a whole, as texts."""
        problems = self.window_problems or self.decision_problems
        if problems or self.rejected < self.windows:
            return problems
        return ("All were unlike those of the training: compare unit, channels and filters of the stream.",)


def is_decision(result: Result) -> bool:
    """Return whether a result is the decision on a trial."""
    return hasattr(result, "n_chunks")


@contextmanager
def open_display(names: Sequence[str], confidence: float, *, as_json: bool) -> Iterator[Show]:
    """Yield a function that shows a result.

    Args:
        names: Of the classes, in the order of the posteriors.
        confidence: What a decision needs.
        as_json: Whether to print JSON.
    """
    counts = Counts()
    shown = [escape_controls(name)[:_LONGEST_NAME] for name in names]
    if as_json:
        yield lambda result: output.print_json_line(describe(result, names))
        return
    try:
        if output.has_styles(sys.stdout):
            with _open_bars(shown, confidence, counts) as show:
                yield show
        else:
            yield lambda result: output.print_lines(*_lines(result, shown, confidence, *counts.add(result)))
    finally:
        if counts.windows:
            output.print_text(counts.summarize(), *counts.explain())


def describe(result: Result, names: Sequence[str]) -> dict[str, object]:
    """Return a result as JSON values; what is not known is null."""
    values: dict[str, object] = {
        "type": "decision" if is_decision(result) else "window",
        "timestamp": _known(result.timestamp),
        "prediction": result.prediction,
        "confidence": result.confidence,
        "posterior": dict(zip(names, result.posterior.tolist(), strict=True)),
        "entropy": result.entropy,
        "outlier_score": _known(result.outlier_score),
        "gap": result.gap,
        "problems": result.problems,
    }
    for name in ("rejected", "n_chunks", "is_rest"):
        if hasattr(result, name):
            values[name] = getattr(result, name)
    return values


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
        for name, share in zip(names, result.posterior.tolist(), strict=True)
    ]


def _state(result: Result, counts: Counts, time: float) -> str:
    rejected = getattr(result, "rejected", False)
    score = f"outlier score {result.outlier_score:.1f}"
    return (
        f"  {time:.1f} s  confidence {result.confidence:.2f}, {score}{': REJECTED' if rejected else ''}"
        f" ({counts.rejected} of {counts.windows} rejected)"
    )


def _lines(
    result: Result, names: Sequence[str], confidence: float, time: float, problems: Sequence[str]
) -> list[str]:
    start, explained = f"{time:8.2f} s  ", [f"{'':12}{text}" for text in problems]
    notes = [f"{result.gap:.2f} s missing"] if result.gap else []
    if not is_decision(result):
        shares = "  ".join(
            f"{name} {share:.2f}" for name, share in zip(names, result.posterior.tolist(), strict=True)
        )
        if getattr(result, "rejected", False):
            notes.append(f"rejected, outlier score {result.outlier_score:.1f}")
        return [f"{start}window    {'  '.join([shares, *notes])}", *explained]
    name = names[int(result.posterior.argmax())]
    notes.insert(0, f"after {_count(getattr(result, 'n_chunks', 0), 'window')}")
    if getattr(result, "is_rest", False):
        verdict = f"rest      none of the classes ({name} {result.confidence:.2f}),"
    elif result.confidence < confidence:
        verdict = f"unsure    {name} {result.confidence:.2f}"
    else:
        verdict = f"decision  {name} {result.confidence:.2f}"
    return [f"{start}{verdict} {', '.join(notes)}", *explained]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
