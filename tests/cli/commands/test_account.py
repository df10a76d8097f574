"""`status`, `refresh`, `quota`, `explain`, `models`: facts for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nimbus_sdk.account.operations import authenticate
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.install import install_core
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import AtTerminal, Nimbus
from tests.support.raw_server import Ender

OTHER_KEY = "nbci_live_" + "0123456789abcdef" * 3


@pytest.fixture
def installed(sandbox: Sandbox, key: str) -> str:
    """A machine on which the core is installed; gives the key."""
    install_core(key)
    sandbox.clear_journal()
    return key


@pytest.fixture
def signed_in(sandbox: Sandbox, key: str) -> str:
    """A machine that keeps a key and its session; gives the key."""
    authenticate(key)
    sandbox.clear_journal()
    return key


def test_status_of_an_empty_machine(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """Where there is nothing, status says so, ends with 0, and asks nobody."""
    found = nimbus("status", "--json").document
    assert found["ready"] is False
    assert found["core"] == {
        "installed": False,
        "version": None,
        "path": None,
        "problems": ["The core is not installed."],
    }
    assert found["session"] is None
    assert "no session" in found["session_problem"]
    assert found["key"]["found"] is False
    assert sandbox.journal() == []
    text = nimbus("status")
    assert text.code == 0
    assert "The core is not installed." in text.out


def test_status_keys_are_stable(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """Programs rely on these names."""
    found = nimbus("status", "--json").document
    assert found.keys() == {
        "ready",
        "sdk",
        "settings",
        "core",
        "session",
        "session_problem",
        "key",
        "credential_store",
        "keyring_rest",
    }
    assert found["sdk"].keys() == {"version", "python", "platform"}
    assert found["settings"].keys() == {
        "profile",
        "offline",
        "api_url",
        "github_url",
        "core_repo",
        "timeout",
        "dotenv",
        "config",
        "data",
        "state",
        "cache",
    }


def test_status_of_a_machine_that_is_ready(nimbus_process: Nimbus, sandbox: Sandbox, installed: str) -> None:
    """Everything is printed, in a fresh process, offline, and without the key."""
    done = nimbus_process("status", "--json", NIMBUS_SDK_OFFLINE="1")
    found = done.document
    assert found["ready"] is True
    assert found["core"]["problems"] == []
    assert found["session"]["license_type"] == "research"
    assert found["key"]["source"] == "store"
    assert found["credential_store"]["name"] == "file"
    assert found["settings"]["offline"] is True
    assert found["settings"]["api_url"] == sandbox.api_url
    text = nimbus_process("status")
    assert sandbox.journal() == []
    for said in (sandbox.api_url, "50,000", f"{installed[:14]}…{installed[-4:]}", "research", "0.1.0"):
        assert said in text.out
    assert installed not in done.out + done.err + text.out + text.err


def test_status_says_what_the_key_shadows(nimbus_process: Nimbus, installed: str) -> None:
    """A variable that hides the stored key is named, with both keys masked."""
    done = nimbus_process("status", NIMBUS_API_KEY=OTHER_KEY)
    assert "NIMBUS_API_KEY in the environment" in done.out
    assert "nbci_live_0123…cdef" in done.out
    shadowed = next(line for line in done.out.splitlines() if line.startswith("  shadowed"))
    assert f"{installed[:14]}…{installed[-4:]}" in shadowed
    # The session is the stored key's, and counts as absent for another one.
    assert "usable" in done.out
    assert OTHER_KEY not in done.out


def test_status_that_failed_does_not_advise_itself(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be used stops this command too, so it is no help for that."""
    monkeypatch.setenv("NIMBUS_SDK_TIMEOUT", "abc")
    done = nimbus("status")
    assert done.code == 2
    assert "NIMBUS_SDK_TIMEOUT" in done.err
    assert done.err.endswith("Hint: Correct it and run it again.\n")
    assert nimbus("status", "--json").error["hint"] == "Correct it and run it again."


def test_a_rejected_key_is_reported(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """`explain` and `status` say that the key in use was rejected, and when."""
    assert "rejected" not in nimbus("explain").out + nimbus("status").out
    sandbox.revoke_key(signed_in)
    assert nimbus("refresh").code == 4
    for command in ("explain", "status"):
        assert "the service rejected it on 20" in nimbus(command).out
    sources = nimbus("explain", "--json").document["sources"]
    (found,) = (one for one in sources if one["state"] == "found")
    assert "(INVALID_KEY)" in found["detail"]


def test_status_says_why_a_place_is_passed_over(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key file that is not there has no key to show; what is wrong with it stands there instead."""
    monkeypatch.setenv("NIMBUS_SDK_API_KEY_FILE", "/no/such/file")
    done = nimbus("status").out
    line = next(line for line in done.splitlines() if line.startswith("  unreadable"))
    assert "/no/such/file" in line
    assert "cannot be read" in line


def test_status_reports_a_store_that_does_not_work(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keyring that was demanded and is not there is a fact to show, not a reason to fail."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "keyring")
    found = nimbus("status", "--json").document
    assert found["credential_store"]["name"] is None
    assert "keyring" in found["credential_store"]["reason"]


def test_status_knows_the_store_without_asking_the_keyring(
    nimbus: Nimbus, signed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a key was stored before, its note says where: no keyring has to be opened for that."""
    monkeypatch.delenv("NIMBUS_SDK_CREDENTIAL_STORE")
    monkeypatch.setattr(
        "nimbus_sdk.doctor.status.choose_store", lambda *_: pytest.fail("the store was asked")
    )
    found = nimbus("status", "--json").document
    assert found["credential_store"]["name"] == "file"
    assert "since" in found["credential_store"]["reason"]


def test_status_reports_a_paused_keyring(
    nimbus: Nimbus, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keyring that did not answer is left alone, and status says since when."""
    import time

    from nimbus_sdk.storage.keyring_breaker import trip

    path = Settings.load().paths.keyring_breaker
    trip(path, reason="did not answer", patience=60.0, now=time.time() - 120)
    assert nimbus("status", "--json").document["keyring_rest"] == "skipped: did not answer 2 min ago"
    assert "skipped: did not answer 2 min ago" in nimbus("status").out


def test_refresh_asks_once_and_shows_the_session(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """One request, and the new quota is what the session has from then on."""
    from nimbus_sdk.api.client import NimbusClient

    with NimbusClient() as client:
        client.log_event("inference")
    sandbox.clear_journal()
    text = nimbus("refresh")
    assert text.code == 0
    assert "49,999" in text.out
    assert [exchange.endpoint for exchange in sandbox.journal()] == ["refresh"]
    assert nimbus("refresh", "--json").document["usage_quota"] == 49_999


def test_refresh_without_a_network_ends_with_9(
    nimbus: Nimbus, sandbox: Sandbox, end: Ender, signed_in: str
) -> None:
    """An unreachable service is reported as such, with its own exit code."""
    end(sandbox)
    done = nimbus("refresh", "--timeout", "1", "--json")
    assert (done.code, done.error["error"]) == (9, "NimbusConnectionError")


def test_quota_asks_nobody(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """The quota is read from the stored session."""
    found = nimbus("quota", "--json").document
    assert found.keys() == {"remaining", "monthly_limit", "usage_percentage", "resets_at", "confirmed_at"}
    assert (found["remaining"], found["monthly_limit"], found["usage_percentage"]) == (50_000, 50_000, 0.0)
    assert found["resets_at"].endswith("+00:00")
    assert "50,000" in nimbus("quota").out
    assert sandbox.journal() == []


def test_an_unlimited_quota_is_called_so(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """Null means unlimited: in words for people, as null for programs."""
    authenticate(sandbox.new_key("enterprise"))
    assert "unlimited" in nimbus("quota").out
    assert nimbus("quota", "--json").document["remaining"] is None


def test_quota_without_a_session_ends_with_10(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """Without a session there is no quota."""
    assert nimbus("quota").code == 10


def test_explain_shows_every_source_and_no_key(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """All seven paths in their order, with what counts and what is hidden behind it."""
    monkeypatch.setenv("NIMBUS_API_KEY", OTHER_KEY)
    Path(".env").write_text(f"NIMBUS_API_KEY={OTHER_KEY[:-1]}0\n")
    found = nimbus("explain", "--json").document
    assert found["source"] == "environment"
    assert [one["source"] for one in found["sources"]] == [
        "argument",
        "environment",
        "dotenv",
        "key_file",
        "store",
        "julia",
        "prompt",
    ]
    assert [one["state"] for one in found["sources"][:3]] == ["absent", "found", "shadowed"]
    text = nimbus("explain")
    assert OTHER_KEY not in text.out + json.dumps(found)
    assert "nbci_live_0123…cdef" in text.out
    assert "shadowed" in text.out


def test_explain_works_where_a_source_is_broken(nimbus: Nimbus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed key is what explain is there to show, so it does not fail for it."""
    monkeypatch.setenv("NIMBUS_API_KEY", "nbci_live_short")
    done = nimbus("explain")
    assert done.code == 0
    assert "malformed" in done.out


def test_models_are_listed_with_what_the_license_covers(nimbus: Nimbus, sandbox: Sandbox) -> None:
    """A free license covers the free models, and the list says so for each."""
    authenticate(sandbox.new_key("free"))
    found = nimbus("models", "--json").document
    assert found["total"] == len(found["models"])
    covered = {model["name"]: model["covered"] for model in found["models"]}
    assert covered["motor_imagery_4class_v1"] is True
    text = nimbus("models")
    assert all(name in text.out for name in covered)


def test_models_can_be_narrowed(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """--paradigm and --type are asked of the service."""
    found = nimbus("models", "--paradigm", "motor_imagery", "--type", "NimbusLDA", "--json").document
    assert {model["paradigm"] for model in found["models"]} == {"motor_imagery"}
    assert {model["type"] for model in found["models"]} == {"NimbusLDA"}


def test_where_no_model_matches_it_is_said_what_there_is(
    nimbus: Nimbus, sandbox: Sandbox, signed_in: str
) -> None:
    """A slip in the paradigm is answered with the paradigms; for programs the list is empty."""
    done = nimbus("models", "--paradigm", "foo")
    assert done.code == 0
    assert done.out == (
        "No models match --paradigm foo.\n"
        "Paradigms: motor_imagery, p300, ssvep. Types: NimbusLDA, NimbusQDA.\n"
    )
    assert nimbus("models", "--type", "Foo", "--json").document == {"models": [], "total": 0}
    slip = nimbus("models", "--paradigm", signed_in, "--type", "NimbusLDA").out
    assert signed_in not in slip
    assert "--type NimbusLDA" in slip


def test_the_names_of_models_are_whole_in_a_narrow_terminal(
    terminal: AtTerminal, sandbox: Sandbox, signed_in: str
) -> None:
    """They are there to be copied, at 80 columns and at less."""
    for columns in ("80", "50"):
        screen = terminal("models", COLUMNS=columns)
        assert screen.ended() == 0
        lines = screen.seen.replace("\r", "").splitlines()
        for name in ("motor_imagery_4class_v1", "motor_imagery_2class_v1", "p300_binary_v1"):
            (line,) = (line for line in lines if line.startswith(name))
            assert "Nimbus" in line
            assert line.split()[2] in ("motor_imagery", "p300")
        assert len(lines) == 5


def test_no_is_no_bad_news_by_itself(terminal: AtTerminal, sandbox: Sandbox, signed_in: str) -> None:
    """A session that is not stale, on a machine that is not offline, is not shown in red; names are bold."""
    screen = terminal("status")
    assert screen.ended() == 0
    lines = screen.seen.replace("\r", "").splitlines()
    for name in ("offline", "stale"):
        (line,) = (line for line in lines if f"  {name} " in line)
        assert line.endswith("\x1b[0mno")


def test_one_model_is_shown_whole(nimbus: Nimbus, sandbox: Sandbox, signed_in: str) -> None:
    """A name gives that one model: its fields, its metadata, its checksum."""
    found = nimbus("models", "motor_imagery_4class_v1", "--json").document
    assert (found["n_features"], found["n_classes"], found["covered"]) == (16, 4, True)
    assert found["checksum"].startswith("sha256:")
    text = nimbus("models", "motor_imagery_4class_v1")
    assert found["checksum"] in text.out
    assert all(name in text.out for name in found["metadata"])


def test_models_without_a_session_leave_the_cover_open(
    nimbus: Nimbus, sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is the service's; what the license covers is unknown without a session."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    found = nimbus("models", "--json").document
    assert {model["covered"] for model in found["models"]} == {None}


def test_an_unknown_model_is_reported_with_those_that_exist(
    nimbus: Nimbus, sandbox: Sandbox, signed_in: str
) -> None:
    """A slip in the name is answered with the names."""
    done = nimbus("models", "motor_imagery_5class_v1")
    assert done.code == 2
    assert "motor_imagery_4class_v1" in done.err
