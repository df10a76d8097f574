"""The key of a further system: what is one, where it comes from, where it may go."""

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
from nimbus_sdk.services.base.service_key import ServiceKey, parse_service_key
from tests.services.conftest import KEYS, NIMBUS_OS_KEY, VARIABLES, ask, both_kinds
from tests.support.evidence import everything_in

OTHER = {
    "NimbusOS": "sk_test_another0another0another",
    "NeuroAI": "nai_another0another0another0",
    "Nexus": "nxs_another0another0another0",
}
HEADER = {"NimbusOS": "x-api-key", "NeuroAI": "authorization", "Nexus": "api-key"}


def carried(replies, system):
    """The key that the last request carried."""
    return replies.server.requests[-1].headers[HEADER[system]].removeprefix("Bearer ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("Bearer abcdefgh", "it starts with 'Bearer '; give the key alone"),
        ("bearer\tabcdefgh", "it starts with 'Bearer '; give the key alone"),
        ("abc def", "white space"),
        ("abc\r\nX-Evil: 1", "white space"),
        ("schlüssel", "a letter that no key has"),
        ("nbci_live_" + "0123456789ab" * 4, "a key of the Nimbus BCI API"),
        ("x" * 8193, "8193 characters"),
    ],
)
def test_what_is_no_key_is_refused_before_any_call(system, text, why):
    """The reason is named, the text never is, in no part of the error either."""
    with pytest.raises(InvalidKeyFormatError) as caught:
        getattr(services, system)(text, base_url="https://one.example")
    assert why in caught.value.message
    assert isinstance(caught.value, ValueError)
    if text.strip():
        assert text.strip() not in everything_in(caught.value)


def test_what_surrounds_a_pasted_key_is_dropped(system):
    """Line breaks, white space, quotes and a byte order mark around a key do no harm."""
    client = getattr(services, system)(f"\ufeff \"{KEYS[system]}'\r\n", base_url="https://one.example")
    assert client._flows.connection.find_key().key.reveal() == KEYS[system]


def test_a_key_never_shows_itself():
    """Text, representation, copies, pickles and f-strings: a mask or nothing."""
    key = ServiceKey(NIMBUS_OS_KEY)
    shown = [
        repr(key),
        str(key),
        f"{key}",
        f"{key!s:>40}",
        json.dumps(key.masked),
        repr([key]),
        repr({1: key}),
    ]
    assert all(NIMBUS_OS_KEY not in text for text in shown)
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
    assert parse_service_key(None, "Nexus", lambda text: "never asked") is None


@pytest.mark.parametrize("place", ["argument", "environment", "dotenv", "store"])
@both_kinds
def test_the_key_comes_from_the_first_place_that_has_one(
    system, place, desk, replies, monkeypatch, own_world
):
    """Argument, environment, .env, store: each wins over all that come after it."""
    order = ["argument", "environment", "dotenv", "store"]
    keys = {name: KEYS[system][:-8] + name[:4] + KEYS[system][-4:] for name in order[order.index(place) :]}
    replies.say("200 OK", {"valid": True})
    if "store" in keys:
        saved = desk(system, keys["store"], base_url=replies.url)
        saved("save_key")
        if place != "store":
            assert saved("forget_key") is True
            saved("save_key")
    if "dotenv" in keys:
        (own_world / "work" / ".env").write_text(f"{VARIABLES[system]}={keys['dotenv']}\n")
    if "environment" in keys:
        monkeypatch.setenv(VARIABLES[system], f" {keys['environment']}\n")
    ask(desk(system, keys.get("argument"), base_url=replies.url), system)
    assert carried(replies, system) == keys[place]


@pytest.mark.parametrize("given", [123, b"nos_0123456789abcdef0123", ["key"], object])
def test_what_is_no_text_is_no_key(system, given):
    """Told as every other text that is no key, and not by Python."""
    with pytest.raises(InvalidKeyFormatError, match="it is no text") as caught:
        getattr(services, system)(given, base_url="https://one.example")
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
    desk, replies, monkeypatch, own_world, place, environment, named, counts
):
    """A key of one environment never goes to the other; the plain name is the sandbox's."""
    replies.say("200 OK", {})
    keys = {name: f"sk_{name.lower()}_0123" for name in named}
    if place == "dotenv":
        lines = "".join(f"{name}={key}\n" for name, key in keys.items())
        (own_world / "work" / ".env").write_text(lines)
    else:
        for name, key in keys.items():
            monkeypatch.setenv(name, key)
    client = desk("NimbusOS", environment=environment, base_url=replies.url)
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
def test_a_page_to_sign_in_on_makes_no_key_valid(desk, replies, paths, body, step):
    """Any 2xx could come from a captive portal: a key is valid where the service answers with JSON."""
    if step == "rotate_key":
        replies.say("200 OK", {"data": []})
    replies.say("200 OK", body)
    client = desk("NimbusOS", KEYS["NimbusOS"], base_url=replies.url)
    if step == "rotate_key":
        client("save_key")
    given = [OTHER["NimbusOS"]] if step == "rotate_key" else []
    with pytest.raises(ResponseFormatError):
        client(step, *given)
    in_use = [] if step == "save_key" else [KEYS["NimbusOS"]]
    file = Path(paths.credentials)
    stored = json.loads(file.read_text()) if file.exists() else {}
    assert [entry["key"] for name, entry in stored.items() if name == "default@nimbus-os.sandbox"] == in_use


def test_a_key_that_may_not_read_the_probe_is_told_of_another(desk, replies):
    """403 says nothing against the key: the hint names the option."""
    replies.say("403 Forbidden", {"error": {"code": "forbidden", "message": "Insufficient permissions"}})
    with pytest.raises(PermissionDeniedError) as caught:
        desk("NimbusOS", KEYS["NimbusOS"], base_url=replies.url)("save_key")
    assert "--probe" in caught.value.hint


def test_an_empty_variable_is_as_good_as_none(system, desk, replies, monkeypatch):
    """CI sets a variable to nothing where it has no secret; the message names the variable all the same."""
    monkeypatch.setenv(VARIABLES[system], " ")
    with pytest.raises(MissingKeyError, match=VARIABLES[system]) as caught:
        ask(desk(system, base_url=replies.url), system)
    assert caught.value.exit_code == 4
    assert not replies.server.requests


def test_a_malformed_key_stops_the_search(system, desk, replies, monkeypatch):
    """A broken key in the environment is a mistake to be told, and not a reason to use another account's."""
    desk(system, KEYS[system], base_url=replies.url)
    monkeypatch.setenv(VARIABLES[system], "Bearer secret-in-the-environment")
    with pytest.raises(InvalidKeyFormatError, match=f"{VARIABLES[system]} in the environment") as caught:
        ask(desk(system, base_url=replies.url), system)
    assert "secret-in-the-environment" not in everything_in(caught.value)


def test_a_stored_key_goes_only_where_it_was_found_valid(system, desk, replies):
    """Another base URL does not get it: it is named, masked, and asked for instead."""
    replies.say("200 OK", {"valid": True})
    desk(system, KEYS[system], base_url=replies.url)("save_key")
    asked = len(replies.server.requests)
    elsewhere = replies.url.replace("127.0.0.1", "localhost")
    with pytest.raises(MissingKeyError, match=r"it is for http://127\.0\.0\.1") as caught:
        ask(desk(system, base_url=elsewhere), system)
    assert KEYS[system] not in everything_in(caught.value)
    assert len(replies.server.requests) == asked


def test_a_stored_key_without_its_origin_is_not_used(desk, replies, paths):
    """If nothing says which service a key is for, it is not sent to any that is asked for."""
    replies.say("200 OK", {"valid": True})
    desk("NeuroAI", KEYS["NeuroAI"], base_url=replies.url)("save_key")
    stored = json.loads(Path(paths.credentials).read_text())
    for entry in stored.values():
        entry["origin"] = ""
    Path(paths.credentials).write_text(json.dumps(stored))
    with pytest.raises(MissingKeyError, match="a service that is not known"):
        ask(desk("NeuroAI", base_url=replies.url), "NeuroAI")


def test_profiles_systems_and_environments_keep_their_keys_apart(desk, replies, paths):
    """Each has an entry of its own; the Nimbus BCI key's is none of them."""
    replies.say("200 OK", {"valid": True})
    for profile in (None, "lab"):
        for environment in ("sandbox", "production"):
            given = {"base_url": replies.url, "environment": environment, "profile": profile}
            desk("NimbusOS", f"sk_{environment}_{profile}_0123456789", **given)("save_key")
        desk("NeuroAI", f"nai_{profile}_0123456789abcdef", base_url=replies.url, profile=profile)("save_key")
        desk("Nexus", f"nxs_{profile}_0123456789abcdef", base_url=replies.url, profile=profile)("save_key")
    stored = json.loads(Path(paths.credentials).read_text())
    entries = ("neuroai", "nexus", "nimbus-os.production", "nimbus-os.sandbox")
    assert sorted(stored) == sorted(
        f"{profile}@{entry}" for profile in ("default", "lab") for entry in entries
    )
    assert len({entry["key"] for entry in stored.values()}) == 8
    assert os.stat(paths.credentials).st_mode & 0o777 == 0o600
    client = desk("NimbusOS", environment="production", base_url=replies.url, profile="lab")
    ask(client, "NimbusOS")
    assert carried(replies, "NimbusOS") == "sk_production_lab_0123456789"


@both_kinds
def test_a_saved_key_keeps_the_one_before_it_at_hand(system, desk, replies):
    """Saving another key loses none: restoring brings the first one back, and again the second."""
    replies.say("200 OK", {"valid": True})
    desk(system, KEYS[system], base_url=replies.url)("save_key")
    second = desk(system, OTHER[system], base_url=replies.url)
    assert second("save_key") == "file"
    assert second("restore_key") == ServiceKey(KEYS[system]).masked
    ask(second, system)
    assert carried(replies, system) == KEYS[system]
    desk(system, base_url=replies.url)("restore_key")
    ask(desk(system, base_url=replies.url), system)
    assert carried(replies, system) == OTHER[system]


def test_with_no_key_before_there_is_nothing_to_bring_back(system, desk, replies):
    """The refusal says where a new one is made."""
    with pytest.raises(MissingKeyError, match="No earlier"):
        desk(system, KEYS[system], base_url=replies.url)("restore_key")


@pytest.mark.parametrize("system", ["NimbusOS", "NeuroAI"])
def test_only_a_valid_key_is_stored(system, desk, replies, paths):
    """A refused key does not take the place of the one that works."""
    replies.say("200 OK", {"valid": True})
    replies.say("401 Unauthorized", {"error": {"code": "unauthorized", "message": "no"}})
    desk(system, KEYS[system], base_url=replies.url)("save_key")
    with pytest.raises(Exception, match="401"):
        desk(system, OTHER[system], base_url=replies.url)("save_key")
    assert OTHER[system] not in Path(paths.credentials).read_text()


def test_a_store_that_fails_is_told_with_a_way_around_it(system, desk, replies, paths):
    """A damaged credentials file is no missing key."""
    Path(paths.credentials).parent.mkdir(parents=True)
    Path(paths.credentials).write_text("{")
    with pytest.raises(CredentialStoreError, match=VARIABLES[system]):
        ask(desk(system, base_url=replies.url), system)


def test_with_no_store_at_all_the_other_places_still_count(system, desk, replies, monkeypatch):
    """NIMBUS_SDK_CREDENTIAL_STORE=none asks no keyring and no file."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    with pytest.raises(MissingKeyError):
        ask(desk(system, base_url=replies.url), system)
    replies.say("200 OK", {"valid": True})
    assert desk(system, KEYS[system], base_url=replies.url)("save_key") == "none"


@pytest.mark.parametrize(
    "url", ["http://api.example", "ftp://api.example", "api.example", "https://user:pw@x.example", ""]
)
def test_a_base_url_that_would_show_the_key_is_refused(system, url):
    """Plain http, other schemes, credentials in the URL: refused before anything is read or sent."""
    with pytest.raises(ConfigurationError, match="base_url"):
        getattr(services, system)(KEYS[system], base_url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost:1", "http://[::1]:1"])
def test_plain_http_is_for_loopback(system, url):
    """This machine's own addresses need no TLS."""
    assert repr(getattr(services, system)(KEYS[system], base_url=f"{url}/")).count(f"base_url='{url}'") == 1


def test_the_base_url_comes_from_the_environment_and_from_no_env_file(monkeypatch, own_world):
    """A .env that came with somebody's repository does not choose where a key goes."""
    (own_world / "work" / ".env").write_text(
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
    ("system", "given"), [("NimbusOS", {"environment": "production"}), ("NeuroAI", {})], ids=["os", "ai"]
)
def test_what_asks_no_service_needs_no_base_url(system, given, desk, replies, paths):
    """A key is forgotten, and a rotation told of, without a word about where the service is."""
    replies.say("200 OK", {"valid": True})
    for key in (KEYS[system], OTHER[system]):
        desk(system, key, base_url=replies.url, **given)("save_key")
    client = desk(system, **given)
    assert "base_url=None" in repr(client.client)
    if system == "NimbusOS":
        assert client("rotation") is None
    assert client("forget_key") is True
    assert not Path(paths.credentials).exists()
    with pytest.raises(ConfigurationError, match="base URL"):
        client("restore_key")


@both_kinds
def test_a_forgotten_key_leaves_no_earlier_one_behind(system, desk, replies, paths):
    """Whoever forgets the stored key wants none to be left here; what others stored stays."""
    replies.say("200 OK", {"valid": True})
    desk(system, KEYS[system], base_url=replies.url, profile="lab")("save_key")
    for key in (KEYS[system], OTHER[system]):
        desk(system, key, base_url=replies.url)("save_key")
    client = desk(system, base_url=replies.url)
    assert client("forget_key") is True
    (left,) = json.loads(Path(paths.credentials).read_text())
    assert left.startswith("lab@")
    assert client("forget_key") is False
    with pytest.raises(MissingKeyError, match="No earlier"):
        client("restore_key")


@both_kinds
def test_offline_nothing_is_sent(system, desk, replies, monkeypatch):
    """Offline mode holds for the further systems as well."""
    replies.say("200 OK", {})
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    with pytest.raises(NimbusConnectionError, match="Offline mode"):
        ask(desk(system, KEYS[system], base_url=replies.url), system)
    assert replies.server.connections == 0


def test_no_profile_can_be_mistaken_for_an_entry():
    """A service's entry has a letter that no profile may have."""

    entry = Settings(home="/srv").for_service("neuroai").profile
    with pytest.raises(ConfigurationError):
        Settings.load(profile=entry)


def test_an_env_file_that_is_no_text_shows_nothing_of_itself(system, desk, replies, own_world):
    """The error names the file; the key in it is in no frame of the traceback."""
    secret = KEYS[system]
    (own_world / "work" / ".env").write_bytes(f"{VARIABLES[system]}={secret}".encode() + b"\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"not UTF-8|cannot be read") as caught:
        ask(desk(system, base_url=replies.url), system)
    assert secret not in everything_in(caught.value)


def test_a_stored_text_that_is_no_key_is_told_as_such(system, desk, replies, paths):
    """Somebody edited the file: the message names the system's own command."""
    replies.say("200 OK", {"valid": True})
    desk(system, KEYS[system], base_url=replies.url)("save_key")
    stored = json.loads(Path(paths.credentials).read_text())
    for entry in stored.values():
        entry["key"] = "Bearer no key"
    Path(paths.credentials).write_text(json.dumps(stored))
    with pytest.raises(CredentialStoreError, match=r"is not a N\w+( OS)? key\..*save-key"):
        ask(desk(system, base_url=replies.url), system)


def test_the_key_is_looked_for_once(system, desk, replies, monkeypatch):
    """A client that has found its key does not ask the store again."""
    replies.say("200 OK", {"valid": True})
    desk(system, KEYS[system], base_url=replies.url)("save_key")
    client = desk(system, base_url=replies.url)
    ask(client, system)
    from nimbus_sdk.services.base import key_slot

    monkeypatch.setattr(key_slot.KeySlot, "read", lambda self: pytest.fail("asked again"))
    ask(client, system)
