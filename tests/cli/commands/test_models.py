"""`nimbus-sdk models`: the models of the service, for people and for programs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nimbus_sdk import delete_stored_api_key, install_core
from nimbus_sdk.account.authentication import authenticate
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.sandbox import Sandbox
from tests.cli.conftest import AtTerminal, Nimbus


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
    assert nimbus("models", "--type", "Foo", "--json").document == {
        "models": [],
        "total": 0,
        "note": None,
    }
    slip = nimbus("models", "--paradigm", signed_in, "--type", "NimbusLDA").out
    assert signed_in not in slip
    assert "--type NimbusLDA" in slip


def test_the_list_fits_a_terminal(terminal: AtTerminal, sandbox: Sandbox, signed_in: str) -> None:
    """A table at 80 columns and a paragraph for each model at 50; names are whole in both, to be copied."""
    names = ("motor_imagery_4class_v1", "motor_imagery_2class_v1", "p300_binary_v1", "ssvep_multiclass_v1")
    for columns, length in ((80, 5), (50, 4 * 7 - 1)):
        screen = terminal("models", COLUMNS=str(columns))
        assert screen.ended() == 0
        lines = re.sub(r"\r|\x1b\[[0-9;]*m", "", screen.seen).splitlines()
        assert len(lines) == length
        assert max(map(len, lines)) <= columns
        assert {name for name in names if any(name in line.split() for line in lines)} == set(names)


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


@pytest.mark.tiny_core
def test_offline_the_models_of_this_machine_are_listed(
    nimbus: Nimbus, sandbox: Sandbox, key: str, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the service, its list is replaced by what can be loaded here, and a note says why."""
    install_core(key)
    folder = Path(Settings.load().paths.models)
    folder.mkdir(parents=True)
    (folder / "p300_binary_v1.nimbus").touch()
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    found = nimbus("models", "--json").document
    assert ("p300_binary_v1", "download") in {(model["name"], model["origin"]) for model in found["models"]}
    assert found["total"] == len(found["models"])
    assert "Offline mode is on" in found["note"]
    text = nimbus("models")
    assert text.code == 0
    assert "p300_binary_v1" in text.out
    assert "These are the models on this machine. Offline mode is on" in text.out
    one = nimbus("models", "p300_binary_v1", "--json").document
    assert one["path"] == str(folder / "p300_binary_v1.nimbus")
    assert nimbus("models", "ssvep_multiclass_v1").code == 9
    assert nimbus("models", "--paradigm", "p300").code == 9


@pytest.mark.tiny_core
def test_offline_nobody_is_asked_for_a_key(terminal: AtTerminal, sandbox: Sandbox, key: str) -> None:
    """The list of this machine needs no key, also where one could be typed; other calls only say so."""
    install_core(key)
    delete_stored_api_key()
    folder = Path(Settings.load().paths.models)
    folder.mkdir(parents=True)
    (folder / "p300_binary_v1.nimbus").touch()
    screen = terminal("models", NIMBUS_SDK_OFFLINE="1")
    assert screen.ended() == 0
    assert "p300_binary_v1" in screen.seen
    assert terminal("revoke", "--yes", NIMBUS_SDK_OFFLINE="1").ended() == 4


def test_an_unreachable_service_without_local_models_is_an_error(
    nimbus: Nimbus, sandbox: Sandbox, signed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to list, so the command fails as any other without a network."""
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    done = nimbus("models")
    assert (done.code, done.out) == (9, "")
