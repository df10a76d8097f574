"""Folding text: whole words, whole commands, paths at their separators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.display.tables import fold, narrowest

WORDS = st.lists(st.text("ab/`\\é", min_size=1, max_size=12), max_size=12)


@given(WORDS, st.integers(1, 40))
def test_nothing_is_lost_and_lines_are_short(words: list[str], width: int) -> None:
    """The words stand in their order, and a line is longer than the width only if it is one part."""
    text = " ".join(words)
    lines = fold(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(len(line) <= max(width, narrowest(text)) for line in lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("   ok      The install succeeded", ["   ok      The", "   install", "   succeeded"]),
        ("C:\\Users\\ada\\nimbus\\core", ["C:\\Users\\ada\\", "   nimbus\\core"]),
        ("see `nimbus-sdk core list`.", ["see", "   `nimbus-sdk core list`."]),
        ("a" * 20, ["a" * 20]),
    ],
)
def test_further_lines_are_indented(text: str, lines: list[str]) -> None:
    """A path is folded behind a separator, and a command in backquotes never."""
    assert fold(text, 16, "   ") == lines
