"""Keys and secrets at the command line: none is lost, none is cut short, none is repeated."""
# ruff: noqa: F811 - the arguments are fixtures, which are imported

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nimbus_sdk.errors import CredentialStoreError
from nimbus_sdk.services.base import key_slot
from tests.cli.commands.test_services import pointed  # noqa: F401 - a fixture
from tests.cli.conftest import Nimbus, nimbus  # noqa: F401 - a fixture
from tests.services.conftest import box, no_keys_of_the_user, paths, running  # noqa: F401 - fixtures

OPAQUE = "1f0c9e7b5a3d8f6e2c4b0a9d7e5f3c1b"


def token(length: int) -> str:
    """A JSON Web Token that is so long, whose signature alone would be cut off."""
    import jwt

    short = jwt.encode({"permissions": ["read"], "exp": 4102444800}, "s" * 32, algorithm="HS256")
    return short + "s" * (length - len(short))


def stored(paths) -> list[str]:
    """All keys in the store."""
    file = Path(paths.credentials)
    return [entry["key"] for entry in json.loads(file.read_text()).values()] if file.exists() else []


@pytest.mark.parametrize("as_json", [False, True])
def test_a_secret_that_cannot_be_stored_is_printed_and_the_command_fails(
    nimbus: Nimbus,
    monkeypatch,
    as_json,
) -> None:
    """A job that was to store it must not end as if it had."""

    def refuse(*_: object) -> None:
        raise CredentialStoreError("The disk is full.")

    monkeypatch.setattr(key_slot.KeySlot, "save", refuse)
    made = nimbus("neuroai", "keys", "create", "CI", "--save", *(["--json"] if as_json else []))
    assert made.code == 12
    assert "The disk is full." in made.err
    if as_json:
        assert made.document["secret"].startswith("nai_")
        assert json.loads(made.err)["exit_code"] == 12
    else:
        assert made.out.splitlines()[-1].startswith("nai_")
    assert "nai_" not in made.err


def test_without_a_store_nothing_is_made(nimbus: Nimbus, box, monkeypatch) -> None:
    """--save with NIMBUS_SDK_CREDENTIAL_STORE=none is refused before the service is asked."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    refused = nimbus("neuroai", "keys", "create", "CI", "--save")
    assert (refused.code, refused.out) == (12, "")
    assert box.journal() == []


def test_a_replaced_stored_key_is_named(nimbus: Nimbus, box, monkeypatch) -> None:
    """The administrator's key makes way for a viewer's: the output says so, and how to get it back."""
    admin = box.new_neuroai_key()
    nimbus("neuroai", "save-key", "--key-stdin", stdin=admin)
    monkeypatch.delenv("NEUROAI_API_KEY")
    made = nimbus("neuroai", "keys", "create", "dashboards", "--role", "Viewer", "--save")
    assert f"in place of {admin[:4]}…{admin[-4:]}, which restore-key brings back" in made.out
    nimbus("neuroai", "restore-key")
    assert "Administrator" in nimbus("neuroai", "verify").out


@pytest.mark.parametrize("days", ["1e12", "inf", "nan", "-1"])
def test_days_that_no_calendar_has_are_refused(nimbus: Nimbus, days) -> None:
    """A number out of bounds is a mistake, and no traceback."""
    refused = nimbus("neuroai", "keys", "rotate", "--older-than", days)
    assert refused.code == 2
    assert "days must be above 0" in refused.err


@pytest.mark.parametrize("length", [4000, 4472, 8192])
def test_a_long_key_is_stored_whole(nimbus: Nimbus, paths, monkeypatch, length) -> None:
    """Nothing is cut off a token, whose end only the service would miss."""
    monkeypatch.delenv("NEXUS_API_KEY")
    key = token(length)
    assert nimbus("nexus", "save-key", "--key-stdin", stdin=f"{key}\n").code == 0
    assert stored(paths) == [key]


@pytest.mark.parametrize("wrap", [lambda key: f"{key[:-20]}\n{key[-20:]}", lambda key: key + "s" * 20_000])
def test_a_part_of_a_key_is_not_stored(nimbus: Nimbus, paths, wrap) -> None:
    """A token that was wrapped, and what is longer than any key: refused, and not printed."""
    key = token(300)
    refused = nimbus("nexus", "save-key", "--key-stdin", stdin=wrap(key))
    assert refused.code == 2
    assert "nothing of it was used" in refused.err
    assert key[:40] not in refused.err
    assert stored(paths) == []


def test_what_a_password_manager_adds_is_no_part_of_the_key(nimbus: Nimbus, paths) -> None:
    """The key is the first line; words about it follow."""
    key = token(300)
    assert nimbus("nexus", "save-key", "--key-stdin", stdin=f"{key}\nuser: ada\n").code == 0
    assert stored(paths) == [key]


@pytest.mark.parametrize("command", [["nexus", "ask"], ["nexus", "save-key", "--key-stdin"]])
def test_a_closed_stdin_is_reported(nimbus: Nimbus, monkeypatch, command) -> None:
    """`<&-` leaves a program without stdin."""
    from nimbus_sdk.cli import main

    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2


def test_a_message_is_sent_whole_or_not_at_all(nimbus: Nimbus, box) -> None:
    """What is longer than can be sent is refused, and not cut."""
    refused = nimbus("nexus", "ask", stdin="a" * 2**20 + "END")
    assert (refused.code, "nothing was sent" in refused.err) == (2, True)
    assert box.journal() == []


@pytest.mark.parametrize(
    "command",
    [
        ("nimbus-os", "save-key"),
        ("neuroai", "save-key"),
        ("nexus", "save-key"),
        ("nimbus-os", "rotation", "start"),
        ("install",),
    ],
)
@pytest.mark.parametrize("key", ["hunter2", OPAQUE, "nos_0123456789abcdef", "eyJhbGciOi.eyJpbnRl.c2ln"])
def test_a_key_that_was_typed_as_an_argument_is_not_repeated(
    nimbus: Nimbus,
    command,
    key,
) -> None:
    """Whatever it looks like, where a key is asked for it is taken for one."""
    for more in ([], ["--json"]):
        refused = nimbus(*command, key, *more)
        assert refused.code == 2
        assert key not in refused.err + refused.out
        assert "Never put a key on the command line" in refused.err


@pytest.mark.parametrize(
    "command",
    [
        ("nimbus-os", "rotation", "confirm"),
        ("nimbus-os", "rotation", "undo"),
        ("neuroai", "restore-key"),
        ("nexus", "claims"),
        ("neuroai", "keys", "list"),
        ("nexus",),
        ("nexus", "ask", "--request-id", "1", "--timeout"),
    ],
)
@pytest.mark.parametrize("key", [OPAQUE, "nos_0123456789abcdef", "eyJhbGciOi.eyJpbnRl.c2ln"])
def test_a_stray_key_is_masked_everywhere(nimbus: Nimbus, command, key) -> None:
    """By its form, or because it is as long as keys are."""
    refused = nimbus(*command, key)
    assert refused.code == 2
    assert key not in refused.err + refused.out


def test_other_stray_words_are_repeated(nimbus: Nimbus) -> None:
    """A slip is easier to find where it is named."""
    assert "(everything)" in nimbus("neuroai", "verify", "everything").err


@pytest.mark.parametrize("action", [["get"], ["rotate"], ["delete", "--yes"], ["delete"]])
def test_a_key_given_as_an_id_is_neither_sent_nor_printed(
    nimbus: Nimbus,
    box,
    action,
) -> None:
    """It would be in the URL, and in every log on the way."""
    other = box.new_neuroai_key()
    refused = nimbus("neuroai", "keys", *action, other)
    assert refused.code == 2
    assert other not in refused.err + refused.out
    assert all(other not in exchange.path for exchange in box.journal())
