"""Every reader of untrusted input gets input that others might write: the short form of the fuzzing.

The long form is ``python -m tests.security.fuzz``; what it found is in ``fuzz/cases``, and is tested again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.fuzz.readers import READERS, feed
from tests.security.fuzz.seeds import CASES, seeds, stored_cases
from tests.support.examples import examples

ROOT = Path(__file__).parents[2]
HERE = {name: reader for name, reader in READERS.items() if name != "model_file"}
IN_JSON = ("sealed_session", "state_files", "credentials", "answers", "releases")
BOUNDED = settings(examples(100), deadline=timedelta(seconds=10))
EDGES = st.sampled_from(
    [
        "",
        "\ud800",
        "\u202e\x1b[2J\x00",
        "9" * 5000,
        "1e999",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:60Z",
        "2026-01-01T00:00:00",
        "../" * 20,
        "((((" * 500,
        "sha256:" + "g" * 64,
        "nimbus_sdk_core-1.0.0-py3-none-any.whl",
    ]
)
NUMBERS = st.integers() | st.integers(min_value=10**19, max_value=10**30) | st.floats()
STRANGE = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20) | EDGES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | EDGES, inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def spoiled(draw: st.DrawFn, name: str) -> bytes:
    """A seed of a reader, with some parts removed, overwritten or repeated."""
    content = bytearray(draw(st.sampled_from(seeds(name))))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        content[start:end] = draw(st.binary(max_size=40) | st.just(bytes(content[start:end]) * 2))
    return bytes(content)


@st.composite
def misshapen(draw: st.DrawFn, name: str) -> bytes:
    """A seed in JSON, with some fields replaced, or nested very deeply."""
    seed = json.loads(draw(st.sampled_from(seeds(name))))
    for field in draw(st.lists(st.sampled_from(sorted(seed)), max_size=3, unique=True)):
        seed[field] = draw(STRANGE)
    text = json.dumps(seed)
    depth = draw(st.sampled_from([0, 0, 0, 400, 100_000]))
    return (("[" * depth) + text + ("]" * depth)).encode("utf-8", "surrogatepass")


def strange(name: str) -> st.SearchStrategy[bytes]:
    """Return a strategy for the input of a reader."""
    fitting = misshapen(name) if name in IN_JSON else spoiled(name)
    return st.one_of(st.binary(max_size=200), spoiled(name), fitting)


@pytest.mark.hypothesis
@pytest.mark.parametrize("name", HERE)
def test_no_input_makes_a_reader_raise_a_foreign_error(name: str):
    """Whatever the input is, a reader returns a result or raises a NimbusError."""

    @BOUNDED
    @given(strange(name))
    def run(content: bytes) -> None:
        feed(HERE[name], content)

    run()


@pytest.mark.parametrize("name", HERE)
def test_every_input_that_was_once_found_stays_fixed(name: str):
    """Every input that ever broke a reader is tested again, and so is every seed."""
    for content in (*stored_cases(name), *seeds(name)):
        feed(HERE[name], content)


def test_cases_belong_to_readers():
    """Every folder of cases belongs to a reader."""
    assert {path.name for path in CASES.iterdir() if path.is_dir()} <= set(READERS)


def test_the_long_form_runs():
    """The command of the long form works as the documentation gives it, here for the core's model files."""
    command = [sys.executable, "-m", "tests.security.fuzz", "--seconds", "1", "--blind", "model_file"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    name, count, _, found = done.stdout.splitlines()[-1].strip("| ").split(" | ")
    assert (name, found) == ("model_file", "nothing")
    assert int(count.replace(",", "")) > 0
