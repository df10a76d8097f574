"""Bars at a terminal of 80 columns."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from nimbus_sdk.cli.ui import output
from nimbus_sdk.cli.ui.stream_display import open_display


def result(posterior: list[float], timestamp: float, **changes: object) -> SimpleNamespace:
    """A result of a stream."""
    values = {
        "posterior": np.array(posterior),
        "prediction": int(np.argmax(posterior)),
        "confidence": max(posterior),
        "timestamp": timestamp,
        "entropy": 0.5,
        "outlier_score": 0.2,
        "gap": 0.0,
        "problems": (),
    }
    return SimpleNamespace(**{**values, **changes})


RESULTS = [
    result([0.75, 0.25], 100.0, rejected=False),
    result([0.2, 0.8], 100.5, rejected=True, outlier_score=14.0, gap=1.25),
    result([0.95, 0.05], 101.0, rejected=False),
    result([0.95, 0.05], 101.0, n_chunks=2, is_rest=False, problems=("Compare unit, gain and reference.",)),
    result([0.55, 0.45], 102.0, n_chunks=20, is_rest=False, problems=(), gap=1.25),
    result([0.51, 0.49], 103.0, n_chunks=20, is_rest=True, problems=()),
]
NAMES = ["left hand", "an extraordinarily long name\x1b[2J"]


@pytest.mark.parametrize("columns", [80, 40])
def test_bars_fit_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """They are drawn anew for each window; decisions stay."""
    monkeypatch.setattr(output, "has_styles", lambda stream: True)
    monkeypatch.setattr(output, "line_width", lambda stream: columns)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with open_display(NAMES, 0.9, as_json=False) as show:
        for each in RESULTS:
            show(each)
    raw = capsys.readouterr().out
    assert "\x1b[2J" not in raw
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw).replace("\r", "\n")
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    bars = [line for line in lines if line.startswith("  left hand")]
    lengths = [line.count("█") + line.count("#") for line in bars]
    assert lengths[1] < lengths[0] < lengths[2]
    joined = " ".join(text.split())
    assert "decision left hand 0.95 after 2 windows Compare unit, gain and reference." in joined
    assert "unsure left hand 0.55 after 20 windows, 1.25 s missing" in joined
    assert "rest none of the classes (left hand 0.51), after 20 windows" in joined
    assert "3 windows, 1 rejected, 3 decisions, 1.25 s of samples missing." in joined
    if columns == 80:
        assert "outlier score 14.0: REJECTED (1 of 2 rejected)" in joined
        assert "rest      none of the classes (left hand 0.51), after 20 windows" in text


def test_lines_of_a_file_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """One for each window."""
    with open_display(["left", "right"], 0.9, as_json=False) as show:
        for each in RESULTS:
            show(each)
    assert capsys.readouterr().out.splitlines() == [
        "    0.00 s  window    left 0.75  right 0.25",
        "    0.50 s  window    left 0.20  right 0.80  1.25 s missing  rejected, outlier score 14.0",
        "    1.00 s  window    left 0.95  right 0.05",
        "    1.00 s  decision  left 0.95 after 2 windows",
        "            Compare unit, gain and reference.",
        "    2.00 s  unsure    left 0.55 after 20 windows, 1.25 s missing",
        "    3.00 s  rest      none of the classes (left 0.51), after 20 windows",
        "3 windows, 1 rejected, 3 decisions, 1.25 s of samples missing.",
    ]


def test_problems_of_windows_are_shown_where_they_begin_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not with each result; a few windows that were all rejected are a problem, too."""
    windows = [
        result([0.5, 0.5], float(k), rejected=True, problems=("Compare units.",) * (k > 1)) for k in range(5)
    ]
    with open_display(["left", "right"], 0.9, as_json=False) as show:
        for each in windows:
            show(each)
    lines = capsys.readouterr().out.splitlines()
    assert [k for k, line in enumerate(lines) if "Compare units." in line] == [3, 7]
    decision = result([0.9, 0.1], 9.0, n_chunks=2, is_rest=False, problems=("Compare filters.",))
    with open_display(["left", "right"], 0.9, as_json=False) as show:
        for each in (decision, decision, RESULTS[0]):
            show(each)
    lines = capsys.readouterr().out.splitlines()
    assert [k for k, line in enumerate(lines) if "Compare filters." in line] == [1, 5]
    with open_display(["left", "right"], 0.9, as_json=False) as show:
        show(windows[0])
    assert "compare unit, channels and filters" in capsys.readouterr().out.splitlines()[-1]
