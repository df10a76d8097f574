"""Usage is reported only if it was switched on, and no prediction waits for it.

Nothing here takes for granted when an event arrives: what was counted and what waits must add up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.usage_reports import with_usage_report
from tests.support.raw_server import serving

ON = {"NIMBUS_SDK_USAGE": "1"}
PREDICT = (
    "import sys, time\n"
    "from nimbus_sdk.account.usage import reporter as usage\n"
    "from nimbus_sdk.core.usage_reports import with_usage_report\n"
    "predict = with_usage_report(lambda model=None: model, 'batch')\n"
    "def until(condition):\n"
    "    end = time.monotonic() + 30\n"
    "    while not condition() and time.monotonic() < end:\n"
    "        time.sleep(0.02)\n"
    "    return bool(condition())\n"
)
SENT = "print(until(lambda: usage.reporter().flush(1)))\n"


@pytest.fixture(autouse=True)
def signed_in(sandbox, key):
    """An account that is signed in, whose inferences are counted from none."""
    nimbus_sdk.authenticate(key)
    sandbox.clear_journal()


def reports(sandbox):
    """How the reports that reached the service were answered."""
    return [exchange.status for exchange in sandbox.journal() if exchange.endpoint == "analytics"]


def counted(sandbox):
    """Inferences that were counted, for each key, the oldest first."""
    listing = sandbox.keys()
    return [each["used"] for each in listing]


def waiting():
    """The events on the disk."""
    folder = Path(Settings.load().paths.usage)
    return [json.loads(line) for path in sorted(folder.glob("*")) for line in path.read_text().splitlines()]


def flush(forked):
    """What is left goes out with one more prediction, in a process of its own."""
    assert forked(f"{PREDICT}predict()\n{SENT}", **ON).stdout == "True\n"


def test_nothing_is_reported_unless_asked_for(sandbox, fresh):
    """Neither where the environment says no or nothing, nor for a .env in the folder."""
    code = (
        "open('.env', 'w').write('NIMBUS_SDK_USAGE=1')\n"
        "import logging, os, sys\n"
        "logging.disable()\n"
        "from nimbus_sdk.core.usage_reports import with_usage_report\n"
        "for word in ('', '0', 'no', 'off'):\n"
        "    os.environ['NIMBUS_SDK_USAGE'] = word\n"
        "    print(with_usage_report(lambda model: model, 'batch')(3), 'httpcore' in sys.modules)\n"
    )
    assert fresh(code).stdout == "3 False\n" * 4
    assert sandbox.journal() == []


def test_an_inference_of_the_core_is_reported_in_the_background(sandbox, key, forked):
    """Batch, model, duration and success go out; then the quota counts one more."""
    nimbus_sdk.install_core(key)
    code = (
        "from nimbus_sdk import NimbusLDA, load_model, predict_batch\n"
        "import nimbus_sdk_core\n"
        "from nimbus_sdk.account.usage.reporter import reporter\n"
        "model = load_model(NimbusLDA, 'motor_imagery_4class_v1')\n"
        "predict_batch(model, nimbus_sdk_core.simulate('motor_imagery', n_trials=8, seed=3, n_classes=4))\n"
        "print(reporter().flush(60))\n"
    )
    assert forked(code, **ON).stdout == "True\n"
    assert reports(sandbox) == [202]
    assert nimbus_sdk.refresh_quota().usage_quota == 49_999


def test_offline_it_waits_on_the_disk_and_goes_out_later(sandbox, forked):
    """What a process could not send, a later one sends, once; offline not one request is made."""
    code = f"{PREDICT}for _ in range(3):\n    predict()\nprint(usage.reporter().flush(60))\n"
    assert forked(code, NIMBUS_SDK_OFFLINE="1", **ON).stdout == "False\n"
    assert len(waiting()) == 3
    assert sandbox.journal() == []
    flush(forked)
    assert (counted(sandbox), waiting()) == ([4], [])


def test_a_prediction_neither_waits_nor_fails_for_it(sandbox, fresh, isolated_home):
    """With a service that does not answer and a disk that refuses, the results come before any answer."""
    (isolated_home / "nimbus" / "state" / "profiles" / "default" / "usage").write_bytes(b"in the way")
    over = threading.Event()
    with serving(lambda connection, request: over.wait(60) and None) as silent:
        code = f"{PREDICT}for _ in range(100):\n    predict()\nprint('predicted', flush=True)\nos._exit(0)\n"
        done = fresh(f"import os\n{code}", NIMBUS_SDK_API_URL=silent.url, **ON)
        # The service has answered nothing yet, so no prediction can have waited for it.
        assert not over.is_set()
        over.set()
    assert done.stdout == "predicted\n"


@pytest.mark.parametrize(
    ("environ", "dotenv"),
    [
        ({"NIMBUS_SDK_USAGE": "perhaps"}, b""),
        ({"NIMBUS_SDK_TIMEOUT": "0"}, b""),
        ({}, b"NIMBUS_SDK_OFFLINE=\xff\xfe\n"),
        ({"NIMBUS_SDK_HOME": "", "HOME": ""}, b""),
    ],
)
def test_a_setting_that_cannot_be_used_fails_no_prediction(forked, isolated_home, environ, dotenv):
    """The result comes; the log says once why it is not reported."""
    (isolated_home / "work" / ".env").write_bytes(dotenv)
    done = forked(f"{PREDICT}print([predict(number) for number in range(3)])\n", **{**ON, **environ})
    assert done.stdout == "[0, 1, 2]\n"
    assert done.stderr.count("Usage is not reported") <= 1


def test_a_model_that_tells_no_name_fails_no_prediction(forked):
    """Whatever is given as a model."""
    code = (
        f"{PREDICT}class Odd:\n"
        "    @property\n"
        "    def card(self):\n"
        "        raise OSError\n"
        "print(type(predict(Odd())).__name__)\n"
    )
    assert forked(code, **ON).stdout == "Odd\n"


def test_an_error_is_reported_by_its_class_alone(monkeypatch):
    """The message of an error may hold data, so it stays here; the error itself reaches the caller."""
    seen = []
    monkeypatch.setattr(
        "nimbus_sdk.core.usage_reports._find_reporter", lambda: type("", (), {"report": seen.append})
    )

    def fail(model):
        raise ValueError("the patient's data")

    with pytest.raises(ValueError, match="patient"):
        with_usage_report(fail, "streaming")(None)
    assert seen == [
        {
            "event_type": "error",
            "inference_type": "streaming",
            "model_name": None,
            "success": False,
            "error_message": "ValueError",
        }
    ]


# How a program ends.


@pytest.mark.parametrize("first", ["forked", pytest.param("fresh", marks=pytest.mark.qualification)])
@pytest.mark.parametrize(("exit_seconds", "answer_seconds"), [(0.0, 0.0), (0.0, 0.7), (1.0, 0.0)])
def test_no_event_is_lost_where_a_program_ends(sandbox, request, forked, exit_seconds, answer_seconds, first):
    """At whatever moment: each event was counted or is on the disk, and none is both."""
    sandbox.fault("analytics", delay=answer_seconds, times=None)
    for number, run in enumerate((request.getfixturevalue(first), forked, forked)):
        pause = f"time.sleep({number / 4})\n"
        run(f"{PREDICT}usage.EXIT_SECONDS = {exit_seconds}\npredict()\npredict()\n{pause}", **ON)
        assert counted(sandbox)[0] + len(waiting()) == 2 * (number + 1)


def test_no_event_is_lost_where_no_thread_can_be_started_at_the_end(sandbox, forked):
    """As from Python 3.12 on: what is being sent needs none."""
    code = (
        f"import atexit, threading\n{PREDICT}"
        "def refuse(thread):\n"
        '    raise RuntimeError("can\'t create new thread at interpreter shutdown")\n'
        "atexit.register(lambda: setattr(threading.Thread, 'start', refuse))\n"
        "for _ in range(3):\n"
        "    predict()\n"
    )
    for number in range(3):
        forked(f"{code}time.sleep({number / 4})\n", **ON)
        assert counted(sandbox)[0] + len(waiting()) == 3 * (number + 1)


@pytest.mark.parametrize(
    ("code", "events"),
    [
        (f"import atexit\natexit.register(lambda: predict())\n{PREDICT}predict()\n", 2),
        pytest.param(
            f"import atexit\nfrom nimbus_sdk.account.usage import reporter as usage\n"
            f"{PREDICT}atexit.register(lambda: predict())\n",
            1,
            marks=pytest.mark.qualification,
        ),
    ],
    ids=["after the reporter was closed", "the only one"],
)
def test_an_event_of_the_last_moment_is_kept(sandbox, fresh, code, events):
    """After the reporter was closed, and where no thread can be started any more."""
    fresh(code, **ON)
    assert counted(sandbox)[0] + len(waiting()) == events


def test_a_service_that_does_not_answer_costs_no_event(forked):
    """As long as it is not known to answer, no event is in transit."""
    over = threading.Event()
    with serving(lambda connection, request: over.wait(60) and None) as silent:
        forked(f"{PREDICT}predict()\ntime.sleep(1)\n", NIMBUS_SDK_API_URL=silent.url, **ON)
        over.set()
    assert len(waiting()) == 1


# Never twice.


@pytest.mark.parametrize("fault", [{"reset": "after_work"}, {"reset": "after_head"}, {"truncate": 3}])
def test_an_event_whose_answer_was_lost_is_not_sent_again(sandbox, forked, fault):
    """It may have been counted, and here it was."""
    sandbox.fault("analytics", **fault)
    forked(f"{PREDICT}predict()\n{SENT}", **ON)
    flush(forked)
    assert (counted(sandbox), waiting()) == ([2], [])


@pytest.mark.parametrize(("status", "lost"), [(500, 0), (503, 0), (403, 0), (302, 0), (502, 1), (504, 1)])
def test_an_event_that_was_refused_is_sent_again(sandbox, forked, status, lost):
    """But not where a gateway does not know what has become of it."""
    sandbox.fault("analytics", status=status)
    forked(f"{PREDICT}usage.REST_SECONDS = 0.05\npredict()\n{SENT}", **ON)
    flush(forked)
    assert (counted(sandbox), waiting()) == ([2 - lost], [])


def test_an_event_that_the_service_does_not_take_stops_no_other(sandbox, forked):
    """It is dropped, and the log says so."""
    sandbox.fault("analytics", status=400, code="MISSING_EVENT_TYPE")
    done = forked(f"{PREDICT}predict()\npredict()\n{SENT}", **ON)
    assert done.stderr.count("MISSING_EVENT_TYPE") == 1
    assert (reports(sandbox), waiting()) == ([400, 202], [])


def test_a_captive_portal_takes_no_event(sandbox, forked):
    """Its page is no answer of the service."""
    sandbox.fault("health", html=True, times=3)
    forked(f"{PREDICT}usage.REST_SECONDS = 0.05\npredict()\n{SENT}", **ON)
    assert (counted(sandbox), waiting()) == ([1], [])


def test_too_many_requests_are_sent_later(sandbox, forked):
    """After as long as the service asks; nothing is lost."""
    sandbox.fault("analytics", status=429, code="RATE_LIMIT_EXCEEDED", headers={"Retry-After": "1"})
    forked(f"{PREDICT}usage.REST_SECONDS = 0.05\npredict()\n{SENT}", **ON)
    assert (reports(sandbox), counted(sandbox)) == ([429, 202], [1])


# Keys.


def test_a_rejected_key_is_reported_once_and_the_next_one_is_used(sandbox, key, forked, isolated_home):
    """One request with it; its session goes at once; no event of the meantime is lost."""
    other = sandbox.new_key("research")
    sandbox.revoke_key(key)
    code = (
        f"{PREDICT}import nimbus_sdk\n"
        "usage.REST_SECONDS = 0.05\n"
        "for _ in range(50):\n"
        "    predict()\n"
        "print(until(lambda: usage.reporter()._resting))\n"
        "try:\n"
        "    nimbus_sdk.current_session()\n"
        "except nimbus_sdk.SessionNotFoundError:\n"
        "    print(True)\n"
        "time.sleep(0.5)\n"
        "nimbus_sdk.authenticate(sys.stdin.readline())\n"
        f"{SENT}"
    )
    done = forked(code, stdin=other, **ON)
    assert done.stdout == "True\nTrue\nTrue\n"
    assert done.stderr.count("INVALID_KEY") == 1
    assert (reports(sandbox).count(401), counted(sandbox), waiting()) == (1, [0, 50], [])


def test_a_key_that_was_rejected_is_not_sent_again(sandbox, key, forked):
    """By no later process either; its events wait for the next key."""
    sandbox.revoke_key(key)
    for _ in range(2):
        forked(f"{PREDICT}predict()\nprint(usage.reporter().flush(60))\n", **ON)
    assert (reports(sandbox), len(waiting())) == ([401], 2)


REST_OFTEN = (
    f"{PREDICT}from nimbus_sdk.account.usage import sender\n"
    "usage.REST_SECONDS, looks, look = 0.05, [], sender.Sender.open\n"
    "sender.Sender.open = lambda self: (looks.append(1), look(self))\n"
)


def test_a_quota_that_is_used_up_rests_until_it_resets(sandbox, key, forked):
    """The session knows when that is: one request, however often it is looked at again."""
    nimbus_sdk.authenticate(sandbox.new_key("free", used=9_999))
    code = f"{REST_OFTEN}for _ in range(20):\n    predict()\nprint(until(lambda: len(looks) > 5))\n"
    done = forked(code, **ON)
    assert done.stdout == "True\n"
    assert done.stderr.count("uota") >= 1
    assert done.stderr.count("Usage is not reported") == 1
    assert (reports(sandbox), len(waiting())) == ([202, 429], 19)


def test_a_quota_that_begins_anew_is_used(sandbox, forked):
    """When the service has said so."""
    sandbox.fault("analytics", status=429, code="QUOTA_EXCEEDED", headers={"Retry-After": "1"})
    assert forked(f"{REST_OFTEN}predict()\n{SENT}", **ON).stdout == "True\n"
    assert (reports(sandbox), waiting()) == ([429, 202], [])


# Nobody is asked.


def at_a_terminal(code, **environ):
    """What a person sees of a program; they see what they type afterwards."""
    import pty
    import termios

    outside, inside = pty.openpty()
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **environ},
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        assert child.wait(60) == 0
        assert termios.tcgetattr(inside)[3] & termios.ECHO
        os.set_blocking(outside, False)
        return os.read(outside, 65536).decode()
    finally:
        os.close(outside)
        os.close(inside)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_nobody_is_asked_for_a_key(sandbox):
    """Not by a thread in the background, which would take what is typed and its echo."""
    nimbus_sdk.delete_stored_api_key()
    seen = at_a_terminal(f"{PREDICT}predict()\nprint(usage.reporter().flush(20))\n", **ON)
    assert "Nimbus API key for" not in seen
    assert seen.count("No API key was found") == 1
    assert "False" in seen
    assert (reports(sandbox), len(waiting())) == ([], 1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_no_notice_asks_to_unlock_a_keyring(sandbox, isolated_home):
    """A keyring that does not answer gets two seconds, with or without a terminal."""
    (isolated_home / "work" / "hung.py").write_text(
        "import time\n"
        "from keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n"
        "    priority = 1\n"
        "    def get_password(self, service, username):\n"
        "        time.sleep(600)\n"
        "    set_password = delete_password = get_password\n"
    )
    metadata = Path(Settings.load().paths.key_metadata)
    metadata.write_text(metadata.read_text().replace('"file"', '"keyring"'))
    environ = {
        "PYTHON_KEYRING_BACKEND": "hung.Keyring",
        "PYTHONPATH": os.pathsep.join([str(isolated_home / "work"), *sys.path]),
        "NIMBUS_SDK_CREDENTIAL_STORE": "",
    }
    code = f"{PREDICT}predict()\nprint(usage.reporter().flush(20))\n"
    seen = at_a_terminal(code, **environ, **ON)
    assert "answer its prompt" not in seen
    assert "The keyring did not answer in 2 s" in seen
    assert (reports(sandbox), len(waiting())) == ([], 1)


# More than one process.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_leaves_the_events_of_its_parent_alone(sandbox, forked):
    """Nine wait when it is made, and it ends as programs do: they are counted once."""
    code = (
        f"import os\n{PREDICT}"
        "predict()\n"
        "assert not usage.reporter().flush(60)\n"
        "for _ in range(9):\n"
        "    predict()\n"
        "child = os.fork()\n"
        "if child:\n"
        "    os.waitpid(child, 0)\n"
        "else:\n"
        "    predict()\n"
    )
    forked(f"import warnings\nwarnings.simplefilter('ignore')\n{code}", NIMBUS_SDK_OFFLINE="1", **ON)
    assert len(waiting()) == 11
    flush(forked)
    assert (counted(sandbox), waiting()) == ([12], [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_is_made_while_locks_are_held_does_not_hang(sandbox, forked):
    """They are its parent's, whose threads it does not have."""
    code = (
        f"import os, signal\n{PREDICT}"
        "predict()\n"
        "where = usage.reporter()\n"
        "with where._lock, where._in_transit, usage._guard:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        signal.alarm(30)\n"
        "        for _ in range(5):\n"
        "            predict()\n"
        "        sys.exit()\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    done = forked(f"import warnings\nwarnings.simplefilter('ignore')\n{code}", **ON)
    assert done.stdout == "0\n"
    assert counted(sandbox)[0] + len(waiting()) == 6


def pools():
    """How a pool starts its processes; of those that import everything anew, one in the default run."""
    long = pytest.mark.qualification
    if sys.platform == "win32":
        return [("fresh", "spawn", "0"), pytest.param("fresh", "spawn", "1", marks=long)]
    return [
        ("forked", "fork", "0"),
        ("forked", "fork", "1"),
        ("fresh", "spawn", "1"),
        pytest.param("fresh", "forkserver", "0", marks=long),
        pytest.param("fresh", "forkserver", "1", marks=long),
        pytest.param("fresh", "spawn", "0", marks=long),
    ]


@pytest.mark.parametrize(("how", "method", "offline"), pools())
def test_what_a_pool_decodes_is_counted_once(sandbox, request, forked, isolated_home, how, method, offline):
    """Its processes end without atexit."""
    (isolated_home / "work" / "work_of_a_child.py").write_text(
        f"{PREDICT}def ten(_):\n    for _ in range(10):\n        predict()\n    return 10\n"
    )
    code = (
        "import sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "sys.path.insert(0, '.')\n"
        "from multiprocessing import get_context\n"
        "from work_of_a_child import predict, ten\n"
        "predict()\n"
        f"pool = get_context({method!r}).Pool({2 if how == 'forked' else 1})\n"
        "print(sum(pool.map(ten, range(2), chunksize=1)))\n"
        "pool.close()\n"
        "pool.join()\n"
    )
    environ = {**ON, "NIMBUS_SDK_OFFLINE": offline, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert request.getfixturevalue(how)(code, **environ).stdout == "20\n"
    assert counted(sandbox)[0] + len(waiting()) == 21
    flush(forked)
    assert (counted(sandbox), waiting()) == ([22], [])


@pytest.mark.parametrize("number", [60, pytest.param(250, marks=pytest.mark.qualification)])
def test_what_waits_has_one_owner(sandbox, forked, number):
    """Four processes that all find the same events on the disk send each of them once."""
    forked(f"{PREDICT}for _ in range({number}):\n    predict()\n", NIMBUS_SDK_OFFLINE="1", **ON)
    assert len(waiting()) == number
    threads = [threading.Thread(target=flush, args=(forked,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (counted(sandbox), waiting()) == ([number + 4], [])
