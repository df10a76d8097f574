"""The matrix as tables in Markdown: faults down, steps across, the result in every cell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from tests.qualification.matrix_runner import Report
from tests.qualification.matrix_transport import Cell
from tests.qualification.wire_faults import CODES

NEVER = "-"
"""The fault does not apply to the step: a redirect has no body to cut, a file is no JSON."""

_MERGED = {"install over another": "install"}
Reports = Mapping[Cell, Report]


def format_report(reports: Reports, seconds: float) -> str:
    """Return the report of a run."""
    wrong = [f"- {cell.name}: {'; '.join(report.wrong)}" for cell, report in reports.items() if report.wrong]
    slow = [
        f"- {cell.name}: {report.seconds:.1f} s, not {report.limit:.1f} s at most"
        for cell, report in reports.items()
        if report.is_too_slow
    ]
    requests = sum(report.attempts for report in reports.values())
    named = {cell: report for cell, report in reports.items() if cell.fault.covers == {cell.fault.name}}
    return "\n".join(
        [
            f"{len(reports)} cells, {requests} requests of the steps with a fault, in {seconds:.0f} s: "
            f"{len(wrong)} against the rules.",
            *wrong,
            f"{len(slow)} too slow.",
            *slow,
            "",
            *table("fault", named, lambda cell: cell.fault.name),
            "",
            *table("documented refusal", reports, _documented),
            "",
            *_group_rows(table("bare status", reports, _bare)),
        ]
    )


def table(title: str, reports: Reports, row_of: Callable[[Cell], str | None]) -> list[str]:
    """Return the lines of a table; cells without a row are omitted."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for cell, report in reports.items():
        row = row_of(cell)
        if row is not None:
            found[row][_column(cell)].add(_format_cell(report))
    columns = list(dict.fromkeys(_column(cell) for cell in reports))
    return [
        _line([title, *columns]),
        _line(["---"] * (len(columns) + 1)),
        *(
            _line([row, *(_join(cells.get(column, ())) for column in columns)])
            for row, cells in found.items()
        ),
    ]


def _column(cell: Cell) -> str:
    use_case = _MERGED.get(cell.use_case.name, cell.use_case.name)
    return use_case if len(cell.use_case.steps) == 1 else f"{use_case}: {cell.step.name}"


def _documented(cell: Cell) -> str | None:
    code = cell.fault.code
    if code is None or cell.fault.covers == {cell.fault.name} or CODES[code] != cell.fault.status:
        return None
    return f"{cell.fault.status} {code}"


def _bare(cell: Cell) -> str | None:
    plain = cell.fault.status is not None and "no code" in cell.fault.tags
    return str(cell.fault.status) if plain else None


def _format_cell(report: Report) -> str:
    short = re.sub(r"^Nimbus(?=\w)|^Core(?=\w)|Error$", "", report.outcome)
    return short if report.attempts == 1 else f"{short} ({report.attempts})"


def _join(texts: Iterable[str]) -> str:
    by_word: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        word, _, number = text.partition(" (")
        by_word[word].add(number.rstrip(")") or "1")
    return ", ".join(_with_range(word, numbers) for word, numbers in sorted(by_word.items())) or NEVER


def _with_range(word: str, numbers: set[str]) -> str:
    low, high = min(numbers), max(numbers)
    if low == high:
        return word if low == "1" else f"{word} ({low})"
    return f"{word} ({low} to {high})"


def _group_rows(lines: list[str]) -> list[str]:
    """Merge rows that differ in their first cell alone."""
    rows: dict[str, list[str]] = {}
    for line in lines[2:]:
        first, _, rest = line.removeprefix("| ").partition(" | ")
        rows.setdefault(rest, []).append(first)
    return [*lines[:2], *(f"| {', '.join(firsts)} | {rest}" for rest, firsts in rows.items())]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
