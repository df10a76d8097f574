"""The reporter and its sender inside this process, where a debugger can look."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.account.usage import reporter
from nimbus_sdk.account.usage.reporter import Reporter
from nimbus_sdk.account.usage.sender import Sender
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import (
    InvalidKeyError,
    MissingKeyError,
    NimbusConnectionError,
    QuotaExceededError,
    ServerError,
    SessionNotFoundError,
)

EVENT = {"event_type": "inference", "model_name": "m", "inference_type": "batch", "success": True}


@pytest.fixture(autouse=True)
def signed_in(sandbox, key):
    """An account that is signed in."""
    nimbus_sdk.authenticate(key)
    sandbox.clear_journal()


@pytest.fixture
def reporting():
    """A reporter under these settings, closed in the end."""
    opened = []

    def make(**given):
        opened.append(Reporter(replace(Settings.load(), usage=True, **given)))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def sender():
    """A sender with an open connection."""
    opened = Sender(Settings.load())
    opened.open()
    yield opened
    opened.close()


def counted(sandbox):
    """Inferences that were counted, for each key."""
    listing = sandbox.keys()
    return [each["used"] for each in listing]


def waiting():
    """The events on the disk."""
    folder = Path(Settings.load().paths.usage)
    return [json.loads(text) for path in sorted(folder.glob("*")) for text in path.read_text().splitlines()]


def test_events_are_sent_one_after_the_other(sandbox, reporting):
    """All of them, and none stays."""
    reporter = reporting()
    for _ in range(3):
        reporter.report(EVENT)
    assert reporter.flush(30)
    reporter.close()
    assert (counted(sandbox), waiting()) == ([3], [])


def test_offline_events_wait_on_the_disk(sandbox, reporting):
    """What is reported after the end is stored at once; the next reporter sends it all."""
    offline = reporting(offline=True)
    offline.report(EVENT)
    assert not offline.flush(30)
    offline.close()
    offline.report(EVENT)
    assert (counted(sandbox), len(waiting())) == ([0], 2)
    online = reporting()
    online.report(EVENT)
    assert online.flush(30)
    assert (counted(sandbox), waiting()) == ([3], [])


def test_a_reporter_in_a_forked_child_knows_of_nothing(reporting):
    """What waits is the parent's."""
    reporter = reporting(offline=True)
    reporter.report(EVENT)
    assert not reporter.flush(30)
    reporter.reset_after_fork()
    assert reporter.flush(1)


def test_the_process_has_one_reporter_where_usage_is_asked_for(monkeypatch):
    """None without the variable, and the same one at every call with it."""
    assert reporter.reporter() is None
    monkeypatch.setenv("NIMBUS_SDK_USAGE", "1")
    assert reporter.reporter() is reporter.reporter() is not None


def test_a_rejected_key_ends_its_session_at_once(sandbox, key, sender):
    """And no connection is opened with it again."""
    sandbox.revoke_key(key)
    with pytest.raises(InvalidKeyError):
        sender.send(EVENT)
    with pytest.raises(SessionNotFoundError):
        nimbus_sdk.current_session()
    with pytest.raises(InvalidKeyError, match="has rejected"):
        sender.open()


def test_a_quota_that_is_used_up_rests_until_it_begins_anew(sandbox, sender):
    """The event was not counted and may go again; nothing is asked meanwhile."""
    sandbox.fault("analytics", status=429, code="QUOTA_EXCEEDED")
    with pytest.raises(QuotaExceededError):
        sender.send(EVENT)
    with pytest.raises(QuotaExceededError, match="used up until"):
        sender.open()
    assert counted(sandbox) == [0]


@pytest.mark.parametrize("fault", [{"status": 400, "code": "MISSING_EVENT_TYPE"}, {"reset": "after_work"}])
def test_what_may_have_been_counted_or_is_no_event_is_given_up(sandbox, sender, fault, caplog):
    """The log says so, and it is not sent again."""
    sandbox.fault("analytics", **fault)
    with caplog.at_level("DEBUG", "nimbus_sdk.usage"):
        sender.send(EVENT)
    assert "Usage is not reported for now" in caplog.text
    sender.open()
    sender.send(EVENT)
    assert counted(sandbox) == [2 if "reset" in fault else 1]


def test_a_service_that_fails_has_counted_nothing(sandbox, sender):
    """The event goes again."""
    sandbox.fault("analytics", status=500)
    with pytest.raises(ServerError):
        sender.send(EVENT)
    sender.open()
    sender.send(EVENT)
    assert counted(sandbox) == [1]


def test_a_line_needs_a_network_and_a_key():
    """Without a question to anybody."""
    with pytest.raises(NimbusConnectionError):
        Sender(replace(Settings.load(), offline=True)).open()
    closed = Sender(Settings.load())
    with pytest.raises(MissingKeyError):
        closed.send(EVENT)
    nimbus_sdk.delete_stored_api_key()
    with pytest.raises(MissingKeyError):
        closed.open()
    assert "NIMBUS_API_KEY" not in os.environ
