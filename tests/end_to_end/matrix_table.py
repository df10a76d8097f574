"""The matrix as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from tests.end_to_end.matrix_play import Cell, Report


def printed(reports: Mapping[Cell, Report], seconds: float) -> str:
    """Everything there is to say of a run."""
    wrong = [f"{cell}: {'; '.join(report.wrong)}" for cell, report in reports.items() if report.wrong]
    return "\n".join([f"{len(reports)} cells, {len(wrong)} wrong, {seconds:.0f} s", *wrong])
