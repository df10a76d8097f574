"""The command line of the program that builds the site."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from docs import build_site


@pytest.mark.parametrize(
    ("arguments", "missing", "code", "words"),
    [
        (["--help"], (), 0, "Build the documentation site."),
        (["--hlp"], (), 2, "unrecognized arguments: --hlp"),
        ([], ("pytest", "mne"), 2, 'mne, pytest cannot be imported. Run `pip install -e ".[dev]"` first.'),
    ],
)
def test_nothing_is_built_by_mistake(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    missing: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    """An option is no folder, and a package that is missing is named before any example runs."""
    built: list[Path] = []
    monkeypatch.setattr(build_site, "build", built.append)
    monkeypatch.setattr(build_site, "find_spec", lambda name: None if name in missing else name)
    monkeypatch.setattr(sys, "argv", ["build_site.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        build_site.main()
    captured = capsys.readouterr()
    assert (ended.value.code, built) == (code, [])
    assert words in captured.out + captured.err
