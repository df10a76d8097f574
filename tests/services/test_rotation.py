"""Changing the key of Nimbus OS: there is a working key at every moment, and the story can be resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.errors import (
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyError,
    MissingKeyError,
    PermissionDeniedError,
    ServerError,
)
from nimbus_sdk.services import rotation, slot
from nimbus_sdk.services.service_key import ServiceKey
from tests.evidence import everything_in
from tests.services.conftest import Desk


@pytest.fixture
def old(box) -> str:
    """The key in use."""
    return box.new_nimbus_os_key()


@pytest.fixture
def new(box) -> str:
    """The key that was just made in the portal."""
    return box.new_nimbus_os_key()


@pytest.fixture
def client(desk, box, old) -> Desk:
    """A client whose key is stored, and comes from the store."""
    desk("NimbusOS", old, base_url=box.nimbus_os_url())("save_key")
    return desk("NimbusOS", base_url=box.nimbus_os_url())


@pytest.fixture
def stored(places):
    """What the credentials file has, by the last part of its entry."""

    def read() -> dict[str, str]:
        path = Path(places.credentials)
        found = json.loads(path.read_text()) if path.exists() else {}
        return {
            name.removeprefix("default@nimbus-os.sandbox").lstrip(".") or "now": found[name] for name in found
        }

    return read


def test_the_whole_story(client, box, old, new, stored):
    """Kept, tried, switched, confirmed; the last line says that the old key must be revoked in the portal."""
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
    """The portal shows a key only once, so it is kept; the next attempt needs it no more."""
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
    with pytest.raises(PermissionDeniedError, match="kept"):
        client("rotate_key", writer)
    assert stored() == {"now": old, "next": writer}
    with pytest.raises(PermissionDeniedError):
        client("rotate_key", probe="/orders/ord_sand_1")
    assert stored()["now"] == old


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
    """The kept key goes; the one in use was never touched."""
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
    with pytest.raises(ConfigurationError, match="No new Nimbus OS key"):
        client("rotate_key")
    client("rotate_key", new)
    assert client("rotate_key").step == "switched"
    assert client("rotate_key", new).step == "switched"
    with pytest.raises(ConfigurationError, match="waits for its confirmation"):
        client("rotate_key", box.new_nimbus_os_key())
    client("confirm_rotation")
    with pytest.raises(ConfigurationError, match="in use already"):
        client("rotate_key", new)


def test_without_an_old_key_there_is_nothing_to_rotate(desk, box, new):
    """A first key is stored and not rotated."""
    with pytest.raises(MissingKeyError):
        desk("NimbusOS", base_url=box.nimbus_os_url())("rotate_key", new)


def test_with_no_store_nothing_is_begun(desk, box, old, new, monkeypatch):
    """What keeps no key cannot change it."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    with pytest.raises(CredentialStoreError, match="nothing to rotate"):
        desk("NimbusOS", old, base_url=box.nimbus_os_url())("rotate_key", new)


def test_a_source_that_shadows_the_store_is_named(desk, box, old, new, monkeypatch, stored):
    """Where the environment still gives the old key, the story says so at every step."""
    monkeypatch.setenv("NIMBUS_OS_API_KEY", old)
    client = desk("NimbusOS", base_url=box.nimbus_os_url())
    switched = client("rotate_key", new)
    warning = "NIMBUS_OS_API_KEY in the environment still names"
    assert warning in str(switched)
    assert warning in str(client("confirm_rotation"))
    assert stored() == {"now": new}


def test_environments_rotate_apart(desk, box, stored, places):
    """A rotation in production is none in the sandbox."""
    given = {"base_url": box.nimbus_os_url("production"), "environment": "production"}
    production = desk("NimbusOS", box.new_nimbus_os_key(environment="production"), **given)
    production("rotate_key", box.new_nimbus_os_key(environment="production"))
    assert desk("NimbusOS", base_url=box.nimbus_os_url())("rotation") is None
    assert {name.split(".")[-1] for name in json.loads(Path(places.credentials).read_text())} == {
        "production",
        "previous",
    }


def test_the_note_of_a_rotation_holds_no_key(client, old, new, places):
    """Private, and masked keys in it alone."""
    client("rotate_key", new)
    path = Path(places.of_service("nimbus-os.sandbox").rotation)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(key in path.read_text() for key in (old, new))


@pytest.mark.parametrize("content", ["{", "[]", '{"step": "flying"}', "null"])
def test_a_damaged_note_is_told_and_costs_no_key(client, new, places, stored, content):
    """The message says which file; removing it is safe."""
    path = Path(places.of_service("nimbus-os.sandbox").rotation)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        client("rotate_key", new)
    path.unlink()
    assert client("rotate_key", new).step == "switched"


def test_only_one_process_rotates(client, new, places):
    """The second is told, and does nothing."""
    from nimbus_sdk.store.files import Lock

    with Lock(f"{places.of_service('nimbus-os.sandbox').rotation}.lock") as lock:
        assert lock.try_acquire()
        with pytest.raises(ConfigurationError, match="Another process is rotating"):
            client("rotate_key", new)


class Killed(BaseException):
    """Stands for the end of the process."""


STEPS = (
    [(slot.Slot, "save", number) for number in range(3)]
    + [(rotation.RotationStory, "_note", number) for number in range(2)]
    + [(slot.Slot, "forget", 0)]
)


@pytest.mark.parametrize(("owner", "name", "survived"), STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_whoever_dies_at_any_step_finds_a_working_key(
    desk, box, old, new, stored, monkeypatch, owner, name, survived, when
):
    """After a death at every write the stored key works, the old one is not lost, and the story can go on."""
    desk("NimbusOS", old, base_url=box.nimbus_os_url())("save_key")
    real, calls = getattr(owner, name), []

    def dying(*args, **given):
        calls.append(name)
        if len(calls) <= survived:
            return real(*args, **given)
        if when == "after":
            real(*args, **given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying)
        doomed = services.NimbusOS(base_url=box.nimbus_os_url())
        with pytest.raises(Killed):
            doomed.rotate_key(new)
        doomed.close()
    kept = stored()
    assert kept["now"] in (old, new)
    assert old in kept.values()
    survivor = services.NimbusOS(base_url=box.nimbus_os_url())
    survivor.request("GET", "/orders")
    kept_new = survivor.rotation() is not None
    assert survivor.rotate_key(None if kept_new else new).step == "switched"
    assert stored() == {"now": new, "previous": old}
    assert survivor.undo_rotation().step == "undone"
    assert stored() == {"now": old}
    survivor.close()


def test_a_folder_that_cannot_be_written_stops_the_story_before_anything(client, old, new, stored, places):
    """The note of it cannot be made: told, and the old key stays."""
    path = Path(places.of_service("nimbus-os.sandbox").rotation)
    path.mkdir(parents=True)
    with pytest.raises(ConfigurationError):
        client("rotate_key", new)
    assert stored()["now"] == old
    os.rmdir(path)


def test_a_key_that_vanished_is_told(client, box, old, new, places, stored):
    """Undo without the old key, and going on without the new one, say what is missing."""
    client("rotate_key", new)
    path = Path(places.credentials)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({name: key for name, key in kept.items() if "previous" not in name}))
    with pytest.raises(ConfigurationError, match="not at hand any more"):
        client("undo_rotation")
    client("confirm_rotation")
    third = box.new_nimbus_os_key()
    box.fault("nimbus_os", status=503, times=4)
    with pytest.raises(ServerError):
        client("rotate_key", third)
    assert "not yet found valid" in str(client("rotation"))
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({name: key for name, key in kept.items() if "next" not in name}))
    with pytest.raises(ConfigurationError, match="No new Nimbus OS key"):
        client("rotate_key")
    assert client("rotate_key", third).step == "switched"


@pytest.mark.parametrize("obstacle", ["note", "lock"])
def test_a_disk_that_refuses_is_told(client, new, old, places, stored, monkeypatch, obstacle):
    """The note or its lock cannot be made: the story says where, and the old key is in use."""
    path = places.of_service("nimbus-os.sandbox").rotation
    if obstacle == "lock":
        Path(f"{path}.lock").mkdir(parents=True)
    else:
        real = rotation.disk.write_private

        def full(target: str, content: bytes) -> None:
            if target == path:
                raise OSError(28, "No space left on device")
            real(target, content)

        monkeypatch.setattr(rotation.disk, "write_private", full)
    with pytest.raises(ConfigurationError, match="cannot be noted"):
        client("rotate_key", new)
    assert stored()["now"] == old
