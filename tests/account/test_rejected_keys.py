"""A key that the service rejects: its session goes at once, and only the service makes it valid again."""

import os
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk import errors
from nimbus_sdk.account import rejected_keys
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.doctor.machine_status import explain_key
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.storage import sealed
from nimbus_sdk.transport.driver import Driver
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE

CALLS = [
    "install_core",
    "authenticate",
    "refresh_quota",
    "check_quota_and_refresh",
    "authenticate_from_storage",
]


def _service():
    """The service that the environment names."""
    return origin(Settings.load().api_url)


def _note(paths, key):
    """What is remembered of a refusal by that service."""
    return sealed.read_rejection(paths, ApiKey.parse(key).fingerprint, _service())


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("code", "kind"), [("INVALID_KEY", errors.InvalidKeyError), ("KEY_EXPIRED", errors.KeyExpiredError)]
)
def test_every_call_that_is_rejected_removes_the_session(sdk, key, sandbox, age, paths, call, code, kind):
    """Each call that gets this answer, for either reason."""
    sdk.install_core(key) if call == "install_core" else sdk.authenticate(key)
    age(hours=2)
    for endpoint in ("validate", "refresh"):
        sandbox.fault(endpoint, status=401, code=code)
    with pytest.raises(kind) as caught:
        getattr(sdk, call)()
    assert caught.value.code == code
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()
    note = _note(paths, key)
    assert note["code"] == code
    assert datetime.fromisoformat(note["at"]) > datetime.now(UTC) - timedelta(minutes=1)
    assert key not in Path(paths.rejection(ApiKey.parse(key).fingerprint, _service())).read_text()


def test_an_outage_does_not_revive_it(sdk, key, sandbox, end):
    """After the refusal the service is gone: no call gives a session, online or offline."""
    sdk.install_core(key)
    sandbox.revoke_key(key)
    with pytest.raises(errors.InvalidKeyError):
        sdk.refresh_quota()
    end(sandbox)
    for call in (sdk.install_core, sdk.authenticate):
        with pytest.raises(errors.NimbusConnectionError):
            call(key)
    for call in (
        lambda: sdk.install_core(key, offline=True),
        lambda: sdk.authenticate(key, offline_mode=True),
    ):
        with pytest.raises(errors.SessionNotFoundError, match="rejected the key"):
            call()


def test_a_copy_of_the_session_does_not_revive_it_either(sdk, key, sandbox, end, paths, tmp_path):
    """A file that was put back, whole and well sealed, does not outweigh the refusal."""
    sdk.authenticate(key)
    shutil.copy(paths.session, tmp_path / "copy")
    sandbox.revoke_key(key)
    with pytest.raises(errors.InvalidKeyError):
        sdk.refresh_quota()
    shutil.copy(tmp_path / "copy", paths.session)
    with pytest.raises(errors.SessionNotFoundError, match="rejected the key"):
        nimbus_sdk.current_session()
    end(sandbox)
    with pytest.raises(errors.NimbusConnectionError):
        sdk.authenticate(key)


@pytest.mark.parametrize("damage", ["emptied", "cut", "of another format", "edited"])
def test_a_damaged_record_of_a_rejection_still_counts(key, sandbox, paths, tmp_path, damage):
    """However often it is read, and the file stays; an answer of the service decides."""
    nimbus_sdk.authenticate(key)
    shutil.copy(paths.session, tmp_path / "copy")
    sandbox.fault("refresh", status=401, code="INVALID_KEY")
    with pytest.raises(errors.InvalidKeyError):
        nimbus_sdk.refresh_quota()
    shutil.copy(tmp_path / "copy", paths.session)
    note = Path(paths.rejection(ApiKey.parse(key).fingerprint, _service()))
    whole = note.read_bytes()
    content = {
        "emptied": b"",
        "cut": whole[:-9],
        "of another format": whole.replace(b'"format": 1', b'"format": 2'),
        "edited": whole.replace(b"INVALID_KEY", b"INVALID-KEY"),
    }[damage]
    note.write_bytes(content)
    for _ in range(2):
        with pytest.raises(errors.SessionNotFoundError, match=r"counts as rejected.*`nimbus-sdk install`"):
            nimbus_sdk.current_session()
        with pytest.raises(errors.SessionNotFoundError, match="counts as rejected"):
            nimbus_sdk.authenticate(key, offline_mode=True)
    assert "counts as rejected" in str(explain_key(Settings.load()))
    assert note.read_bytes() == content
    assert os.listdir(note.parent) == [note.name]
    assert nimbus_sdk.authenticate(key) == nimbus_sdk.current_session()
    assert not note.exists()


def test_a_record_that_is_a_link_to_nothing_still_counts(key, paths, tmp_path):
    """Until an answer of the service, which removes it."""
    nimbus_sdk.authenticate(key)
    note = Path(paths.rejection(ApiKey.parse(key).fingerprint, _service()))
    note.parent.mkdir()
    note.symlink_to(tmp_path / "nothing")
    with pytest.raises(errors.SessionNotFoundError, match="counts as rejected"):
        nimbus_sdk.current_session()
    assert nimbus_sdk.authenticate(key) == nimbus_sdk.current_session()


@pytest.mark.parametrize("damage", ["a link", "a file", "a link to nothing"])
def test_a_folder_of_rejections_that_is_none_still_counts(key, paths, tmp_path, damage):
    """Nobody knows what was in it; an answer of the service decides."""
    nimbus_sdk.authenticate(key)
    folder = Path(paths.rejected)
    if damage == "a file":
        folder.touch()
    else:
        folder.symlink_to(tmp_path if damage == "a link" else tmp_path / "nothing")
    with pytest.raises(errors.SessionNotFoundError, match="counts as rejected"):
        nimbus_sdk.current_session()
    assert nimbus_sdk.authenticate(key) == nimbus_sdk.current_session()
    assert tmp_path.is_dir()


def test_a_key_that_another_service_rejects_stays_valid_where_it_belongs(sdk, key, monkeypatch):
    """A key that is tried out at a sandbox which does not know it keeps the session that it has."""
    before = sdk.install_core(key)
    with Sandbox() as elsewhere, monkeypatch.context() as there:
        there.setenv("NIMBUS_SDK_API_URL", elsewhere.api_url)
        there.setenv("NIMBUS_API_KEY", key)
        with pytest.raises(errors.InvalidKeyError):
            sdk.authenticate()
        with pytest.raises(errors.InvalidKeyError):
            sdk.install_core()
    assert nimbus_sdk.current_session() == before
    assert sdk.install_core(key, offline=True) == before


def test_the_service_can_take_it_back(sdk, key, sandbox, paths):
    """A key that is valid again is valid: the note goes."""
    sdk.authenticate(key)
    sandbox.fault("refresh", status=401, code="INVALID_KEY")
    with pytest.raises(errors.InvalidKeyError):
        sdk.refresh_quota()
    sdk.authenticate(key)
    assert _note(paths, key) is None
    assert nimbus_sdk.current_session()


def test_another_keys_session_is_not_touched(sdk, key, sandbox):
    """A rejected key that somebody tries does not log the account out."""
    before = sdk.authenticate(key)
    for _ in range(2):
        with pytest.raises(errors.InvalidKeyError):
            sdk.authenticate("nbci_test_" + "0" * 48)
    assert nimbus_sdk.current_session() == before
    assert sdk.get_stored_api_key() == key


def test_a_success_that_says_invalid_is_a_refusal_too(sdk, key, sandbox):
    """valid: false with status 200."""
    sdk.authenticate(key)
    quota = {"monthly_limit": 1, "used": 0, "remaining": 1, "resets_at": None}
    sandbox.fault("refresh", body={"valid": False, "license_type": "free", "features": [], "quota": quota})
    with pytest.raises(errors.InvalidKeyError):
        sdk.refresh_quota()
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": "go away"}),
        (401, {"error": "x", "code": "TOKEN_INVALID"}),
        (403, {"error": "x", "code": "INVALID_KEY"}),
        (400, {"error": "x", "code": "INVALID_FORMAT"}),
        (500, {"error": "x", "code": "INVALID_KEY"}),
    ],
)
def test_nothing_less_than_the_services_own_code_is_a_rejection(sdk, key, sandbox, status, body):
    """Another code, or the code with another status, is an error of this call and no more."""
    before = sdk.authenticate(key)
    sandbox.fault("refresh", status=status, body=body, times=None)
    with pytest.raises(errors.ApiError):
        sdk.refresh_quota()
    assert nimbus_sdk.current_session() == before


def test_a_damaged_session_does_not_hide_the_rejection(sdk, key, sandbox, paths):
    """The rejection is raised and recorded; the damaged file is set aside."""
    sdk.authenticate(key)
    Path(paths.session).write_text("{}")
    sandbox.revoke_key(key)
    with pytest.raises(errors.InvalidKeyError):
        sdk.authenticate(key)
    assert _note(paths, key)["code"] == "INVALID_KEY"
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()


def test_a_response_that_was_on_its_way_does_not_undo_a_rejection(sdk, key, paths):
    """The service accepts the key, then rejects it, and the older response arrives last."""
    sdk.install_core(key)
    rejected = ApiKey.parse(key)

    def accepted_then_rejected():
        rejected_keys.mark_rejected(Settings.load(), rejected, "REVOKED")
        return "valid"
        yield

    with (
        closing(Driver(Settings.load())) as driver,
        pytest.raises(errors.InvalidKeyError, match=r"has rejected .* since"),
    ):
        driver.run(rejected_keys.require_accepted(Settings.load(), rejected, accepted_then_rejected()))
    assert _note(paths, key)["code"] == "REVOKED"
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()


def test_a_key_that_is_rejected_during_a_download_is_not_stored(sdk, key, paths):
    """Accepted first, rejected while the core arrives: neither session nor key nor core is stored."""
    rejected = ApiKey.parse(key)

    def reject(event):
        if event.stage == "unpack":
            rejected_keys.mark_rejected(Settings.load(), rejected, "INVALID_KEY")

    with pytest.raises(errors.InvalidKeyError, match=r"has rejected .* since"):
        sdk.install_core(key, progress=reject)
    assert not sdk.check_installation()
    assert sdk.get_stored_api_key() is None
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()


def test_the_quota_of_a_rejected_key_is_requested_again(sdk, key, paths):
    """A note of a refusal counts there too, although the session was put back."""
    sdk.authenticate(key)
    session = Path(paths.session).read_bytes()
    rejected_keys.mark_rejected(Settings.load(), ApiKey.parse(key), "INVALID_KEY")
    Path(paths.session).write_bytes(session)
    assert sdk.check_quota_and_refresh() is True
    assert _note(paths, key) is None
