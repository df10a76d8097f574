"""Rotating the key of Nimbus OS: there is a working key at every moment, and it can be continued."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import (
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyError,
    MissingKeyError,
    NimbusError,
    PermissionDeniedError,
    ServerError,
)
from nimbus_sdk.services.base.service import ServiceKey
from nimbus_sdk.services.rotation import key_flows
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.lock import Lock
from tests.services.conftest import AnyClient, either_kind
from tests.support.evidence import everything_in


@pytest.fixture
def old(box) -> str:
    """The key in use."""
    return box.new_nimbus_os_key()


@pytest.fixture
def new(box) -> str:
    """The key that was just made in the portal."""
    return box.new_nimbus_os_key()


@pytest.fixture
def client(open_client, box, old) -> AnyClient:
    """A client whose key is stored, and comes from the store."""
    open_client("NimbusOS", old, base_url=box.nimbus_os_url())("save_key")
    return open_client("NimbusOS", base_url=box.nimbus_os_url())


@pytest.fixture
def stored(paths):
    """What the credentials file has, by the last part of its entry."""

    def read() -> dict[str, str]:
        path = Path(paths.credentials)
        found = json.loads(path.read_text()) if path.exists() else {}
        return {
            name.removeprefix("default@nimbus-os.sandbox").lstrip(".") or "now": entry["key"]
            for name, entry in found.items()
        }

    return read


@either_kind
def test_a_rotation_from_start_to_end(client, box, old, new, stored):
    """Stored, tried, switched, confirmed; the last line says to revoke the old key in the portal."""
    box.clear_journal()
    switched = client("rotate_key", new)
    assert switched.step == "switched"
    assert [exchange.path for exchange in box.journal()] == ["/nimbus-os/sandbox/orders"]
    assert stored() == {"now": new, "previous": old}
    client("request", "GET", "/orders")
    box.revoke_nimbus_os_key(old)
    client("request", "GET", "/orders")
    confirmed = client("confirm_rotation")
    assert confirmed.step == "confirmed"
    assert stored() == {"now": new}
    masked = ServiceKey(old).masked
    assert str(confirmed).splitlines()[-1] == (
        f"Now revoke {masked} in the developer portal (https://developer.nimbus-os.com, API Keys)."
    )
    assert client("rotation") == confirmed


def test_a_refused_key_changes_nothing(client, box, old, stored):
    """It was mistyped, or is for the other environment: it is dropped, and the old one stays in use."""
    production = box.new_nimbus_os_key(environment="production")
    with pytest.raises(InvalidKeyError, match="stays in use") as caught:
        client("rotate_key", production)
    assert production not in everything_in(caught.value)
    assert stored() == {"now": old}
    assert client("rotation").step == "undone"
    client("request", "GET", "/orders")


def test_a_service_that_fails_does_not_cost_the_new_key(client, box, old, new, stored):
    """The portal shows a key only once, so it is stored; the next attempt does not need it again."""
    box.fault("nimbus_os", status=503, times=4)
    with pytest.raises(ServerError, match="run the rotation again") as caught:
        client("rotate_key", new)
    assert new not in everything_in(caught.value)
    assert stored() == {"now": old, "next": new}
    assert client("rotation").step == "received"
    client("request", "GET", "/orders")
    assert client("rotate_key").step == "switched"
    assert stored() == {"now": new, "previous": old}


def test_a_key_that_may_not_read_the_probe_can_be_tried_on_another(client, box, old, stored):
    """403 says nothing against the key itself; another resource decides."""
    writer = box.new_nimbus_os_key(permissions=["orders:write"])
    with pytest.raises(PermissionDeniedError, match="The new key is stored"):
        client("rotate_key", writer)
    assert stored() == {"now": old, "next": writer}
    with pytest.raises(PermissionDeniedError):
        client("rotate_key", probe="/orders/ord_sand_1")
    assert stored()["now"] == old


@either_kind
def test_undo_brings_the_old_key_back(client, old, new, stored):
    """As long as nothing was confirmed, the way back is one step."""
    client("rotate_key", new)
    undone = client("undo_rotation")
    assert undone.step == "undone"
    assert stored() == {"now": old}
    client("request", "GET", "/orders")
    assert ServiceKey(new).masked in str(undone).splitlines()[-1]
    with pytest.raises(ConfigurationError, match="undone already"):
        client("undo_rotation")


def test_a_rotation_that_has_not_switched_can_be_given_up(client, box, old, new, stored):
    """The new key is removed; the one in use was never touched."""
    box.fault("nimbus_os", status=503, times=4)
    with pytest.raises(ServerError):
        client("rotate_key", new)
    client("undo_rotation")
    assert stored() == {"now": old}


def test_steps_that_do_not_fit_are_refused(client, box, new):
    """Nothing to confirm, nothing to go on with, the same key twice, a second one before the first ends."""
    assert client("rotation") is None
    with pytest.raises(ConfigurationError, match="No rotation is under way"):
        client("confirm_rotation")
    with pytest.raises(ConfigurationError, match="no new Nimbus OS key"):
        client("rotate_key")
    client("rotate_key", new)
    assert client("rotate_key").step == "switched"
    assert client("rotate_key", new).step == "switched"
    with pytest.raises(ConfigurationError, match="is not confirmed yet"):
        client("rotate_key", box.new_nimbus_os_key())
    client("confirm_rotation")
    with pytest.raises(ConfigurationError, match="in use already"):
        client("rotate_key", new)


def test_without_an_old_key_the_new_one_stays_stored(open_client, box, old, new, stored, monkeypatch):
    """The portal shows it once: it waits until the old one is there, or until it is given up."""
    client = open_client("NimbusOS", base_url=box.nimbus_os_url())
    with pytest.raises(MissingKeyError, match="The new key is stored"):
        client("rotate_key", new)
    assert stored() == {"next": new}
    assert "No old key was found yet" in str(client("rotation"))
    monkeypatch.setenv("NIMBUS_OS_API_KEY", old)
    assert open_client("NimbusOS", base_url=box.nimbus_os_url())("rotate_key").step == "switched"
    assert stored() == {"now": new, "previous": old}


def test_a_key_for_which_there_is_no_old_one_can_be_given_up(open_client, box, new, stored):
    """Undone, it can be stored as the first one."""
    client = open_client("NimbusOS", base_url=box.nimbus_os_url())
    with pytest.raises(MissingKeyError):
        client("rotate_key", new)
    assert str(client("undo_rotation")).startswith("The rotation to the new key nos_")
    assert stored() == {}
    open_client("NimbusOS", new, base_url=box.nimbus_os_url())("save_key")
    assert stored() == {"now": new}


def test_with_no_store_nothing_is_begun(open_client, box, old, new, monkeypatch):
    """What stores no key cannot rotate it."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    with pytest.raises(CredentialStoreError, match="nothing to rotate"):
        open_client("NimbusOS", old, base_url=box.nimbus_os_url())("rotate_key", new)


def test_a_source_that_overrides_the_store_is_named(open_client, box, old, new, monkeypatch, stored):
    """If the environment still has the old key, every step says so."""
    monkeypatch.setenv("NIMBUS_OS_API_KEY", old)
    client = open_client("NimbusOS", base_url=box.nimbus_os_url())
    switched = client("rotate_key", new)
    warning = "NIMBUS_OS_API_KEY in the environment names another key, and comes before the store"
    assert warning in str(switched)
    assert "is stored." in str(switched)
    assert warning in str(client("rotation"))
    assert warning in str(client("confirm_rotation"))
    assert stored() == {"now": new}


def test_what_overrides_the_store_is_checked_anew_each_time(open_client, box, old, new, monkeypatch):
    """An argument does not hide a variable, and one that is unset is no longer named."""
    monkeypatch.setenv("NIMBUS_OS_API_KEY", old)
    client = open_client("NimbusOS", old, base_url=box.nimbus_os_url())
    assert client("rotate_key", new).shadowed_by == "NIMBUS_OS_API_KEY in the environment"
    monkeypatch.delenv("NIMBUS_OS_API_KEY")
    assert client("rotation").shadowed_by == ""
    assert "NIMBUS_OS_API_KEY" not in str(client("confirm_rotation"))
    monkeypatch.setenv("NIMBUS_OS_API_KEY", old)
    assert client("rotation").shadowed_by
    monkeypatch.setenv("NIMBUS_OS_API_KEY", "Bearer of nothing")
    assert client("rotation").shadowed_by == ""


def test_an_undone_rotation_names_what_comes_before_the_old_key(client, old, new, monkeypatch):
    """The old key is in its place, and the variable names the new one already."""
    client("rotate_key", new)
    monkeypatch.setenv("NIMBUS_OS_API_KEY", new)
    undone = client("undo_rotation")
    assert (undone.step, undone.shadowed_by) == ("undone", "NIMBUS_OS_API_KEY in the environment")


def test_a_stored_key_that_is_not_in_use_is_not_lost(open_client, client, box, old, new, monkeypatch, stored):
    """The variable names another key than the store has: refused, and the new one stays stored."""
    named = box.new_nimbus_os_key()
    monkeypatch.setenv("NIMBUS_OS_API_KEY", named)
    with pytest.raises(ConfigurationError, match=r"is not the stored one.*The new key is stored"):
        client("rotate_key", new)
    assert stored() == {"now": old, "next": new}
    assert client("rotation").step == "received"
    monkeypatch.delenv("NIMBUS_OS_API_KEY")
    switched = open_client("NimbusOS", base_url=box.nimbus_os_url())("rotate_key")
    assert (switched.step, switched.old_masked) == ("switched", ServiceKey(old).masked)
    assert stored() == {"now": new, "previous": old}


def test_a_new_key_that_waits_is_not_replaced_by_another(client, box, new, stored):
    """It may be the only copy; whoever wants another one gives this one up first."""
    box.fault("nimbus_os", status=503, times=4)
    with pytest.raises(ServerError):
        client("rotate_key", new)
    with pytest.raises(ConfigurationError, match="was given before, and is stored"):
        client("rotate_key", box.new_nimbus_os_key())
    assert stored()["next"] == new
    with pytest.raises(ConfigurationError, match="is not in use yet"):
        client("confirm_rotation")
    assert client("rotate_key", new).step == "switched"


@pytest.mark.parametrize("act", ["save_key", "restore_key", "forget_key"])
@pytest.mark.parametrize("step", ["received", "switched"])
def test_keys_that_a_rotation_needs_are_not_changed_by_others(
    open_client, client, box, old, new, stored, act, step
):
    """Saving, restoring and forgetting are refused until the rotation ends."""
    if step == "received":
        box.fault("nimbus_os", status=503, times=4)
        with pytest.raises(ServerError):
            client("rotate_key", new)
    else:
        client("rotate_key", new)
    before = stored()
    with pytest.raises(ConfigurationError, match="Confirm or undo it first"):
        open_client("NimbusOS", box.new_nimbus_os_key(), base_url=box.nimbus_os_url())(act)
    assert stored() == before
    client("undo_rotation")
    assert stored() == {"now": old}
    assert client("forget_key") is True


@pytest.mark.parametrize("code", [None, "proxy_authentication_required", {"error": "expired"}])
def test_only_the_service_can_make_a_new_key_be_dropped(open_client, replies, old, new, stored, code):
    """Something in between says 401 too; the only copy of the key stays until the service refuses it."""
    replies.say("200 OK", {"data": []})
    open_client("NimbusOS", old, base_url=replies.url)("save_key")
    replies.plays.clear()
    body = code if isinstance(code, dict) else {"error": {"code": code, "message": "no"}}
    replies.say("401 Unauthorized", body)
    client = open_client("NimbusOS", base_url=replies.url)
    with pytest.raises(InvalidKeyError, match="The new key is stored"):
        client("rotate_key", new)
    assert stored() == {"now": old, "next": new}
    replies.plays.clear()
    replies.say("401 Unauthorized", {"error": {"code": "unauthorized", "message": "no"}})
    with pytest.raises(InvalidKeyError, match="The new key was dropped"):
        client("rotate_key")
    assert stored() == {"now": old}


def test_a_new_key_is_sent_only_where_it_was_given_for(open_client, replies, old, new, stored):
    """Gone on with at another base URL it stays at home; given once more it may go there."""
    replies.say("200 OK", {"data": []})
    open_client("NimbusOS", old, base_url=replies.url)("save_key")
    replies.plays.clear()
    replies.say("501 Not Implemented")
    with pytest.raises(NimbusError, match="The new key is stored"):
        open_client("NimbusOS", base_url=replies.url)("rotate_key", new)
    replies.plays.clear()
    replies.say("200 OK", {"data": []})
    asked, elsewhere = len(replies.server.requests), replies.url.replace("127.0.0.1", "localhost")
    with pytest.raises(ConfigurationError, match=r"does not belong to this base URL: it is for http://127"):
        open_client("NimbusOS", base_url=elsewhere)("rotate_key")
    assert len(replies.server.requests) == asked
    assert open_client("NimbusOS", base_url=replies.url)("rotate_key").step == "switched"
    with pytest.raises(ConfigurationError, match="does not belong to this base URL"):
        open_client("NimbusOS", base_url=elsewhere)("undo_rotation")
    assert stored() == {"now": new, "previous": old}


def test_keys_keep_the_origin_they_were_found_valid_at(open_client, replies, old, new, box):
    """Undone by another client of the same host, the old key may go where it could before."""
    replies.say("200 OK", {"data": []})
    open_client("NimbusOS", old, base_url=replies.url)("save_key")
    open_client("NimbusOS", base_url=replies.url)("rotate_key", new)
    open_client("NimbusOS", base_url=f"{replies.url}/v2")("undo_rotation")
    open_client("NimbusOS", base_url=replies.url)("request", "GET", "/orders")
    with pytest.raises(MissingKeyError, match="it is for http://127"):
        open_client("NimbusOS", base_url=box.nimbus_os_url())("request", "GET", "/orders")


def test_a_removed_record_costs_no_key(client, box, old, new, paths, stored):
    """A stored new key is found without it, and so is an old one."""
    path = Path(Settings.load().for_service("nimbus-os.sandbox").paths.rotation)
    box.fault("nimbus_os", status=503, times=4)
    with pytest.raises(ServerError):
        client("rotate_key", new)
    path.unlink()
    state = client("rotation")
    assert (state.step, state.new_masked, state.old_masked) == ("received", ServiceKey(new).masked, "")
    assert "No old key was found yet" in str(state)
    assert client("rotate_key").step == "switched"
    path.unlink()
    assert client("rotation") is None
    assert client("restore_key") == ServiceKey(old).masked
    assert stored() == {"now": old, "previous": new}


def test_the_report_of_a_finished_rotation_stays_true(open_client, client, box, old, new):
    """Once another key was stored, the report of the finished rotation is as true as before."""
    client("rotate_key", new)
    confirmed = client("confirm_rotation")
    open_client("NimbusOS", box.new_nimbus_os_key(), base_url=box.nimbus_os_url())("save_key")
    assert client("rotation") == confirmed
    assert "is in use" not in str(confirmed)


def test_environments_rotate_separately(open_client, box, stored, paths):
    """A rotation in production is none in the sandbox."""
    given = {"base_url": box.nimbus_os_url("production"), "environment": "production"}
    production = open_client("NimbusOS", box.new_nimbus_os_key(environment="production"), **given)
    production("rotate_key", box.new_nimbus_os_key(environment="production"))
    assert open_client("NimbusOS", base_url=box.nimbus_os_url())("rotation") is None
    assert {name.split(".")[-1] for name in json.loads(Path(paths.credentials).read_text())} == {
        "production",
        "previous",
    }


def test_the_record_of_a_rotation_contains_no_key(client, old, new, paths):
    """Private, and masked keys in it alone."""
    client("rotate_key", new)
    path = Path(Settings.load().for_service("nimbus-os.sandbox").paths.rotation)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(key in path.read_text() for key in (old, new))


@pytest.mark.parametrize("content", ["{", "[]", '{"step": "flying"}', "null"])
def test_a_damaged_record_is_reported_and_costs_no_key(client, new, paths, stored, content):
    """The message says which file; removing it is safe."""
    path = Path(Settings.load().for_service("nimbus-os.sandbox").paths.rotation)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        client("rotate_key", new)
    path.unlink()
    assert client("rotate_key", new).step == "switched"


@either_kind
def test_only_one_process_changes_keys(client, new, paths, monkeypatch):
    """The second waits for a moment, raises, and does nothing; storing and forgetting wait likewise."""
    monkeypatch.setattr(key_flows, "_LOCK_SECONDS", 0.003)
    with Lock(f"{Settings.load().for_service('nimbus-os.sandbox').paths.rotation}.lock") as lock:
        assert lock.try_acquire()
        for act, *given in (["rotate_key", new], ["save_key"], ["restore_key"], ["forget_key"]):
            with pytest.raises(ConfigurationError, match="Another process is changing this key"):
                client(act, *given)


def test_a_folder_that_cannot_be_written_stops_the_rotation_at_the_start(client, old, new, stored, paths):
    """The record cannot be written: an error, and the old key stays."""
    path = Path(Settings.load().for_service("nimbus-os.sandbox").paths.rotation)
    path.mkdir(parents=True)
    with pytest.raises(ConfigurationError):
        client("rotate_key", new)
    assert stored()["now"] == old
    os.rmdir(path)


def test_a_missing_key_is_reported(client, box, old, new, paths, stored):
    """Undo without the old key, and going on without the new one, say what is missing."""
    client("rotate_key", new)
    path = Path(paths.credentials)
    keys = json.loads(path.read_text())
    path.write_text(json.dumps({name: key for name, key in keys.items() if "previous" not in name}))
    with pytest.raises(ConfigurationError, match="not stored any more"):
        client("undo_rotation")
    client("confirm_rotation")
    third = box.new_nimbus_os_key()
    box.fault("nimbus_os", status=503, times=4)
    with pytest.raises(ServerError):
        client("rotate_key", third)
    assert "is stored, and not in use yet" in str(client("rotation"))
    keys = json.loads(path.read_text())
    path.write_text(json.dumps({name: key for name, key in keys.items() if "next" not in name}))
    assert client("rotation").step == "undone"
    with pytest.raises(ConfigurationError, match="no new Nimbus OS key"):
        client("rotate_key")
    with pytest.raises(ConfigurationError, match="undone already"):
        client("confirm_rotation")
    assert client("rotate_key", third).step == "switched"


@pytest.mark.parametrize("obstacle", ["note", "lock"])
def test_a_disk_that_refuses_is_reported(client, new, old, paths, stored, monkeypatch, obstacle):
    """The record or its lock cannot be written: the error says where, and the old key is in use."""
    path = Settings.load().for_service("nimbus-os.sandbox").paths.rotation
    if obstacle == "lock":
        Path(f"{path}.lock").unlink(missing_ok=True)
        Path(f"{path}.lock").mkdir()
    else:
        real = fs.write_private

        def full(target: str, content: bytes) -> None:
            if target == path:
                raise OSError(28, "No space left on device")
            real(target, content)

        monkeypatch.setattr(fs, "write_private", full)
    with pytest.raises(ConfigurationError, match=r"rotation\.json.*cannot be made|cannot be recorded"):
        client("rotate_key", new)
    assert stored()["now"] == old
