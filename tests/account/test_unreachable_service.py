"""A service that cannot be reached: the stored session is used instead, and never for an unchecked key."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

import nimbus_sdk
from nimbus_sdk import errors
from nimbus_sdk.config.settings import origin
from nimbus_sdk.sandbox import Sandbox
from tests.support.flows import TINY_CORE
from tests.support.raw_server import head, saying

pytestmark = TINY_CORE


def hang(connection, request):
    """A black hole: accepts, and never answers."""
    connection.recv(1)


def drip(connection, request):
    """One byte at a time, for longer than anybody waits."""
    connection.sendall(head("200 OK", "Content-Type: application/json", length=600))
    for _ in range(600):
        connection.sendall(b" ")
        time.sleep(0.02)


def drip_from_the_start(connection, request):
    """Even the head comes one byte at a time."""
    for letter in head("200 OK", "X: " + "x" * 900, length=0):
        connection.sendall(bytes([letter]))
        time.sleep(0.02)


def nothing(connection, request):
    """Close without a word."""


PORTAL = saying(b"<html>Log in</html>", "200 OK", "Content-Type: text/html")
PORTAL_401 = saying(b"<html>Log in</html>", "401 Unauthorized", "Content-Type: text/html")
PORTAL_REDIRECT = saying(b"", "302 Found", "Location: https://login.hotel.example/")
WAYS = {
    "black hole": hang,
    "slow drip": drip,
    "dripping head": drip_from_the_start,
    "no word": nothing,
    "500": saying(b'{"error": "x", "code": "SERVER_ERROR"}', "500 Oops"),
    "502 of a proxy": saying(b"<html>", "502 Bad Gateway"),
    "captive portal": PORTAL,
    "captive portal's 401": PORTAL_401,
    "captive portal's redirect": PORTAL_REDIRECT,
    "rate limit": saying(b'{"code": "RATE_LIMIT_EXCEEDED"}', "429 Slow", "Retry-After: 60"),
    "nonsense": saying(b'{"valid": "maybe"}', "200 OK", "Content-Type: application/json"),
}


def each_way():
    """All ways to fail; those that end like another one are for the long run."""
    short = ("black hole", "slow drip", "500", "captive portal's 401", "nonsense")
    return [way if way in short else pytest.param(way, marks=pytest.mark.qualification) for way in WAYS]


@pytest.mark.parametrize("way", each_way())
def test_an_installed_core_gives_its_session_stale(sdk, key, age, in_its_place, way, caplog):
    """However the service fails, install_core returns the stored session, and the log says so."""
    sdk.install_core(key)
    before = age(hours=2)
    with in_its_place(WAYS[way]) as server, caplog.at_level(logging.WARNING, "nimbus_sdk"):
        session = sdk.install_core(key)
    assert session.stale is True
    assert (session.usage_quota, session.validated_at) == (before.usage_quota, before.validated_at)
    assert server.requests
    assert "used as it is" in caplog.text
    assert key not in caplog.text
    assert nimbus_sdk.current_session().stale is False


def test_a_service_that_is_gone_gives_the_session_stale(sdk, key, sandbox, end, age):
    """Connection refused, at every try."""
    sdk.install_core(key)
    age(hours=2)
    end(sandbox)
    assert sdk.install_core(key).stale is True


def test_a_service_that_answers_slowly_renews_the_session(key, sandbox, age):
    """A line with long round trips is no outage: an answer after more than a second and a half is awaited."""
    nimbus_sdk.install_core(key)
    age(hours=2)
    sandbox.fault("refresh", delay=1.7)
    assert nimbus_sdk.install_core().stale is False


def test_a_variable_that_keeps_requests_from_being_sent_gives_the_session_stale(
    sdk, sandbox, key, age, monkeypatch, caplog
):
    """A wrong proxy or a certificate file that is gone says nothing about the key; the log names it."""
    sdk.install_core(key)
    other = sandbox.new_key()
    for variable, value, url in (
        ("SSL_CERT_FILE", "/absent/roots.pem", "https://127.0.0.1:9"),
        ("REQUESTS_CA_BUNDLE", "/etc/hostname", "https://127.0.0.1:9"),
        ("HTTPS_PROXY", "ftp://proxy.invalid:1", "https://api.nimbus.invalid"),
        ("all_proxy", "http://[::1", "https://api.nimbus.invalid"),
    ):
        age(hours=2, api_origin=origin(url))
        caplog.clear()
        with monkeypatch.context() as patch:
            patch.setenv("NIMBUS_SDK_API_URL", url)
            patch.setenv(variable, value)
            assert sdk.install_core(key).stale is True
            assert sdk.authenticate(key).stale is True
            assert caplog.text.count(variable) == 2
            with pytest.raises(errors.ConfigurationError, match=variable):
                sdk.install_core(other)


def test_an_unreachable_service_makes_no_unchecked_key_valid(sdk, sandbox, end):
    """A key that looks right is not taken for valid: nothing is stored, nothing installed."""
    end(sandbox)
    never_seen = "nbci_test_" + "0123456789ab" * 4
    for call in (sdk.install_core, sdk.authenticate):
        with pytest.raises(errors.NimbusConnectionError):
            call(never_seen)
    with pytest.raises(errors.SessionNotFoundError):
        nimbus_sdk.current_session()
    assert sdk.get_stored_api_key() is None
    assert not sdk.check_installation()


def test_another_keys_session_does_not_stand_in(sdk, key, sandbox, end):
    """The session of one key is no answer for another."""
    sdk.install_core(key)
    other = sandbox.new_key()
    end(sandbox)
    for call in (sdk.install_core, sdk.authenticate):
        with pytest.raises(errors.NimbusConnectionError):
            call(other)
    assert sdk.get_stored_api_key() == key


def test_an_expired_session_does_not_stand_in(sdk, key, sandbox, end, age):
    """Offline a session serves until its end and not a moment longer."""
    sdk.install_core(key)
    age(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    end(sandbox)
    for call in (sdk.install_core, sdk.authenticate):
        with pytest.raises(errors.NimbusConnectionError):
            call(key)
    with pytest.raises(errors.SessionExpiredError):
        nimbus_sdk.current_session()
    with pytest.raises(errors.SessionExpiredError):
        sdk.install_core(offline=True)


REFUSALS = {
    errors.PermissionDeniedError: saying(b'{"error": "paused"}', "403 Forbidden"),
    errors.KeyNotFoundError: saying(b'{"code": "KEY_NOT_FOUND"}', "404 Not Found"),
    errors.MethodNotAllowedError: saying(b'{"code": "METHOD_NOT_ALLOWED"}', "405 Not Allowed"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_the_service_refuses_is_not_made_up_for(sdk, key, age, in_its_place, kind):
    """A service that was reached and says no is believed; the stored session stays valid offline."""
    sdk.install_core(key)
    age(hours=2)
    with in_its_place(REFUSALS[kind]):
        for call in (sdk.install_core, sdk.authenticate, sdk.check_quota_and_refresh):
            with pytest.raises(kind):
                call()
    assert nimbus_sdk.current_session().license_type == "research"
    assert sdk.check_installation()


def test_a_quota_that_is_used_up_stops_no_installed_core(sdk, key, age, in_its_place):
    """The key is a valid one then: its session is served, with nothing left."""
    sdk.install_core(key)
    age(hours=2)
    with in_its_place(saying(b'{"code": "QUOTA_EXCEEDED"}', "429 Too Many")):
        session = sdk.install_core(key)
        assert (session.stale, session.usage_quota) == (True, 0)
        assert sdk.check_quota_and_refresh() is False


@pytest.mark.parametrize("way", ["no word", "500", "captive portal", "captive portal's 401", "rate limit"])
def test_authenticate_returns_the_stored_session_of_the_key(sdk, key, in_its_place, way, caplog):
    """Where the service says nothing about the key, what it said last counts, and is marked stale."""
    before = sdk.authenticate(key)
    with in_its_place(WAYS[way]):
        session = sdk.authenticate(key, timeout=2)
        assert session.stale is True
        assert session.validated_at == before.validated_at
        assert sdk.authenticate(timeout=2).stale is True
    assert key not in caplog.text


def test_authenticate_without_a_stored_session_raises_the_fault(sdk, key, in_its_place):
    """The error is the exchange's own."""
    with in_its_place(PORTAL), pytest.raises(errors.ResponseFormatError, match="not the JSON"):
        sdk.authenticate(key)


def test_a_captive_portals_401_kills_no_key(sdk, key, in_its_place):
    """Only the service's own word does; the session stays, and the refusal says what it may be."""
    sdk.authenticate(key)
    with in_its_place(PORTAL_401), pytest.raises(errors.ApiError) as caught:
        sdk.refresh_quota()
    assert "captive portal" in caught.value.hint
    assert nimbus_sdk.current_session().license_type == "research"


def test_refresh_quota_tells_that_it_could_not(sdk, key, sandbox, end):
    """Somebody who asks for a fresh number is not given an old one; the stored session stays."""
    sdk.authenticate(key)
    end(sandbox)
    with pytest.raises(errors.NimbusConnectionError):
        sdk.refresh_quota()
    assert nimbus_sdk.current_session().stale is False


def test_revoke_tells_that_it_could_not(sdk, key, sandbox, end):
    """Nothing is removed for a key that may still be valid."""
    sdk.authenticate(key)
    end(sandbox)
    with pytest.raises(errors.NimbusConnectionError):
        sdk.revoke_api_key()
    assert nimbus_sdk.current_session()
    assert sdk.get_stored_api_key() == key


def test_a_timeout_ends_every_call(sdk, key, in_its_place):
    """``timeout=`` ends the whole call against a service that accepts and never answers."""
    with in_its_place(hang):
        for call in (sdk.install_core, sdk.authenticate):
            with pytest.raises(errors.NimbusTimeoutError):
                call(key, timeout=0.3)


def test_many_that_wait_for_one_another_are_all_served(key, sandbox, age, forked):
    """Six processes with an old session and a service that does not answer: each gets its session, stale."""
    nimbus_sdk.install_core(key)
    age(hours=2)
    sandbox.fault("refresh", delay=60, times=None)
    code = "import nimbus_sdk; print(nimbus_sdk.install_core().stale)"
    with ThreadPoolExecutor(6) as pool:
        assert [done.stdout for done in pool.map(forked, [code] * 6)] == ["True\n"] * 6


def test_another_services_word_does_not_stand_in(sdk, key, sandbox, wheel_dir, monkeypatch):
    """A session that one service confirmed is none of another, which has never seen the key."""
    sdk.install_core(key)
    with Sandbox(wheel_dir=wheel_dir) as other:
        for name, value in other.environment().items():
            monkeypatch.setenv(name, value)
        with pytest.raises(errors.InvalidKeyError):
            sdk.install_core(key)
        assert [exchange.endpoint for exchange in other.journal()] == ["validate"]
    with pytest.raises(errors.NimbusConnectionError):
        sdk.authenticate(key, timeout=1)


def test_a_session_renews_its_own_key_or_none(sdk, key, sandbox, monkeypatch):
    """Where another account's key is at hand, that account's session is not fetched in its place."""
    session = sdk.authenticate(key)
    monkeypatch.setenv("NIMBUS_API_KEY", sandbox.new_key("free"))
    before = len(sandbox.journal())
    with pytest.raises(errors.MissingKeyError, match="was not found"):
        session.refresh()
    assert len(sandbox.journal()) == before


def test_a_version_may_be_named_as_its_tag_is(sdk, key, sandbox):
    """v0.1.0 is the 0.1.0 that is installed: nothing is asked, online or offline."""
    sdk.install_core(key, version="v0.1.0")
    before = len(sandbox.journal())
    assert sdk.install_core(key, version=" v0.1.0") == sdk.install_core(key, version="0.1.0", offline=True)
    with pytest.raises(errors.ConfigurationError, match="is not a version"):
        sdk.install_core(key, version="x y")
    assert len(sandbox.journal()) == before
