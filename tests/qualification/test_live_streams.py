"""Streams of the Lab Streaming Layer between processes on the loopback, as users have them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.support.lsl import CORE, LoopbackLsl

pytest.importorskip("mne_lsl", reason="mne-lsl is not installed: pip install mne-lsl")
pytestmark = pytest.mark.qualification

ROOT = Path(__file__).parents[2]
CHANNELS, RATE, TRIAL = ("TP9", "AF7", "AF8", "TP10"), 256.0, 640
OPTIONS = {"window": 1.0, "step": 0.25, "confidence": 0.8, "pause": 0.2, "timeout": 2.0}
SAVE = """
import sys
from nimbus_sdk_core import save_model
from tests.reference_core.live.recording import make_pipeline
save_model(make_pipeline(), sys.argv[1])
"""


@pytest.fixture
def lsl(tmp_path: Path) -> LoopbackLsl:
    """Processes that see no other streams."""
    return LoopbackLsl(tmp_path)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that was trained on the first runs of the real recording."""
    file = tmp_path_factory.mktemp("model") / "flicker.nimbus"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CORE), str(ROOT)])}
    subprocess.run([sys.executable, "-c", SAVE, str(file)], env=environ, check=True)
    return file


@pytest.fixture(scope="module")
def recording() -> tuple[np.ndarray, np.ndarray]:
    """Microvolts of the last runs, and the label of each trial."""
    with np.load(ROOT / "tests" / "reference_core" / "recordings" / "muse_ssvep_subject1.npz") as arrays:
        some = arrays["run"] >= 4
        epochs, labels = arrays["epochs"][some] / 10.0, arrays["labels"][some]
    return epochs.transpose(1, 0, 2).reshape(4, -1), labels


def test_a_recording_that_is_replayed_is_decoded_above_chance(
    lsl: LoopbackLsl, model_file: Path, recording: tuple[np.ndarray, np.ndarray]
) -> None:
    """More than eight in ten of the windows within one trial, of runs that the model has not seen."""
    samples, labels = recording
    with lsl.play(samples, channels=CHANNELS, rate=RATE):
        *found, last = lsl.decode(model_file, **OPTIONS)
    assert last["error"] == "StreamError"
    assert not any(result["gap"] for result in found)
    # The time of the first sample is not known: the first window begins when the filter has settled, about
    # half a second later. Windows that may be of two trials are left out.
    start, near = found[0]["timestamp"] - 1.5, 0.2
    right = []
    for result in (each for each in found if each["chunk"]):
        end = result["timestamp"] - start
        trial, until = int((end - 1.0 - near) * RATE / TRIAL), int((end + near) * RATE / TRIAL)
        if trial == until < len(labels):
            right.append(np.argmax(result["posterior"]) + 1 == labels[trial])
    assert len(right) > 20
    assert np.mean(right) > 0.8


def test_order_unit_and_other_channels_make_no_difference(
    lsl: LoopbackLsl, model_file: Path, recording: tuple[np.ndarray, np.ndarray]
) -> None:
    """The same posteriors, of a stream with its channels in another order, in volts, and with one more."""
    samples = recording[0][:, : int(8 * RATE)]
    more = np.concatenate([1e-6 * samples[[2, 0, 3, 1]], np.ones((1, samples.shape[1]))])
    with lsl.play(samples, channels=CHANNELS, rate=RATE):
        plain = lsl.decode(model_file, **OPTIONS)
    with lsl.play(more, channels=["AF8", "TP9", "TP10", "AF7", "AUX"], rate=RATE, unit="volts"):
        mixed = lsl.decode(model_file, **OPTIONS)
    assert len(plain) == len(mixed) > 8
    for one, other in zip(plain[:-1], mixed[:-1], strict=True):
        np.testing.assert_allclose(one["posterior"], other["posterior"], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"channels": ("TP9", "AF7", "AF8", "Cz")}, "ModelMismatchError", "has no channel TP10"),
        ({"rate": 128.0}, "ModelMismatchError", "has 128 samples a second"),
        ({"unit": None}, "ModelMismatchError", "does not say the unit of TP9"),
        ({"name": "headset"}, "StreamError", "Streams here: 'headset'"),
    ],
)
def test_a_stream_that_does_not_fit_is_refused(
    lsl: LoopbackLsl,
    model_file: Path,
    recording: tuple[np.ndarray, np.ndarray],
    changes: dict,
    error: str,
    words: str,
) -> None:
    """By what differs."""
    with lsl.play(recording[0], **{"channels": CHANNELS, "rate": RATE, **changes}):
        found = lsl.decode(model_file, **OPTIONS)
    assert [result["error"] for result in found] == [error]
    assert words in found[0]["text"]


def test_two_streams_of_one_name_are_told_apart(
    lsl: LoopbackLsl, model_file: Path, recording: tuple[np.ndarray, np.ndarray]
) -> None:
    """By their source ids, which the error names."""
    both = {"channels": CHANNELS, "rate": RATE}
    with lsl.play(recording[0], **both), lsl.play(recording[0], source="second", **both):
        found = lsl.decode(model_file, **OPTIONS)
    assert found[-1]["error"] == "StreamError"
    assert "2 streams are called 'amplifier', with the source ids 'amplifier', 'second'" in found[-1]["text"]


def test_a_sender_that_comes_back_is_read_again(
    lsl: LoopbackLsl, model_file: Path, recording: tuple[np.ndarray, np.ndarray]
) -> None:
    """If it does so in time; the gap is in the first window after it."""
    samples = recording[0][:, : int(6 * RATE)]
    play = {"channels": CHANNELS, "rate": RATE, "speed": 2.0}
    with lsl.play(samples, **play) as player:
        decoder = lsl.start_decoder(model_file, **{**OPTIONS, "timeout": 15.0})
        assert player.stdout is not None
        assert player.stdout.readline() == "sent\n"
    with lsl.play(samples, **play) as player:
        assert player.stdout is not None
        assert player.stdout.readline() == "sent\n"
        time.sleep(0.5)
        decoder.kill()
        out, _ = decoder.communicate()
    gaps = [result["gap"] for result in map(json.loads, out.splitlines()) if result["chunk"]]
    assert sum(gap > 0.0 for gap in gaps) == 1


@pytest.fixture
def installed(sandbox: Sandbox, key: str, isolated_home: Path) -> None:
    """A core in the home."""
    from nimbus_sdk import install_core

    install_core(key)


def test_ctrl_c_ends_the_command_cleanly(
    lsl: LoopbackLsl, model_file: Path, recording: tuple[np.ndarray, np.ndarray], installed: None
) -> None:
    """With what was seen, and the exit code of an interrupted program."""
    command = [
        sys.executable,
        "-m",
        "nimbus_sdk",
        "stream",
        "--name",
        "amplifier",
        "--model",
        str(model_file),
    ]
    environ = {**lsl.environ, "PYTHONPATH": str(ROOT)}
    with lsl.play(recording[0], channels=CHANNELS, rate=RATE, speed=1.0):
        watching = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert watching.stdout is not None
        assert "0.00 s  window    1 0." in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        out, errors = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "rejected, " in out.splitlines()[-1]
    assert errors == "\nInterrupted.\n"


def test_the_example_runs(tmp_path: Path) -> None:
    """As it is, in half a minute."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "14_live_stream.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "decisions are right." in done.stdout
