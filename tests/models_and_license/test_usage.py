"""Usage is reported only where the person asked for it, and never in the way of a prediction."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.licensed import reported
from nimbus_sdk.settings import Settings
from nimbus_sdk.store.places import Places
from nimbus_sdk.usage import MOST_WAITING, Reporter

EVENT = {"event_type": "inference", "inference_type": "batch", "model_name": "m", "success": True}


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    """No reporter outlives its test."""
    made = []
    make = Reporter.__init__

    def noted(self, settings):
        make(self, settings)
        made.append(self)

    monkeypatch.setattr(Reporter, "__init__", noted)
    monkeypatch.setattr("nimbus_sdk.usage._reporters", {})
    yield
    for each in made:
        each.close()


@pytest.fixture
def reporter(sandbox, key):
    """A reporter of an account that is signed in."""
    nimbus_sdk.authenticate(key)
    sandbox.clear_journal()
    return Reporter(Settings.load())


def asked(sandbox):
    """What reached the service, and how it was answered."""
    return [(exchange.endpoint, exchange.status) for exchange in sandbox.journal()]


def files():
    """The files of events that wait."""
    return sorted(Path(Places.of(Settings.load()).usage).glob("*.jsonl"))


def lines_of(paths):
    """The events in them."""
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_nothing_is_reported_unless_asked_for(sandbox, key, fresh):
    """Neither from the environment's silence nor from a .env in the folder."""
    nimbus_sdk.install_core(key)
    sandbox.clear_journal()
    code = (
        "open('.env', 'w').write('NIMBUS_SDK_USAGE=1')\n"
        "import sys\n"
        "from nimbus_sdk import NimbusLDA, load_model, predict_batch\n"
        "import nimbus_sdk_core\n"
        "model = load_model(NimbusLDA, 'motor_imagery_4class_v1')\n"
        "predict_batch(model, nimbus_sdk_core.simulate('motor_imagery', n_trials=8, seed=3, n_classes=4))\n"
        "print('nimbus_sdk.usage' in sys.modules)\n"
    )
    assert fresh(code).stdout == "False\n"
    assert asked(sandbox) == []


def test_an_inference_is_reported_in_the_background(sandbox, key, fresh):
    """Batch, model, duration and success go out; then the quota counts one more."""
    nimbus_sdk.install_core(key)
    sandbox.clear_journal()
    code = (
        "from nimbus_sdk import NimbusLDA, load_model, predict_batch\n"
        "import nimbus_sdk_core\n"
        "from nimbus_sdk.usage import reporter\n"
        "model = load_model(NimbusLDA, 'motor_imagery_4class_v1')\n"
        "predict_batch(model, nimbus_sdk_core.simulate('motor_imagery', n_trials=8, seed=3, n_classes=4))\n"
        "print(reporter().settle(20))\n"
    )
    assert fresh(code, NIMBUS_SDK_USAGE="1").stdout == "True\n"
    assert asked(sandbox) == [("analytics", 202)]
    assert nimbus_sdk.refresh_quota().usage_quota == 49_999


def test_offline_it_waits_on_the_disk_and_goes_out_later(sandbox, reporter, monkeypatch):
    """What a process could not send, a later one sends, once."""
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    away = Reporter(Settings.load())
    for _ in range(3):
        away.report(EVENT)
    # An event that comes just after a failure waits in memory, while the reporter rests.
    away.put_by()
    assert lines_of(files()) == [EVENT] * 3
    assert asked(sandbox) == []
    monkeypatch.delenv("NIMBUS_SDK_OFFLINE")
    reporter.report({**EVENT, "success": False})
    deadline = time.monotonic() + 10
    while len(asked(sandbox)) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert asked(sandbox) == [("analytics", 202)] * 4
    assert files() == []


def test_a_refusal_ends_it(sandbox, reporter):
    """A used-up quota is not asked again and again; the event is dropped."""
    sandbox.fault("analytics", status=429, code="QUOTA_EXCEEDED")
    reporter.report(EVENT)
    assert reporter.settle(10)
    assert asked(sandbox) == [("analytics", 429)]
    assert files() == []


def test_what_waits_is_bounded(sandbox, reporter, monkeypatch):
    """The oldest events go first, in memory and on the disk."""
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    away = Reporter(Settings.load())
    for number in range(MOST_WAITING + 50):
        away._waiting.append({**EVENT, "model_name": str(number)})
    away.put_by()
    kept = lines_of(files())
    assert len(kept) == MOST_WAITING
    assert kept[0]["model_name"] == "50"


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"event_type": "inference", "api_key": "x"}', b"\xff", b"{}"]
)
def test_a_file_that_somebody_edited_sends_nothing_foreign(sandbox, reporter, line):
    """Only fields that the SDK itself writes leave this machine."""
    folder = Path(Places.of(Settings.load()).usage)
    folder.mkdir(parents=True)
    (folder / "1.jsonl").write_bytes(line + b"\n")
    reporter.report(EVENT)
    assert reporter.settle(10)
    assert asked(sandbox) == [("analytics", 202)]


def test_a_prediction_neither_waits_nor_fails_for_it(sandbox, key, monkeypatch, own_world):
    """With a service that does not answer and a disk that refuses, the result comes at once."""
    monkeypatch.setenv("NIMBUS_SDK_USAGE", "1")
    nimbus_sdk.authenticate(key)
    sandbox.fault("analytics", delay=1.5, times=None)
    (own_world / "nimbus" / "state" / "profiles" / "default" / "usage").write_bytes(b"in the way")
    predict = reported(lambda model, data: data * 2, "batch")
    started = time.perf_counter()
    assert [predict(None, number) for number in range(100)] == [number * 2 for number in range(100)]
    assert time.perf_counter() - started < 1
    sandbox.clear_faults()


def test_an_error_is_reported_by_its_class_alone(sandbox, key, monkeypatch):
    """The message of an error may hold data, so it stays here; the error itself reaches the caller."""
    monkeypatch.setenv("NIMBUS_SDK_USAGE", "1")
    seen = []
    monkeypatch.setattr(Reporter, "report", lambda self, event: seen.append(dict(event)))

    def fail(model, data):
        raise ValueError("the patient's data")

    with pytest.raises(ValueError, match="patient"):
        reported(fail, "streaming")(None, None)
    assert seen == [
        {
            "event_type": "error",
            "inference_type": "streaming",
            "model_name": None,
            "success": False,
            "error_message": "ValueError",
        }
    ]
