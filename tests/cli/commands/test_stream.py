"""`nimbus-sdk stream`: results of a live stream, for people and for programs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import nimbus_sdk
from nimbus_sdk import install_core
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import Nimbus
from tests.support import fake_lsl

pytestmark = pytest.mark.usefixtures("no_core_loaded")

CHANNELS, RATE = ("C3", "C4"), 100.0


@pytest.fixture
def model_file(sandbox: Sandbox, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of two loud or quiet channels; a stream of both, with an artefact at the end."""
    install_core(key)
    random, labels = np.random.default_rng(1), np.arange(60) % 2
    about = nimbus_sdk.BCIMetadata(
        RATE, "motor_imagery", "raw_filtered", 2, 2, 100, "logvar", CHANNELS, "uV", (5.0, 50.0)
    )
    trials = random.normal(size=(2, 100, 60)) * (1.0 + 2.0 * labels)
    model = nimbus_sdk.train_model(nimbus_sdk.NimbusLDA, nimbus_sdk.BCIData(trials, about, labels))
    samples = random.normal(size=(2, 1000)) * np.where(np.arange(1000) < 500, 1.0, 3.0)
    samples[:, 900:] *= 1e4
    monkeypatch.setattr(fake_lsl.Amplifier, "samples", samples)
    monkeypatch.setattr(fake_lsl.Amplifier, "channels", CHANNELS)
    monkeypatch.setattr(fake_lsl.Amplifier, "rate", RATE)
    fake_lsl.install(monkeypatch, "Muse")
    return nimbus_sdk.save_model(model, tmp_path / "loud.nimbus")


def test_results_are_lines_of_text_or_json(nimbus: Nimbus, model_file: Path) -> None:
    """Windows, rejected ones too, and decisions; a stream that falls silent ends with its own exit code."""
    options = ["--name", "Muse", "--model", str(model_file), "--timeout", "0.02", "--pause", "0"]
    done = nimbus("stream", *options)
    assert done.code == 9
    assert "The stream 'Muse' has sent no samples" in done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("    0.00 s  window    0 ")
    assert any(" s  decision  0 " in line for line in lines)
    assert any(" s  decision  1 " in line for line in lines)
    assert any("rejected, outlier score" in line for line in lines)
    n_windows = sum("window    " in line for line in lines)
    n_rejected = sum("rejected, outlier" in line for line in lines)
    assert lines[-1].startswith(f"{n_windows} windows, {n_rejected} rejected, ")

    as_json = nimbus("stream", *options, "--json")
    assert as_json.code == 9
    assert json.loads(as_json.err)["error"] == "StreamError"
    results = [json.loads(line) for line in as_json.out.splitlines()]
    windows = [result for result in results if result["type"] == "window"]
    assert len(windows) == n_windows
    assert sum(window["rejected"] for window in windows) == n_rejected
    assert {frozenset(result["posterior"]) for result in results} == {frozenset({"0", "1"})}
    decisions = [result for result in results if result["type"] == "decision"]
    assert {decision["prediction"] for decision in decisions} == {0, 1}
    assert all(decision["n_chunks"] >= 1 for decision in decisions)


PROBLEMS = [
    (["--band", "8"], 2, "--band is '8'"),
    (["--band", "200-300"], 2, "--band low-high, or record"),
    (["--band", "30-8"], 2, "as in --band 8.0-30.0"),
    (["--unit", "mV"], 2, "--unit is 'mV'. Hint: Give V or uV;"),
    (["--step", "3"], 2, "--step is 3 seconds"),
    (["--channels", "C3,Cz"], 2, "in the order of the stream: --channels C3,C4,…"),
    (["--channels", "C3"], 2, "Name each of them in --channels"),
    (["--channels", "C3,C3"], 2, "as in --channels C3,Cz,C4"),
    (["--model", "motor_imagery_4class_v1"], 1, "16 features of the kind 'csp'. Hint: Give a pipeline"),
    (["--model", "nothing.nimbus"], 1, "'nothing.nimbus' cannot be read"),
]


def test_what_does_not_fit_is_explained(
    nimbus: Nimbus, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an exit code for the kind of problem; to end after a time is none."""
    given = ["stream", "--name", "Muse", "--model", str(model_file), "--timeout", "0.02"]
    ended = nimbus(*given, "--unit", "uV", "--duration", "1e-9")
    assert (ended.code, len(ended.out.splitlines())) == (0, 2)
    for options, code, words in PROBLEMS:
        done = nimbus(*given, *options)
        assert (done.code, done.out) == (code, ""), options
        assert words in " ".join(done.err.split())
    monkeypatch.setattr(fake_lsl.Amplifier, "connect", fake_lsl.refuse)
    absent = nimbus(*given)
    assert absent.code == 9
    assert "'Muse' is there, but cannot be read" in " ".join(absent.err.split())
    monkeypatch.setitem(sys.modules, "mne_lsl.stream", None)
    missing = nimbus(*given)
    assert missing.code == 2
    assert "pip install mne-lsl" in " ".join(missing.err.split())


def test_liblsl_writes_nothing_across_the_display(
    nimbus: Nimbus, model_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is configured to log nothing while the command runs, unless the user has a configuration of it."""
    monkeypatch.delenv("LSLAPICFG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    connect, seen = fake_lsl.Amplifier.connect, list[str | None]()

    def look(amplifier: fake_lsl.Amplifier, *arguments: object, **named: object) -> fake_lsl.Amplifier:
        path = os.environ.get("LSLAPICFG")
        seen.append(Path(path).read_text(encoding="ascii") if path and Path(path).exists() else path)
        return connect(amplifier, None, processing_flags=[], timeout=1.0)

    def run() -> str | None:
        before = os.environ.get("LSLAPICFG")
        nimbus("stream", "--name", "Muse", "--model", str(model_file), "--duration", "1e-9")
        assert os.environ.get("LSLAPICFG") == before
        return seen.pop()

    monkeypatch.setattr(fake_lsl.Amplifier, "connect", look)
    assert run() == "[log]\nlevel = -3\n"
    with monkeypatch.context() as own:
        own.setenv("LSLAPICFG", "mine.cfg")
        assert run() == "mine.cfg"
    (tmp_path / "lsl_api").mkdir()
    (tmp_path / "lsl_api" / "lsl_api.cfg").touch()
    assert run() is None
    assert seen == []
