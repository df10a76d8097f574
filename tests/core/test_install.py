"""install_core: from a key to an installed core, what it asks on the way, and what it asks again."""

import getpass
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import nimbus_sdk
from nimbus_sdk import errors
from nimbus_sdk.account.session_lookup import clear_cache
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core import activation
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.storage.pointer import read_pointer
from tests.support.evidence import everything_in, strangers_in
from tests.support.flows import FIRST_INSTALL, TINY_CORE

pytestmark = TINY_CORE


def files_below(folder):
    """Every file, with its content."""
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_the_first_install_asks_four_things_in_order(sdk, key, asked, paths):
    """validate, token, release, asset; then core, session and key are stored."""
    session = sdk.install_core(key)
    assert asked() == FIRST_INSTALL
    assert (session.license_type, session.stale, session.key_source) == ("research", False, "file")
    assert session == nimbus_sdk.current_session()
    assert sdk.get_stored_api_key() == key
    status = sdk.check_installation()
    assert (bool(status), status.version, status.problems) == (True, "0.1.0", ())
    assert read_pointer(paths.core) is not None


@pytest.fixture
def typed(monkeypatch):
    """Lets a person at a terminal type these answers; returns what the terminal shows."""

    def typed(*answers):
        shown, left = [], iter(answers)
        terminal = SimpleNamespace(isatty=lambda: True, write=shown.append, flush=lambda: None)
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(getpass, "getpass", lambda label: next(left))
        return shown

    return typed


def test_a_typed_key_that_the_service_rejects_is_asked_for_again(sdk, key, asked, typed):
    """The reason is shown, and the next key counts; nothing of the first one is stored."""
    shown = typed("nbci_test_" + "0" * 48, "nbci", key)
    assert sdk.install_core(progress=False).key_masked.endswith(key[-4:])
    assert asked() == ["validate", *FIRST_INSTALL]
    assert sdk.get_stored_api_key() == key
    assert "Invalid" in shown[0]
    assert "not a Nimbus API key" in shown[1]


def test_three_rejected_keys_are_enough(sdk, asked, typed):
    """The error of the third one comes, and no core."""
    typed(*(f"nbci_test_{digit * 48}" for digit in "0123"))
    with pytest.raises(errors.InvalidKeyError):
        sdk.authenticate()
    assert asked() == ["validate"] * 3


def test_the_second_install_asks_nothing(sdk, key, asked):
    """With the core whole and the session young, there is nothing to ask, with or without the key."""
    first = sdk.install_core(key)
    asked()
    assert sdk.install_core(key) == first
    assert sdk.install_core() == first
    assert asked() == []


def test_after_an_hour_one_refresh_is_asked(sdk, key, asked, age):
    """The session is renewed, the user fields stay, the core stays."""
    first = sdk.install_core(key)
    age(hours=1.01, usage_quota=5)
    asked()
    session = sdk.install_core(key)
    assert asked() == ["refresh"]
    assert (session.usage_quota, session.user_id, session.name) == (50000, first.user_id, first.name)
    assert session.validated_at > first.validated_at
    assert sdk.install_core(key) == session
    assert asked() == []


def test_within_the_hour_it_is_not(sdk, key, asked, age):
    """Fifty-nine minutes are young."""
    sdk.install_core(key)
    age(hours=0.98)
    asked()
    sdk.install_core(key)
    assert asked() == []


def test_another_key_is_validated_and_the_core_stays(sdk, key, sandbox, asked, paths):
    """One validate; the session is the new key's, which replaces the stored one."""
    sdk.install_core(key)
    core = files_below(paths.core)
    other = sandbox.new_key("commercial")
    asked()
    session = sdk.install_core(other)
    assert asked() == ["validate"]
    assert session.license_type == "commercial"
    assert nimbus_sdk.current_session().license_type == "commercial"
    assert sdk.get_stored_api_key() == other
    assert files_below(paths.core) == core


def test_another_key_that_is_dead_changes_nothing(sdk, key, sandbox, asked):
    """The stored key and its session stay until the new one was found valid."""
    first = sdk.install_core(key)
    rejected = "nbci_test_" + "0" * 48
    with pytest.raises(errors.InvalidKeyError):
        sdk.install_core(rejected)
    assert sdk.get_stored_api_key() == key
    assert nimbus_sdk.current_session() == first
    assert sdk.install_core() == first


def test_force_asks_all_four_again(sdk, key, asked):
    """Although everything is there."""
    sdk.install_core(key)
    asked()
    sdk.install_core(key, force=True)
    assert asked() == FIRST_INSTALL
    assert sdk.check_installation()


def test_a_version_can_be_named(sdk, key, publish, asked):
    """The one that was asked for is fetched; asking for the one in use costs nothing."""
    publish("0.2.0")
    assert sdk.install_core(key, version="0.1.0")
    assert sdk.check_installation().version == "0.1.0"
    asked()
    sdk.install_core(key, version="0.1.0")
    assert asked() == []
    sdk.install_core(key)
    assert asked() == []
    sdk.install_core(key, version="0.2.0")
    assert asked() == FIRST_INSTALL
    assert sdk.check_installation().version == "0.2.0"


@pytest.mark.parametrize("version", ["9.9.9", "not a version"])
def test_a_version_that_does_not_exist_is_reported(sdk, key, version, paths):
    """Nothing is stored of the attempt."""
    with pytest.raises((errors.CoreDownloadError, errors.ConfigurationError), match=r"version|release 9"):
        sdk.install_core(key, version=version)
    assert read_pointer(paths.core) is None
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()
    assert sdk.get_stored_api_key() is None


@pytest.mark.parametrize("how", ["argument", "environment", "dotenv", "key file"])
def test_every_source_of_a_key_works(sdk, key, how, isolated_home, monkeypatch, tmp_path):
    """As the documentation's examples have it; only a key that was given is stored."""
    given = None
    if how == "argument":
        given = f" {key}\n"
    elif how == "environment":
        monkeypatch.setenv("NIMBUS_API_KEY", key)
    elif how == "dotenv":
        (isolated_home / "work" / ".env").write_text(f'NIMBUS_API_KEY="{key}"\n')
    else:
        (tmp_path / "secret").write_text(key)
        monkeypatch.setenv("NIMBUS_SDK_API_KEY_FILE", str(tmp_path / "secret"))
    steps = []
    session = sdk.install_core(given, progress=steps.append)
    stored = [step.message for step in steps if step.stage == "save"]
    assert stored == [f"Storing core{', session and key' if how == 'argument' else ' and session'}"]
    assert session.api_key.get_secret_value() == key
    assert sdk.get_stored_api_key() == (key if how == "argument" else None)
    holders = [
        path for path, content in files_below(isolated_home / "nimbus").items() if key.encode() in content
    ]
    assert holders == ([Settings.load().paths.credentials] if how == "argument" else [])
    assert how == "environment" or "NIMBUS_API_KEY" not in os.environ


def test_without_any_key_every_place_is_named(sdk, sandbox, asked):
    """Nothing is asked of anyone."""
    with pytest.raises(errors.MissingKeyError) as caught:
        sdk.install_core()
    assert "nimbus-sdk explain" in caught.value.hint
    assert asked() == []


def test_a_text_that_is_no_key_is_refused_with_no_network(sdk, sandbox, asked):
    """Locally, as a ValueError too, and without the text."""
    slip = "nbci_live_" + "a1" * 26
    with pytest.raises(ValueError, match="52 characters") as caught:
        sdk.install_core(slip)
    assert isinstance(caught.value, errors.InvalidKeyFormatError)
    assert slip not in everything_in(caught.value)
    assert asked() == []


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        ("validate", 500),
        ("github_token", 404),
        ("release", 500),
        ("asset", 404),
        *(
            pytest.param(endpoint, status, marks=pytest.mark.qualification)
            for endpoint, status in (
                ("validate", 404),
                ("github_token", 500),
                ("release", 404),
                ("asset", 500),
            )
        ),
    ],
)
def test_a_step_that_fails_leaves_nothing(sdk, key, sandbox, endpoint, status, paths, isolated_home):
    """No key, no session, no core, no part of them; and the error is the SDK's own."""
    sandbox.fault(endpoint, status=status, times=None)
    with pytest.raises(errors.NimbusError) as caught:
        sdk.install_core(key)
    assert key not in everything_in(caught.value)
    assert strangers_in(caught.value) == []
    assert read_pointer(paths.core) is None
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()
    assert not os.path.exists(paths.credentials)
    sandbox.clear_faults()
    assert sdk.install_core(key).license_type == "research"


@pytest.mark.parametrize(
    "endpoint",
    [
        "validate",
        pytest.param("github_token", marks=pytest.mark.qualification),
        pytest.param("release", marks=pytest.mark.qualification),
        "asset",
    ],
)
def test_a_forced_install_that_fails_leaves_the_old_state(sdk, key, sandbox, endpoint):
    """Core and session are as they were."""
    before = sdk.install_core(key)
    sandbox.fault(endpoint, status=503, times=None)
    with pytest.raises(errors.NimbusError):
        sdk.install_core(key, force=True)
    assert sdk.check_installation()
    assert nimbus_sdk.current_session() == before
    assert sdk.get_stored_api_key() == key


def test_a_service_without_a_token_is_reported_once(sdk, key, sandbox, asked):
    """NOT_CONFIGURED does not pass, so it is not tried again."""
    sandbox.github_configured = False
    with pytest.raises(errors.NotConfiguredError, match="contact support"):
        sdk.install_core(key)
    assert asked() == ["validate", "github_token"]


def test_a_refusal_of_github_kills_no_key(sdk, key, sandbox):
    """A 401 of GitHub is about the token: the session of before stays."""
    before = sdk.install_core(key)
    sandbox.fault("release", status=401, times=None)
    with pytest.raises(errors.CoreDownloadError):
        sdk.install_core(key, force=True)
    assert nimbus_sdk.current_session() == before


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        ("release", 401),
        ("asset", 404),
        pytest.param("release", 404, marks=pytest.mark.qualification),
        pytest.param("asset", 401, marks=pytest.mark.qualification),
    ],
)
def test_a_token_that_github_does_not_know_yet_is_sent_again(sdk, key, sandbox, asked, endpoint, status):
    """The first seconds of a token are no failure: a refusal or two, and the core is installed."""
    sandbox.fault(endpoint, status=status, times=2)
    sdk.install_core(key)
    assert asked().count(endpoint) == 3


@pytest.mark.parametrize("endpoint", ["release", "asset"])
def test_a_limit_of_githubs_is_waited_for_within_the_budget(sdk, key, sandbox, endpoint):
    """A 403 that asks to wait is no refusal: after the wait the core is installed, else the wait is named."""
    words = "You have exceeded a secondary rate limit"
    limit = {"status": 403, "body": {"message": words}}
    sandbox.fault(endpoint, **limit, headers={"Retry-After": "0", "X-RateLimit-Remaining": "4999"})
    sdk.install_core(key)
    sandbox.fault(endpoint, **limit, headers={"Retry-After": "3600"})
    with pytest.raises(errors.RateLimitError, match=f"{words}. It asks to wait 3600 s") as caught:
        sdk.install_core(key, force=True)
    assert caught.value.retry_after == 3600
    assert "license" not in str(caught.value)


def test_a_key_that_dies_between_two_requests_is_rejected(sdk, key, sandbox):
    """INVALID_KEY from the token's endpoint counts as from any other."""
    sdk.install_core(key)
    sandbox.fault("github_token", status=401, code="INVALID_KEY")
    with pytest.raises(errors.InvalidKeyError):
        sdk.install_core(key, force=True)
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()


def test_progress_is_reported_step_by_step(sdk, key):
    """Every stage once and in order, the download with its bytes, no secret in any of it."""
    events = []
    sdk.install_core(key, progress=events.append)
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages == [
        "validate",
        "token",
        "release",
        "download",
        "verify",
        "unpack",
        "probe",
        "save",
        "done",
    ]
    downloaded = [event for event in events if event.stage == "download"]
    assert downloaded[-1].done == downloaded[-1].total > 0
    assert sorted(event.done for event in downloaded) == [event.done for event in downloaded]
    assert key not in repr(events)
    assert "ghp_" not in repr(events)
    events.clear()
    sdk.install_core(key, progress=events.append)
    assert [event.stage for event in events] == ["done"]


def test_an_install_waits_for_another_process_and_uses_its_work(sdk, key, asked, paths, fresh):
    """While another holds the lock nothing is asked; afterwards its result is there."""
    import threading

    events, lock = [], Lock(paths.lock)
    assert lock.try_acquire()

    def somebody_else():
        deadline = time.monotonic() + 20
        while not events and time.monotonic() < deadline:
            time.sleep(0.01)
        lock.release()

    other = threading.Thread(target=somebody_else)
    other.start()
    sdk.install_core(key, progress=events.append)
    other.join()
    assert events[0].stage == "wait"
    assert [event.stage for event in events].count("wait") == 1
    assert asked() == FIRST_INSTALL
    assert Lock(paths.lock).try_acquire()


@pytest.mark.parametrize("setting", ["argument", "environment"])
def test_offline_an_installed_core_gives_its_session_and_nothing_is_asked(
    sdk, key, asked, age, setting, monkeypatch
):
    """However old the session is."""
    sdk.install_core(key)
    age(hours=500)
    asked()
    options = {"offline": True} if setting == "argument" else {}
    if setting == "environment":
        monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    assert sdk.install_core(**options).license_type == "research"
    assert sdk.install_core(key, **options).license_type == "research"
    assert asked() == []


def test_offline_without_anything_says_what_is_missing(sdk, key, sandbox, asked):
    """No session first, then no core; neither is made up from a key that looks right."""
    with pytest.raises(errors.SessionNotFoundError):
        sdk.install_core(key, offline=True)
    sdk.authenticate(key)
    asked()
    with pytest.raises(errors.CoreNotInstalledError, match="offline mode"):
        sdk.install_core(key, offline=True)
    sdk.install_core(key)
    with pytest.raises(errors.CoreNotInstalledError, match=r"Core 7\.0"):
        sdk.install_core(key, offline=True, version="7.0")
    other = sandbox.new_key()
    asked()
    with pytest.raises(errors.SessionNotFoundError, match="belongs to"):
        sdk.install_core(other, offline=True)
    assert asked() == []


def test_an_environment_that_lacks_numpy_is_reported_before_the_first_request(sdk, key, asked, monkeypatch):
    """Nothing is asked, and the message has the command that installs it."""
    monkeypatch.setattr(activation, "REQUIRES", ("absent-module",))
    with pytest.raises(errors.CoreIncompatibleError, match=r'install .*"absent-module"'):
        sdk.install_core(key)
    assert asked() == []


@pytest.mark.parametrize(
    ("name", "force"),
    [
        ("session", False),
        ("core_pointer", True),
        pytest.param("session", True, marks=pytest.mark.qualification),
        pytest.param("core_pointer", False, marks=pytest.mark.qualification),
    ],
)
def test_what_a_newer_version_has_written_is_reported_before_the_first_request(
    sdk, key, asked, paths, name, force
):
    """Another version of the SDK shares this home: its files stay, and the message says what to do."""
    sdk.install_core(key)
    asked()
    file = Path(getattr(paths, name))
    content = file.read_bytes().replace(b'"format": 1', b'"format": 2')
    file.write_bytes(content)
    clear_cache()
    with pytest.raises(
        (errors.NewerSessionError, errors.CoreIncompatibleError), match="newer version of the"
    ):
        sdk.install_core(key, force=force)
    assert asked() == []
    assert file.read_bytes() == content
    if name == "core_pointer":
        status = sdk.check_installation()
        assert not status
        assert "newer version of the SDK" in status.problems[0]


def test_a_program_that_embeds_python_is_told_so_before_the_first_request(sdk, key, asked, monkeypatch):
    """Its core could not be tested; another interpreter can install it for this program."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(errors.CoreInstallError, match=r"embeds Python.*`nimbus-sdk install`"):
        sdk.install_core(key)
    assert asked() == []


def test_profiles_are_apart(sdk, key, sandbox, asked):
    """Another account on this machine has its own session and key, and shares the core."""
    sdk.install_core(key)
    other = sandbox.new_key("enterprise")
    asked()
    session = sdk.install_core(other, profile="lab")
    assert asked() == ["validate"]
    assert (session.profile, session.license_type) == ("lab", "enterprise")
    assert nimbus_sdk.current_session().license_type == "research"
    assert nimbus_sdk.current_session(profile="lab").usage_quota is None
    assert sdk.get_stored_api_key(profile="lab") == other
    assert session.api_key.get_secret_value() == other


def test_a_store_that_keeps_nothing_is_honoured(sdk, key, asked, monkeypatch, paths):
    """With none, the key lives as long as the call; the session serves on."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    assert sdk.install_core(key).key_source == "none"
    asked()
    sdk.install_core(key)
    assert asked() == []
    assert not os.path.exists(paths.credentials)


def test_a_session_goes_on_where_its_key_is_not_at_hand(sdk, key, asked, age, monkeypatch):
    """An ageing session whose key cannot be had is served, marked stale."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    sdk.install_core(key)
    age(hours=2)
    asked()
    assert sdk.install_core().stale is True
    assert asked() == []


@pytest.mark.parametrize("damage", ["missing", "one bit"])
def test_a_damaged_core_is_installed_again(sdk, key, asked, paths, damage):
    """A file of the core is missing, or differs by one bit: everything is fetched anew."""
    sdk.install_core(key)
    hurt = Path(next(path for path in files_below(paths.core) if path.endswith("model.bin")))
    content = hurt.read_bytes()
    hurt.unlink()
    if damage == "one bit":
        hurt.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(errors.CoreNotInstalledError, match="not completely installed"):
        sdk.install_core(key, offline=True)
    asked()
    sdk.install_core(key)
    assert asked() == FIRST_INSTALL
    assert sdk.check_installation()


def test_the_github_token_is_stored_nowhere(sdk, key, sandbox, isolated_home, monkeypatch):
    """No file below the home or the SDK's folders holds it, nor the environment, nor git's configuration."""
    seen = []
    sandbox.fault(
        "github_token", body={"success": True, "github_token": "ghp_" + "x1Y2" * 9, "expires_at": None}
    )
    sandbox.fault("release", status=401)
    with pytest.raises(errors.CoreDownloadError) as caught:
        sdk.install_core(key)
    seen.append(everything_in(caught.value))
    for path, content in files_below(isolated_home).items():
        assert b"x1Y2x1Y2" not in content, path
    assert "x1Y2x1Y2" not in f"{seen}{dict(os.environ)}"
    assert not (isolated_home / "user" / ".git-credentials").exists()
    assert not (isolated_home / "user" / ".gitconfig").exists()


def test_what_is_stored_of_a_session_is_what_the_service_said(sdk, sandbox, paths):
    """Limits, reset, expiry and features, in the file without the key."""
    from datetime import UTC, datetime

    expiry = datetime(2030, 1, 1, tzinfo=UTC)
    key = sandbox.new_key("commercial", expires_at=expiry, used=1234)
    session = sdk.install_core(key)
    assert (session.expires_at, session.usage_quota, session.usage_quota_max) == (expiry, 498_766, 500_000)
    assert session.quota_reset_at.day == 1
    assert session.has_feature("custom_models")
    record = json.loads(Path(paths.session).read_bytes())["record"]
    assert record["usage_quota"] == 498_766
    assert key not in Path(paths.session).read_text()
    assert abs(session.clock_offset) < 5
