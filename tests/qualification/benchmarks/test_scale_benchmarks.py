"""The benchmarks of streaming and scale still run, in a small form."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.qualification.benchmarks import page


def judged(*command: str) -> list[str]:
    """Run a benchmark in a process of its own, and give its verdicts, in a word each."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=page.ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert done.returncode == int("MISSED" in found), done.stdout + done.stderr
    return found


def test_chunks_are_measured_and_judged() -> None:
    """Each kind of model gets a figure for every way of aggregation."""
    assert len(judged("tests.qualification.benchmarks.streaming", "--chunks", "16")) == 9


@pytest.mark.qualification
def test_a_cluster_decodes_a_file_as_numpy_does() -> None:
    """Two workers under a limit, 60,000 trials: same numbers, nobody restarted, no copy of the whole."""
    # So few trials fit into memory, which is what the whole form is for.
    assert judged("tests.qualification.benchmarks.scale", "--trials", "60000") == ["MISSED", *["kept"] * 4]


def test_a_section_is_put_in_its_place(tmp_path, monkeypatch) -> None:
    """A new one goes to the end, an old one is replaced, and the others stay as they are."""
    file = tmp_path / "performance.md"
    file.write_text("# Fast\n\n## One\n\n1\n\n## Two\n\n2\n", encoding="utf-8")
    monkeypatch.setattr(page, "PAGE", file)
    page.put("Three", "3")
    page.put("One", "first\n")
    assert file.read_text(encoding="utf-8") == ("# Fast\n\n## One\n\nfirst\n\n## Two\n\n2\n\n## Three\n\n3\n")
