"""The commands of the further services: output, prompts, exit codes."""
# ruff: noqa: F811 - the arguments are fixtures, which are imported

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nimbus_sdk.display import terminal
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.services.audit.verify import verify
from tests.cli.conftest import Nimbus, nimbus  # noqa: F401 - a fixture
from tests.services.audit.test_trail import entry
from tests.services.conftest import (  # noqa: F401 - fixtures
    box,
    no_keys_of_the_user,
    paths,
    quick_retries,
    running,
)

NAMES = ("NIMBUS_OS_SANDBOX_URL", "NEUROAI_URL", "NEXUS_URL")


@pytest.fixture(autouse=True)
def pointed(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The environment leads to the sandbox, with a key for each service."""
    for name, url in zip(NAMES, (box.nimbus_os_url(), box.neuroai_url, box.nexus_url), strict=True):
        monkeypatch.setenv(name, url)
    monkeypatch.setenv("NIMBUS_OS_API_KEY", box.new_nimbus_os_key())
    monkeypatch.setenv("NEUROAI_API_KEY", box.new_neuroai_key())
    monkeypatch.setenv("NEXUS_API_KEY", box.new_nexus_key())
    return box


def test_a_resource_is_read_and_recorded(nimbus: Nimbus) -> None:
    """`nimbus-os get` prints JSON, `audit` shows the call and that the trail is whole."""
    assert nimbus("audit", "show").out == "No call to Nimbus OS was recorded on this machine yet.\n"
    assert nimbus("nimbus-os", "get", "/orders", "--json").document["answer"]["data"]
    assert json.loads(nimbus("nimbus-os", "get", "/orders", "--param", "page=2").out)["data"]
    listed = nimbus("audit", "show", "--last", "1", "--json").document["entries"]
    assert [(entry["path"], entry["status"]) for entry in listed] == [("/orders", 200)]
    assert "/orders" in nimbus("audit", "show").out
    checked = nimbus("audit", "verify", "--json")
    assert (checked.code, checked.document["whole"], checked.document["calls"]) == (0, True, 2)


def test_a_call_without_an_outcome_is_shown_as_one(nimbus: Nimbus, paths) -> None:
    """Its process was killed, or it is still running: the trail is whole."""
    AuditTrail(paths, "nimbus-os").begin(entry())
    outcome = "no outcome recorded (the process ended, or it is still running)"
    assert outcome in nimbus("audit", "show").out
    (shown,) = nimbus("audit", "show", "--json").document["entries"]
    assert (shown["outcome"], shown["status"], shown["path"]) == (outcome, None, "/orders")
    checked = nimbus("audit", "verify", "--json")
    assert (checked.code, checked.document["without_outcome"]) == (0, 1)
    assert "without outcome  1" in nimbus("audit", "verify").out


def test_a_changed_trail_ends_with_one(nimbus: Nimbus, paths) -> None:
    """`audit verify` names file, line and fault."""
    for _ in range(3):
        nimbus("nimbus-os", "get", "/orders")
    file = Path(paths.audit) / "nimbus-os.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[2]]) + "\n")
    checked = nimbus("audit", "verify")
    assert checked.code == 1
    assert "nimbus-os.jsonl:2: entry 2 before it: removed" in checked.out
    assert nimbus("audit", "verify", "--json").document["issues"][0]["line"] == 2


def test_errors_have_their_own_hints(nimbus: Nimbus, box, monkeypatch) -> None:
    """401 of Nimbus OS ends with 4 and names the service's request id; a bad path with 2."""
    monkeypatch.setenv("NIMBUS_OS_API_KEY", "nos_sandbox_of_nobody_at_all")
    refused = nimbus("nimbus-os", "get", "/orders", "--json")
    assert refused.code == 4
    assert refused.error["error"] == "InvalidKeyError"
    assert refused.error["request_id"]
    assert "developer.nimbus-os.com" in refused.error["hint"]
    assert nimbus("nimbus-os", "get", "/orders?page=2").code == 2
    assert nimbus("nimbus-os", "get", "/orders", "--param", "page").code == 2
    assert nimbus("nimbus-os", "get", "/orders", "--environment", "production").code == 2
    assert nimbus("nimbus-os", "get", "/orders", "--environment", "staging").code == 2


def test_a_rotation_step_by_step(nimbus: Nimbus, box, monkeypatch, paths) -> None:
    """Save, start, status, undo, start again, confirm; the last line names the portal."""
    old, new = box.new_nimbus_os_key(), box.new_nimbus_os_key()
    monkeypatch.delenv("NIMBUS_OS_API_KEY")
    saved = nimbus("nimbus-os", "save-key", "--key-stdin", "--json", stdin=f"{old}\n")
    assert saved.document == {"saved_in": "file"}
    assert "No key was rotated" in nimbus("nimbus-os", "rotation", "status").out
    started = nimbus("nimbus-os", "rotation", "start", "--key-stdin", "--json", stdin=new)
    assert started.document["step"] == "switched"
    assert nimbus("nimbus-os", "rotation", "start").out.startswith("The new key")
    assert nimbus("nimbus-os", "rotation", "status", "--json").document == started.document
    assert nimbus("nimbus-os", "rotation", "undo", "--json").document["step"] == "undone"
    nothing = nimbus("nimbus-os", "rotation", "start")
    assert nothing.code == 2
    assert "--key-stdin" in nothing.err
    nimbus("nimbus-os", "rotation", "start", "--key-stdin", stdin=new)
    confirmed = nimbus("nimbus-os", "rotation", "confirm")
    assert confirmed.out.splitlines()[-1].startswith("Now revoke nos_…")
    assert old not in confirmed.out
    assert verify(paths, "nimbus-os")
    assert "no longer" not in confirmed.out
    assert nimbus("nimbus-os", "rotation", "confirm").code == 2


def test_an_interrupted_rotation_continues_without_the_key(nimbus: Nimbus, box, monkeypatch) -> None:
    """What was given once is not asked for again."""
    monkeypatch.setattr("nimbus_sdk.transport.retry.FIRST_WAIT_SECONDS", 0.001)
    nimbus("nimbus-os", "save-key", "--key-stdin", stdin=box.new_nimbus_os_key())
    monkeypatch.delenv("NIMBUS_OS_API_KEY")
    box.fault("nimbus_os", status=503, times=4)
    failed = nimbus("nimbus-os", "rotation", "start", "--key-stdin", stdin=box.new_nimbus_os_key())
    assert failed.code == 8
    assert "run the rotation again" in failed.err
    assert nimbus("nimbus-os", "rotation", "start", "--json").document["step"] == "switched"


@pytest.mark.parametrize("service", ["nimbus-os", "neuroai", "nexus"])
def test_keys_are_saved_restored_and_forgotten(nimbus: Nimbus, box, service, monkeypatch) -> None:
    """save-key, restore-key, forget-key; the key is piped in or typed unseen."""
    make = {"nimbus-os": box.new_nimbus_os_key, "neuroai": box.new_neuroai_key, "nexus": box.new_nexus_key}
    first, second = make[service](), make[service]()
    assert nimbus(service, "save-key", "--key-stdin", stdin=first).out.endswith("is stored (file).\n")
    asked: list[str] = []
    monkeypatch.setattr(terminal, "is_interactive", lambda: True)
    monkeypatch.setattr(terminal, "prompt_hidden", lambda label: asked.append(label) or second)
    assert nimbus(service, "save-key", "--json").document == {"saved_in": "file"}
    assert len(asked) == 1
    assert "hidden" in asked[0]
    restored = nimbus(service, "restore-key", "--json").document["key_masked"]
    assert restored == f"{first[:4]}…{first[-4:]}"
    again = nimbus(service, "restore-key").out
    assert f"{second[:4]}…{second[-4:]} is the stored one again.\n" in again
    assert "neither a variable nor a .env" in again
    assert nimbus(service, "forget-key", "--json").document == {"removed": True}
    assert "No " in nimbus(service, "forget-key").out


@pytest.mark.parametrize(
    "command",
    [
        ["nimbus-os", "forget-key", "--environment", "production"],
        ["nimbus-os", "rotation", "status", "--environment", "production"],
        ["neuroai", "forget-key"],
    ],
    ids=" ".join,
)
def test_what_asks_no_service_needs_no_base_url(nimbus: Nimbus, monkeypatch, command) -> None:
    """Nothing is sent, so nobody has to say where the service is."""
    for name in ("NIMBUS_OS_PRODUCTION_URL", "NEUROAI_URL"):
        monkeypatch.delenv(name, raising=False)
    done = nimbus(*command)
    assert done.code == 0
    assert done.out.startswith("No ")


def test_the_life_of_a_key_in_commands(nimbus: Nimbus, box, monkeypatch) -> None:
    """create, list, get, update, rotate, delete; the secret is printed once, or stored and not printed."""
    options = [
        "--role",
        "Developer",
        "--type",
        "service",
        "--rate-limit",
        "60/30",
        "--permission",
        "agents:read",
    ]
    made = nimbus(
        "neuroai", "keys", "create", "CI", *options, "--expires-at", "2099-01-31T00:00Z", "--json"
    ).document
    key, secret = made["key"], made["secret"]
    assert (key["type"], key["rate_limit"]) == ("service", {"requests": 60, "per_seconds": 30})
    assert secret.startswith("nai_")
    assert "shown only once" in made["notice"]
    assert secret not in nimbus("neuroai", "keys", "list").out
    assert key["id"] in {
        listed["id"] for listed in nimbus("neuroai", "keys", "list", "--json").document["keys"]
    }
    assert nimbus("neuroai", "keys", "get", key["id"], "--json").document == key
    changes = ["--description", "nightly", "--expires-at", "none", "--rate-limit", "none", "--name", "CI 2"]
    changed = nimbus("neuroai", "keys", "update", key["id"], *changes, "--json").document
    assert (changed["description"], changed["expires_at"], changed["rate_limit"]) == ("nightly", None, None)
    rotated = nimbus("neuroai", "keys", "rotate", key["id"])
    assert rotated.out.splitlines()[-1].startswith("nai_")
    stored = nimbus("neuroai", "keys", "rotate", key["id"], "--save", "--json").document
    assert (stored["rotated"], stored["secret"], stored["saved_in"]) == (True, None, "file")
    unasked = nimbus("neuroai", "keys", "delete", key["id"])
    assert (unasked.code, "without confirmation" in unasked.err) == (2, True)
    assert nimbus("neuroai", "keys", "delete", key["id"], "--yes", "--json").document == {"deleted": True}
    gone = nimbus("neuroai", "keys", "get", key["id"], "--json")
    assert (gone.code, gone.error["error"]) == (4, "KeyNotFoundError")


def test_a_schedule_rotates_what_is_old_enough(nimbus: Nimbus, box) -> None:
    """A key of today is left alone; what is meant must be said."""
    fresh = nimbus("neuroai", "keys", "rotate", "--older-than", "90", "--json")
    assert fresh.document == {"rotated": False}
    assert "nothing was rotated" in nimbus("neuroai", "keys", "rotate", "--older-than", "90").out
    assert nimbus("neuroai", "keys", "rotate").code == 2
    assert nimbus("neuroai", "keys", "create", "x", "--rate-limit", "fast").code == 2
    assert nimbus("neuroai", "keys", "create", "x", "--expires-at", "soon").code == 2


def test_the_key_in_use_is_shown(nimbus: Nimbus) -> None:
    """`neuroai verify`, as text and as JSON."""
    found = nimbus("neuroai", "verify", "--json").document
    assert (found["valid"], found["key"]["role"]) == (True, "Administrator")
    assert "Administrator" in nimbus("neuroai", "verify").out


def test_the_agent_answers(nimbus: Nimbus) -> None:
    """`nexus ask` with an argument or from stdin; `nexus claims` says that nothing is verified."""
    assert nimbus("nexus", "ask", "Hello").out.startswith("[sandbox]")
    answered = nimbus("nexus", "ask", "--request-id", "mine-1", "--json", stdin="Hello").document
    assert answered["answer"]["threadId"] == answered["id"]
    claims = nimbus("nexus", "claims", "--json").document
    assert claims["verified"] is False
    assert claims["permissions"] == ["read", "write"]
    assert "verified" in nimbus("nexus", "claims").out
    assert nimbus("nexus", "ask", " ").code == 2
