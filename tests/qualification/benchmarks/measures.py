"""Figures, their medians, and what was promised of them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Row:
    """One thing that was measured, in one unit.

    Attributes:
        name: What it is.
        values: What each round gave.
        unit: Of the values.
    """

    name: str
    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """Half of the rounds gave less."""
        return median(self.values)

    @property
    def spread(self) -> str:
        """Between which values half of the rounds lie."""
        if len(self.values) < 2:
            return ""
        low, _, high = quantiles(self.values, n=4)
        return f"{low:.1f} to {high:.1f}"


@dataclass(frozen=True)
class Verdict:
    """A promise, and whether it is kept."""

    promise: str
    figure: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the figure is on the right side of the limit."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def __str__(self) -> str:
        side = "at least" if self.at_least else "at most"
        word = "kept" if self.kept else "MISSED"
        return (
            f"  {word:<7}{self.promise}: {self.figure:.2f} {self.unit}, "
            f"{side} {self.limit:.2f} {self.unit}".rstrip()
        )


def table(title: str, rows: list[Row], above: Row | None = None) -> str:
    """Rows as text; with what each costs above another where one is named."""
    lines = [title, f"  {'':<44}{'median':>10}  {'middle half':<18}{'above bare' if above else ''}"]
    for row in rows:
        extra = "" if above is None or row is above else f"{row.median - above.median:+.1f} {row.unit}"
        lines.append(f"  {row.name:<44}{row.median:>7.1f} {row.unit:<3} {row.spread:<18}{extra}".rstrip())
    return "\n".join(lines)
