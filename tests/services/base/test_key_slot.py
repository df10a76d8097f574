"""The key of a further service: what is one, where it comes from, where it may be sent."""

from __future__ import annotations

import copy
import json
import os
import pickle
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import (
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyFormatError,
    MissingKeyError,
    NimbusConnectionError,
    PermissionDeniedError,
    ResponseFormatError,
)
from nimbus_sdk.services.base.service import ServiceKey
from nimbus_sdk.services.nexus.client import NEXUS
from tests.services.conftest import KEYS, NIMBUS_OS_KEY, VARIABLES, ask, either_kind
from tests.support.evidence import everything_in

OTHER = {
    "NimbusOS": "sk_test_another0another0another",
    "NeuroAI": "nai_another0another0another0",
    "Nexus": "nxs_another0another0another0",
}
HEADER = {"NimbusOS": "x-api-key", "NeuroAI": "authorization", "Nexus": "api-key"}


def carried(replies, service):
    """The key that the last request carried."""
    return replies.server.requests[-1].headers[HEADER[service]].removeprefix("Bearer ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("Bearer abcdefgh", "it starts with 'Bearer '; give the key alone"),
        ("bearer\tabcdefgh", "it starts with 'Bearer '; give the key alone"),
        ("abc def", "white space"),
        ("abc\r\nX-Evil: 1", "white space"),
        ("schlüssel", "a character that no key has"),
        ("nbci_live_" + "0123456789ab" * 4, "a key of the Nimbus BCI API"),
        ("x" * 8193, "8193 characters"),
    ],
)
def test_what_is_no_key_is_refused_before_any_call(service, text, why):
    """The reason is named, the text never is, in no part of the error either."""
    with pytest.raises(InvalidKeyFormatError) as caught:
        getattr(services, service)(text, base_url="https://one.example")
    assert why in caught.value.message
    assert isinstance(caught.value, ValueError)
    if text.strip():
        assert text.strip() not in everything_in(caught.value)


def test_what_surrounds_a_pasted_key_is_dropped(service):
    """Line breaks, white space, quotes and a byte order mark around a key do no harm."""
    client = getattr(services, service)(f"\ufeff \"{KEYS[service]}'\r\n", base_url="https://one.example")
    assert client._flows.connection.find_key().key.reveal() == KEYS[service]


def test_a_key_never_shows_itself():
    """Text, representation, copies, pickles and f-strings: a mask or nothing."""
    key = ServiceKey(NIMBUS_OS_KEY)
    texts = [
        repr(key),
        str(key),
        f"{key}",
        f"{key!s:>40}",
        json.dumps(key.masked),
        repr([key]),
        repr({1: key}),
    ]
    assert all(NIMBUS_OS_KEY not in text for text in texts)
    assert key.masked == "sk_t…6ghi"
    for steal in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            steal(key)
    assert not hasattr(key, "__dict__")


def test_keys_are_compared_whole_and_known_by_their_fingerprint():
    """Two equal keys are one; another type is never equal."""
    assert ServiceKey("abc") == ServiceKey("abc")
    assert len({ServiceKey("abc"), ServiceKey("abc"), ServiceKey("abd")}) == 2
    assert ServiceKey("abc") != "abc"
    assert ServiceKey("abc").fingerprint == "ba7816bf8f01"


def test_no_text_is_no_key():
    """None stays None, so that the next source is asked."""
    assert NEXUS.parse_key(None) is None


@pytest.mark.parametrize("place", ["argument", "environment", "dotenv", "store"])
@either_kind
def test_the_key_comes_from_the_first_place_that_has_one(
    service, place, open_client, replies, monkeypatch, isolated_home
):
    """Argument, environment, .env, store: each wins over all that come after it."""
    order = ["argument", "environment", "dotenv", "store"]
    keys = {name: KEYS[service][:-8] + name[:4] + KEYS[service][-4:] for name in order[order.index(place) :]}
    replies.say("200 OK", {"valid": True})
    if "store" in keys:
        saved = open_client(service, keys["store"], base_url=replies.url)
        saved("save_key")
        if place != "store":
            assert saved("forget_key") is True
            saved("save_key")
    if "dotenv" in keys:
        (isolated_home / "work" / ".env").write_text(f"{VARIABLES[service]}={keys['dotenv']}\n")
    if "environment" in keys:
        monkeypatch.setenv(VARIABLES[service], f" {keys['environment']}\n")
    ask(open_client(service, keys.get("argument"), base_url=replies.url), service)
    assert carried(replies, service) == keys[place]


@pytest.mark.parametrize("given", [123, b"nos_0123456789abcdef0123", ["key"], object])
def test_what_is_no_text_is_no_key(service, given):
    """The error is that of every other text that is not a key, and not Python's."""
    with pytest.raises(InvalidKeyFormatError, match="it is not text") as caught:
        getattr(services, service)(given, base_url="https://one.example")
    assert "0123456789abcdef" not in str(caught.value)


PLAIN, SANDBOX = "NIMBUS_OS_API_KEY", "NIMBUS_OS_SANDBOX_API_KEY"
PRODUCTION = "NIMBUS_OS_PRODUCTION_API_KEY"


@pytest.mark.parametrize("place", ["environment", "dotenv"])
@pytest.mark.parametrize(
    ("environment", "named", "counts"),
    [
        ("sandbox", [PLAIN, SANDBOX, PRODUCTION], SANDBOX),
        ("sandbox", [PLAIN, PRODUCTION], PLAIN),
        ("sandbox", [PRODUCTION], None),
        ("production", [PLAIN, SANDBOX, PRODUCTION], PRODUCTION),
        ("production", [PLAIN, SANDBOX], None),
    ],
)
def test_each_environment_of_nimbus_os_has_a_variable_of_its_own(
    open_client, replies, monkeypatch, isolated_home, place, environment, named, counts
):
    """A key of one environment never goes to the other; the plain name is the sandbox's."""
    replies.say("200 OK", {})
    keys = {name: f"sk_{name.lower()}_0123" for name in named}
    if place == "dotenv":
        lines = "".join(f"{name}={key}\n" for name, key in keys.items())
        (isolated_home / "work" / ".env").write_text(lines)
    else:
        for name, key in keys.items():
            monkeypatch.setenv(name, key)
    client = open_client("NimbusOS", environment=environment, base_url=replies.url)
    if counts is None:
        with pytest.raises(MissingKeyError, match=f"NIMBUS_OS_{environment.upper()}_API_KEY"):
            ask(client, "NimbusOS")
        assert replies.server.connections == 0
    else:
        ask(client, "NimbusOS")
        assert carried(replies, "NimbusOS") == keys[counts]


HTML = b"<html><body>Sign in to the hotel's network</body></html>"


@pytest.mark.parametrize("body", [HTML, "text", 7, True, b"", b"null"])
@pytest.mark.parametrize("step", ["save_key", "rotate_key"])
def test_a_page_to_sign_in_on_makes_no_key_valid(open_client, replies, paths, body, step):
    """Any 2xx could come from a captive portal: a key is valid if the service responds with JSON."""
    if step == "rotate_key":
        replies.say("200 OK", {"data": []})
    replies.say("200 OK", body)
    client = open_client("NimbusOS", KEYS["NimbusOS"], base_url=replies.url)
    if step == "rotate_key":
        client("save_key")
    given = [OTHER["NimbusOS"]] if step == "rotate_key" else []
    with pytest.raises(ResponseFormatError):
        client(step, *given)
    in_use = [] if step == "save_key" else [KEYS["NimbusOS"]]
    file = Path(paths.credentials)
    stored = json.loads(file.read_text()) if file.exists() else {}
    assert [entry["key"] for name, entry in stored.items() if name == "default@nimbus-os.sandbox"] == in_use


def test_a_key_that_may_not_read_the_probe_gets_a_hint(open_client, replies):
    """403 says nothing against the key: the hint names the option."""
    replies.say("403 Forbidden", {"error": {"code": "forbidden", "message": "Insufficient permissions"}})
    with pytest.raises(PermissionDeniedError) as caught:
        open_client("NimbusOS", KEYS["NimbusOS"], base_url=replies.url)("save_key")
    assert "--probe" in caught.value.hint


def test_an_empty_variable_is_as_good_as_none(service, open_client, replies, monkeypatch):
    """CI sets a variable to nothing where it has no secret; the message names the variable all the same."""
    monkeypatch.setenv(VARIABLES[service], " ")
    with pytest.raises(MissingKeyError, match=VARIABLES[service]) as caught:
        ask(open_client(service, base_url=replies.url), service)
    assert caught.value.exit_code == 4
    assert not replies.server.requests


def test_a_malformed_key_stops_the_search(service, open_client, replies, monkeypatch):
    """A broken key in the environment is a mistake to report, and no reason to use another account's."""
    open_client(service, KEYS[service], base_url=replies.url)
    monkeypatch.setenv(VARIABLES[service], "Bearer secret-in-the-environment")
    with pytest.raises(InvalidKeyFormatError, match=f"{VARIABLES[service]} in the environment") as caught:
        ask(open_client(service, base_url=replies.url), service)
    assert "secret-in-the-environment" not in everything_in(caught.value)


def test_a_stored_key_is_sent_only_where_it_was_found_valid(service, open_client, replies):
    """Another base URL does not get it: it is named, masked, and asked for instead."""
    replies.say("200 OK", {"valid": True})
    open_client(service, KEYS[service], base_url=replies.url)("save_key")
    asked = len(replies.server.requests)
    elsewhere = replies.url.replace("127.0.0.1", "localhost")
    with pytest.raises(MissingKeyError, match=r"it is for http://127\.0\.0\.1") as caught:
        ask(open_client(service, base_url=elsewhere), service)
    assert KEYS[service] not in everything_in(caught.value)
    assert len(replies.server.requests) == asked


def test_a_stored_key_without_its_origin_is_not_used(open_client, replies, paths):
    """If nothing says which service a key is for, it is not sent to any that is asked for."""
    replies.say("200 OK", {"valid": True})
    open_client("NeuroAI", KEYS["NeuroAI"], base_url=replies.url)("save_key")
    stored = json.loads(Path(paths.credentials).read_text())
    for entry in stored.values():
        entry["origin"] = ""
    Path(paths.credentials).write_text(json.dumps(stored))
    with pytest.raises(MissingKeyError, match="a service that is not known"):
        ask(open_client("NeuroAI", base_url=replies.url), "NeuroAI")


def test_profiles_services_and_environments_have_separate_keys(open_client, replies, paths):
    """Each has an entry of its own; the Nimbus BCI key's is none of them."""
    replies.say("200 OK", {"valid": True})
    for profile in (None, "lab"):
        for environment in ("sandbox", "production"):
            given = {"base_url": replies.url, "environment": environment, "profile": profile}
            open_client("NimbusOS", f"sk_{environment}_{profile}_0123456789", **given)("save_key")
        open_client("NeuroAI", f"nai_{profile}_0123456789abcdef", base_url=replies.url, profile=profile)(
            "save_key"
        )
        open_client("Nexus", f"nxs_{profile}_0123456789abcdef", base_url=replies.url, profile=profile)(
            "save_key"
        )
    stored = json.loads(Path(paths.credentials).read_text())
    entries = ("neuroai", "nexus", "nimbus-os.production", "nimbus-os.sandbox")
    assert sorted(stored) == sorted(
        f"{profile}@{entry}" for profile in ("default", "lab") for entry in entries
    )
    assert len({entry["key"] for entry in stored.values()}) == 8
    assert os.stat(paths.credentials).st_mode & 0o777 == 0o600
    client = open_client("NimbusOS", environment="production", base_url=replies.url, profile="lab")
    ask(client, "NimbusOS")
    assert carried(replies, "NimbusOS") == "sk_production_lab_0123456789"


@either_kind
def test_saving_a_key_leaves_the_previous_one_stored(service, open_client, replies):
    """Saving another key loses none: restoring brings the first one back, and again the second."""
    replies.say("200 OK", {"valid": True})
    open_client(service, KEYS[service], base_url=replies.url)("save_key")
    second = open_client(service, OTHER[service], base_url=replies.url)
    assert second("save_key") == "file"
    assert second("restore_key") == ServiceKey(KEYS[service]).masked
    ask(second, service)
    assert carried(replies, service) == KEYS[service]
    open_client(service, base_url=replies.url)("restore_key")
    ask(open_client(service, base_url=replies.url), service)
    assert carried(replies, service) == OTHER[service]


def test_with_no_key_before_there_is_nothing_to_bring_back(service, open_client, replies):
    """The refusal says where a new one is made."""
    with pytest.raises(MissingKeyError, match="No earlier"):
        open_client(service, KEYS[service], base_url=replies.url)("restore_key")


@pytest.mark.parametrize("service", ["NimbusOS", "NeuroAI"])
def test_only_a_valid_key_is_stored(service, open_client, replies, paths):
    """A refused key does not take the place of the one that works."""
    replies.say("200 OK", {"valid": True})
    replies.say("401 Unauthorized", {"error": {"code": "unauthorized", "message": "no"}})
    open_client(service, KEYS[service], base_url=replies.url)("save_key")
    with pytest.raises(Exception, match="401"):
        open_client(service, OTHER[service], base_url=replies.url)("save_key")
    assert OTHER[service] not in Path(paths.credentials).read_text()


def test_a_failing_store_is_reported_with_a_way_around_it(service, open_client, replies, paths):
    """A damaged credentials file is no missing key."""
    Path(paths.credentials).parent.mkdir(parents=True)
    Path(paths.credentials).write_text("{")
    with pytest.raises(CredentialStoreError, match=VARIABLES[service]):
        ask(open_client(service, base_url=replies.url), service)


def test_with_no_store_at_all_the_other_places_still_count(service, open_client, replies, monkeypatch):
    """NIMBUS_SDK_CREDENTIAL_STORE=none asks no keyring and no file."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    with pytest.raises(MissingKeyError):
        ask(open_client(service, base_url=replies.url), service)
    replies.say("200 OK", {"valid": True})
    assert open_client(service, KEYS[service], base_url=replies.url)("save_key") == "none"


@pytest.mark.parametrize(
    "url", ["http://api.example", "ftp://api.example", "api.example", "https://user:pw@x.example", ""]
)
def test_a_base_url_that_would_show_the_key_is_refused(service, url):
    """Plain http, other schemes, credentials in the URL: refused before anything is read or sent."""
    with pytest.raises(ConfigurationError, match="base_url"):
        getattr(services, service)(KEYS[service], base_url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost:1", "http://[::1]:1"])
def test_plain_http_is_for_loopback(service, url):
    """This machine's own addresses need no TLS."""
    assert repr(getattr(services, service)(KEYS[service], base_url=f"{url}/")).count(f"base_url='{url}'") == 1


def test_the_base_url_comes_from_the_environment_and_from_no_env_file(monkeypatch, isolated_home):
    """A .env that came with somebody's repository does not choose where a key goes."""
    (isolated_home / "work" / ".env").write_text(
        "NEUROAI_URL=https://evil.example\nNEXUS_URL=https://evil.example\n"
    )
    with pytest.raises(ConfigurationError, match="NEUROAI_URL"):
        services.NeuroAI(KEYS["NeuroAI"]).verify()
    assert "https://api.nexusgpt.io" in repr(services.Nexus())
    monkeypatch.setenv("NEUROAI_URL", "https://neuroai.example/")
    assert "base_url='https://neuroai.example'" in repr(services.NeuroAI())
    monkeypatch.setenv("NEXUS_URL", "http://evil.example")
    with pytest.raises(ConfigurationError, match="NEXUS_URL"):
        services.Nexus()


def test_production_has_no_base_url_of_its_own(monkeypatch):
    """Nimbus OS in production is where the user says; the sandbox's variable does not count there."""
    monkeypatch.setenv("NIMBUS_OS_SANDBOX_URL", "https://sandbox.example")
    with pytest.raises(ConfigurationError, match="NIMBUS_OS_PRODUCTION_URL"):
        services.NimbusOS(environment="production").request("GET", "/orders")
    assert "https://sandbox.example" in repr(services.NimbusOS())
    monkeypatch.setenv("NIMBUS_OS_PRODUCTION_URL", "https://production.example")
    assert "https://production.example" in repr(services.NimbusOS(environment="production"))
    with pytest.raises(ConfigurationError, match="no environment 'staging'"):
        services.NimbusOS(environment="staging")


@pytest.mark.parametrize(
    ("service", "given"), [("NimbusOS", {"environment": "production"}), ("NeuroAI", {})], ids=["os", "ai"]
)
def test_what_asks_no_service_needs_no_base_url(service, given, open_client, replies, paths):
    """A key is forgotten, and a rotation read, without a base URL."""
    replies.say("200 OK", {"valid": True})
    for key in (KEYS[service], OTHER[service]):
        open_client(service, key, base_url=replies.url, **given)("save_key")
    client = open_client(service, **given)
    assert "base_url=None" in repr(client.client)
    if service == "NimbusOS":
        assert client("rotation") is None
    assert client("forget_key") is True
    assert not Path(paths.credentials).exists()
    with pytest.raises(ConfigurationError, match="base URL"):
        client("restore_key")


@either_kind
def test_a_forgotten_key_leaves_no_earlier_one_behind(service, open_client, replies, paths):
    """Whoever forgets the stored key wants none to be left here; what others stored stays."""
    replies.say("200 OK", {"valid": True})
    open_client(service, KEYS[service], base_url=replies.url, profile="lab")("save_key")
    for key in (KEYS[service], OTHER[service]):
        open_client(service, key, base_url=replies.url)("save_key")
    client = open_client(service, base_url=replies.url)
    assert client("forget_key") is True
    (left,) = json.loads(Path(paths.credentials).read_text())
    assert left.startswith("lab@")
    assert client("forget_key") is False
    with pytest.raises(MissingKeyError, match="No earlier"):
        client("restore_key")


@either_kind
def test_offline_nothing_is_sent(service, open_client, replies, monkeypatch):
    """Offline mode applies to the further services as well."""
    replies.say("200 OK", {})
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    with pytest.raises(NimbusConnectionError, match="Offline mode"):
        ask(open_client(service, KEYS[service], base_url=replies.url), service)
    assert replies.server.connections == 0


def test_no_profile_can_be_mistaken_for_an_entry():
    """A service's entry has a letter that no profile may have."""

    entry = Settings(home="/srv").for_service("neuroai").profile
    with pytest.raises(ConfigurationError):
        Settings.load(profile=entry)


def test_an_env_file_that_is_no_text_shows_nothing_of_itself(service, open_client, replies, isolated_home):
    """The error names the file; the key in it is in no frame of the traceback."""
    secret = KEYS[service]
    (isolated_home / "work" / ".env").write_bytes(f"{VARIABLES[service]}={secret}".encode() + b"\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"not UTF-8|cannot be read") as caught:
        ask(open_client(service, base_url=replies.url), service)
    assert secret not in everything_in(caught.value)


def test_a_stored_text_that_is_no_key_is_reported(service, open_client, replies, paths):
    """Somebody edited the file: the message names the service's own command."""
    replies.say("200 OK", {"valid": True})
    open_client(service, KEYS[service], base_url=replies.url)("save_key")
    stored = json.loads(Path(paths.credentials).read_text())
    for entry in stored.values():
        entry["key"] = "Bearer no key"
    Path(paths.credentials).write_text(json.dumps(stored))
    with pytest.raises(CredentialStoreError, match=r"is not a N\w+( OS)? key\..*save-key"):
        ask(open_client(service, base_url=replies.url), service)


def test_the_key_is_looked_for_once(service, open_client, replies, monkeypatch):
    """A client that has found its key does not ask the store again."""
    replies.say("200 OK", {"valid": True})
    open_client(service, KEYS[service], base_url=replies.url)("save_key")
    client = open_client(service, base_url=replies.url)
    ask(client, service)
    from nimbus_sdk.services.base import key_slot

    monkeypatch.setattr(key_slot.KeySlot, "read", lambda self: pytest.fail("asked again"))
    ask(client, service)
