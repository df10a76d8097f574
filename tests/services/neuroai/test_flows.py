"""NeuroAI's keys: created, listed, changed, rotated, deleted; and responses that are lost on the way."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from nimbus_sdk import services
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import (
    AnswerLostError,
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyError,
    KeyNotFoundError,
    NimbusConnectionError,
    PermissionDeniedError,
    ResponseFormatError,
    ServerError,
)
from nimbus_sdk.services import KEEP, KeyType, Permission, RateLimit, Role
from nimbus_sdk.services.neuroai.schemas import KeyInfo
from nimbus_sdk.storage.lock import Lock
from tests.services.conftest import NEUROAI_KEY, either_kind
from tests.support.evidence import everything_in
from tests.support.raw_server import head, serving

SECRET = "nai_secret0secret0secret0secret"


@pytest.fixture
def client(open_client, box):
    """A client whose key may do everything."""
    return open_client("NeuroAI", box.new_neuroai_key(), base_url=box.neuroai_url)


def posts(box) -> int:
    """How often a key was asked for."""
    return sum(
        exchange.method == "POST" and exchange.path.endswith("/api-keys") for exchange in box.journal()
    )


@either_kind
def test_the_whole_life_of_a_key(client, open_client, box):
    """Create, verify, get, update, rotate, delete: each step shows in the next."""
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    issued = client(
        "create_key",
        "Production CI/CD",
        description="builds",
        role=Role.DEVELOPER,
        type=KeyType.SERVICE,
        expires_at=expires,
        permissions=["agents:read", "custom:thing"],
        referrers=["127.0.0.1"],
        rate_limit=RateLimit(100, per_seconds=60),
    )
    made = issued.info
    assert (made.name, made.description, made.role, made.type) == (
        "Production CI/CD",
        "builds",
        Role.DEVELOPER,
        KeyType.SERVICE,
    )
    assert (made.expires_at, made.permissions) == (expires, ("agents:read", "custom:thing"))
    assert (made.referrers, made.rate_limit) == (("127.0.0.1",), RateLimit(100))
    own = open_client("NeuroAI", issued.secret.get_secret_value(), base_url=box.neuroai_url)
    assert own("verify").key.id == made.id
    assert client("get_key", made.id).name == made.name
    changed = client("update_key", made.id, description=None, rate_limit=None, role=Role.VIEWER)
    assert (changed.description, changed.rate_limit, changed.role) == ("", None, Role.VIEWER)
    assert changed.name == made.name
    rotated = client("rotate_key", made.id)
    assert rotated.info.id == made.id
    assert rotated.secret != issued.secret
    with pytest.raises(InvalidKeyError):
        own("verify")
    client("delete_key", made.id)
    with pytest.raises(KeyNotFoundError, match="has no key"):
        client("get_key", made.id)


@either_kind
def test_a_list_is_fetched_page_by_page(client, box):
    """Every key once, and no page before it is asked for."""
    for number in range(7):
        client("create_key", f"{client.kind} page {number}", role="Viewer")
    box.clear_journal()
    listed = client("list_keys", page_size=3)
    ours = [key.name for key in listed if key.name.startswith(f"{client.kind} page")]
    assert ours == [f"{client.kind} page {number}" for number in range(7)]
    assert len({key.id for key in listed}) == len(listed)
    assert len(box.journal()) == -(-len(listed) // 3)
    if client.kind == "sync":
        box.clear_journal()
        lazy = client.client.list_keys(page_size=2)
        next(lazy)
        assert len(box.journal()) == 1


def test_a_page_that_leads_to_itself_ends_the_list(open_client, replies):
    """A broken server costs two requests, and not a loop."""
    replies.say("200 OK", {"data": [{"id": "key_1", "name": "a"}], "next_cursor": "x"})
    with pytest.raises(ResponseFormatError, match="leads to itself"):
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("list_keys")
    assert len(replies.server.requests) == 2


def test_a_secret_is_masked_with_a_notice(client):
    """Masked in every representation, with a notice, and never in a pickle."""
    issued = client("create_key", "once", role=Role.VIEWER)
    secret = issued.secret.get_secret_value()
    assert isinstance(issued.secret, SecretStr)
    assert "shown only once" in issued.notice
    assert secret not in f"{issued} {issued!r} {issued.info!r} {vars(type(issued))} {issued.notice}"
    assert secret not in issued.info.model_dump_json()
    with pytest.raises(TypeError):
        pickle.dumps(issued)


@either_kind
def test_save_puts_the_secret_straight_into_the_store(client, open_client, box, paths):
    """The next client needs no key; the previous one stays stored."""
    client("save_key")
    issued = client("create_key", "stored", role="Administrator", type="team", save=True)
    assert issued.saved_in == "file"
    assert "stored (file)" in issued.notice
    fresh = open_client("NeuroAI", base_url=box.neuroai_url)
    assert fresh("verify").key.id == issued.info.id
    fresh("restore_key")
    assert fresh("verify").key.name == "sandbox"
    text = Path(paths.credentials).read_text()
    assert issued.secret.get_secret_value() in text


def test_a_store_that_refuses_costs_no_secret(client, monkeypatch):
    """A key that was made cannot be made unmade: its secret is handed over, with what went wrong."""
    from nimbus_sdk.services.base import key_slot

    def refuse(*_, **__):
        raise CredentialStoreError("The disk is full.")

    monkeypatch.setattr(key_slot.KeySlot, "save", refuse)
    issued = client("create_key", "unsaved", role="Viewer", save=True)
    assert issued.saved_in is None
    assert "The disk is full." in issued.notice
    assert issued.secret.get_secret_value()


@pytest.mark.parametrize("call", [("create_key", "nowhere"), ("rotate_key", "key_1")])
def test_with_no_store_no_secret_is_asked_for(open_client, box, monkeypatch, call):
    """save=True with nowhere to save is refused while nothing has happened yet."""
    monkeypatch.setenv("NIMBUS_SDK_CREDENTIAL_STORE", "none")
    client = open_client("NeuroAI", box.new_neuroai_key(), base_url=box.neuroai_url)
    with pytest.raises(CredentialStoreError, match="none was asked for"):
        client(*call, save=True)
    assert all(exchange.method == "GET" for exchange in box.journal())


def test_a_store_that_is_broken_before_makes_no_key(client, box, paths):
    """A store that cannot be read is found out before a key is made."""
    Path(paths.credentials).parent.mkdir(parents=True, exist_ok=True)
    Path(paths.credentials).write_text("{")
    with pytest.raises(CredentialStoreError):
        client("create_key", "never", role="Viewer", save=True)
    assert posts(box) == 0


def test_refusals_keep_their_class(open_client, box):
    """A viewer makes no keys; a key that expired says so."""
    viewer = open_client("NeuroAI", box.new_neuroai_key(role="Viewer"), base_url=box.neuroai_url)
    with pytest.raises(PermissionDeniedError):
        viewer("create_key", "no", role="Viewer")
    expired = box.new_neuroai_key(expires_at=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(Exception, match="expired") as caught:
        open_client("NeuroAI", expired, base_url=box.neuroai_url)("verify")
    assert type(caught.value).__name__ == "KeyExpiredError"


@pytest.mark.parametrize("fault", [{"reset": "after_work"}, {"reset": "after_head"}, {"truncate": 5}])
@either_kind
def test_a_key_whose_response_was_lost_is_found_and_not_made_twice(client, box, fault):
    """One request, one key; the error names it, and rotating it gives a secret."""
    box.fault("neuroai_keys", **fault)
    with pytest.raises(AnswerLostError, match="was lost") as caught:
        client("create_key", f"{client.kind} lost {fault}", role="Viewer")
    (made,) = caught.value.left_behind
    assert posts(box) == 1
    assert [key.id for key in client("list_keys") if key.name == f"{client.kind} lost {fault}"] == [made]
    assert made in caught.value.hint
    assert client("rotate_key", made).secret.get_secret_value()


@pytest.mark.parametrize("fault", [{"reset": "before_head"}, {"status": 500}, {"status": 503}])
def test_a_key_that_was_not_made_is_asked_for_again(client, box, fault):
    """The list shows that nothing happened, so a second request does no harm: one key in the end."""
    box.fault("neuroai_keys", **fault)
    issued = client("create_key", f"{client.kind} again {fault}", role="Viewer")
    assert posts(box) == 2
    assert [key.id for key in client("list_keys") if key.name == f"{client.kind} again {fault}"] == [
        issued.info.id
    ]


def test_a_service_that_fails_again_is_reported(client, box):
    """Two requests, two looks at the list, and the service's own fault."""
    box.fault("neuroai_keys", status=500)
    box.fault("neuroai_keys", status=500, after=1)
    with pytest.raises(ServerError):
        client("create_key", "never", role="Viewer")
    assert posts(box) == 2


def test_if_the_list_cannot_be_read_the_outcome_is_unknown(client, box):
    """The error says so, and nothing is sent again."""
    box.fault("neuroai_keys", reset="after_work")
    box.fault("neuroai_keys", status=500, times=None)
    with pytest.raises(AnswerLostError, match="it is not known") as caught:
        client("create_key", "unknown", role="Viewer")
    assert caught.value.left_behind == ()
    assert posts(box) == 1


def test_a_response_without_a_secret_is_a_lost_response(open_client, replies):
    """A captive portal's 200, or a body without the field: the key may be there all the same."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    made = {"id": "key_9", "name": "odd", "created_at": now}
    replies.say("201 Created", made)
    replies.say("200 OK", {"data": [made], "next_cursor": None})
    with pytest.raises(AnswerLostError) as caught:
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", "odd")
    assert caught.value.left_behind == ("key_9",)


def test_an_older_key_of_the_same_name_is_not_taken_for_the_lost_one(open_client, replies):
    """Only one that is as new as the request can be it; the service's clock decides."""
    offset = timedelta(hours=3)
    now = datetime.now(UTC) + offset
    older = {"id": "key_old", "name": "CI", "created_at": f"{now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"}
    replies.say("500 Oops", {})
    replies.say("200 OK", {"data": [older]}, f"Date: {format_datetime(now, usegmt=True)}")
    replies.say("201 Created", {"id": "key_new", "name": "CI", "key": SECRET})
    issued = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", "CI")
    assert issued.info.id == "key_new"
    assert [request.line.split()[0] for request in replies.server.requests] == ["POST", "GET", "POST"]


@either_kind
def test_after_a_timeout_nothing_is_sent_again(open_client):
    """The service may still be at work: an empty list proves nothing then."""
    release = threading.Event()

    def slow_to_create(connection, request):
        if request.line.startswith("POST"):
            release.wait(5)
        else:
            connection.sendall(head("200 OK", length=12) + b'{"data": []}')

    with serving(slow_to_create) as server:
        client = open_client("NeuroAI", NEUROAI_KEY, base_url=server.url, timeout=3)
        from nimbus_sdk.transport import response_reader

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(response_reader, "SILENCE_SECONDS", 0.2)
            with pytest.raises(AnswerLostError, match="may still be made"):
                client("create_key", "slow")
        release.set()
        assert [request.line.split()[0] for request in server.requests] == ["POST", "GET"]


def test_a_request_that_was_never_sent_is_no_lost_response(open_client):
    """Nothing listens there: the plain connection error, and no talk of keys."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for call in (("create_key", "x"), ("rotate_key", "key_1")):
        with pytest.raises(NimbusConnectionError) as caught:
            open_client("NeuroAI", NEUROAI_KEY, base_url=f"http://127.0.0.1:{port}")(*call)
        assert not isinstance(caught.value, AnswerLostError)


@pytest.mark.parametrize("fault", [{"reset": "after_work"}, {"status": 500}])
@either_kind
def test_a_lost_rotation_is_done_once_more(client, open_client, box, fault):
    """The secret that was lost dies with the second rotation; the one that is handed over works."""
    made = client("create_key", f"rotated {fault}", role="Viewer").info
    box.fault("neuroai_rotate", **fault)
    issued = client("rotate_key", made.id)
    assert (
        open_client("NeuroAI", issued.secret.get_secret_value(), base_url=box.neuroai_url)("verify").key.id
        == made.id
    )


def test_a_rotation_that_is_lost_for_good_is_reported(client, box):
    """The error names the key, and that rotating it again gives a secret."""
    made = client("create_key", "gone", role="Viewer").info
    box.fault("neuroai_rotate", reset="after_work", times=None)
    with pytest.raises(AnswerLostError, match="may be invalid") as caught:
        client("rotate_key", made.id)
    assert caught.value.left_behind == (made.id,)


def test_a_client_that_rotates_its_own_key_uses_the_new_one(client, open_client, box, paths):
    """The stored key is replaced too, with or without save: the old one would fail everywhere else."""
    client("save_key")
    stored = open_client("NeuroAI", base_url=box.neuroai_url)
    own = stored("verify").key.id
    issued = stored("rotate_key", own)
    assert issued.saved_in == "file"
    assert stored("verify").key.id == own
    assert open_client("NeuroAI", base_url=box.neuroai_url)("verify").key.rotated_at is not None
    assert list(json.loads(Path(paths.credentials).read_text())) == ["default@neuroai"]
    with pytest.raises(InvalidKeyError):
        client("verify")


def test_an_own_key_from_an_argument_is_not_stored_without_save(client):
    """The result has the secret; where to store it is the caller's choice."""
    own = client("verify").key.id
    issued = client("rotate_key", own)
    assert issued.saved_in is None
    assert client("verify").key.id == own


def test_an_own_key_whose_rotation_is_lost_says_what_that_means(client, box):
    """The key in use may be invalid: the next step is the dashboard."""
    own = client("verify").key.id
    box.fault("neuroai_rotate", reset="after_work")
    with pytest.raises(AnswerLostError, match="the key in use"):
        client("rotate_key", own)


@pytest.mark.parametrize(("age", "rotated"), [(91, True), (89, False)])
def test_a_key_is_rotated_when_it_is_old_enough(open_client, replies, age, rotated):
    """By the service's clock, from its last rotation on, or from its creation."""
    now = datetime.now(UTC) + timedelta(days=400)
    date = f"Date: {format_datetime(now, usegmt=True)}"
    since = f"{now - timedelta(days=age):%Y-%m-%dT%H:%M:%SZ}"
    key = {"id": "key_1", "name": "a", "created_at": "2020-01-01T00:00:00Z", "rotated_at": since}
    for _ in range(2 if rotated else 1):
        replies.say("200 OK", {"valid": True, "key": key}, date)
    if rotated:
        replies.say("200 OK", {**key, "key": SECRET}, date)
    issued = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("rotate_if_older_than")
    assert (issued is not None) is rotated
    assert len(replies.server.requests) == (3 if rotated else 1)


def test_another_key_can_be_rotated_on_schedule(client):
    """By its id; a fresh one is left alone, and an absurd age is refused."""
    made = client("create_key", "scheduled", role="Viewer").info
    assert client("rotate_if_older_than", 1, key_id=made.id) is None
    assert client("rotate_if_older_than", 1e-9, key_id=made.id).info.id == made.id
    with pytest.raises(ConfigurationError, match="above 0"):
        client("rotate_if_older_than", 0)


def test_a_key_of_unknown_age_is_not_rotated(open_client, replies):
    """A missing age is an error, and not taken for great age."""
    replies.say("200 OK", {"valid": True, "key": {"id": "key_1", "name": "a"}})
    with pytest.raises(ResponseFormatError, match="does not say when"):
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("rotate_if_older_than")


def test_of_many_scheduled_rotations_one_rotates(box):
    """Ten clients of one stored key come at the same moment: it is rotated once, and all of them work."""
    made = f"{datetime.now(UTC) - timedelta(days=100):%Y-%m-%dT%H:%M:%SZ}"
    with services.NeuroAI(box.new_neuroai_key(), base_url=box.neuroai_url) as first:
        first.save_key()
        own = first.verify().key
    # The key in use is old until it is rotated.
    old = {"valid": True, "key": {"id": own.id, "name": own.name, "created_at": made}}
    box.fault("neuroai_verify", status=200, body=old, times=2)

    async def main() -> list[object]:
        async def one() -> object:
            async with services.AsyncNeuroAI(base_url=box.neuroai_url) as client:
                return await client.rotate_if_older_than(90)

        return await asyncio.gather(*(one() for _ in range(10)))

    results = asyncio.run(main())
    assert sum(result is not None for result in results) == 1
    with services.NeuroAI(base_url=box.neuroai_url) as last:
        assert last.verify().key.id == own.id


@either_kind
def test_a_lock_that_is_never_released_is_reported(client, paths, monkeypatch):
    """Half a minute of patience, no more."""
    from nimbus_sdk.services.neuroai import flows

    monkeypatch.setattr(flows, "_LOCK_SECONDS", 0.2)
    with Lock(f"{Settings.load().for_service('neuroai').paths.rotation}.lock") as lock:
        assert lock.try_acquire()
        with pytest.raises(ConfigurationError, match="Another process has been rotating"):
            client("rotate_if_older_than")


@either_kind
def test_a_delete_whose_response_was_lost_has_deleted(client, box):
    """The repeat finds nothing, which is what was wanted; a key that never was is an error."""
    made = client("create_key", "doomed", role="Viewer").info
    box.fault("neuroai_key", reset="after_work")
    client("delete_key", made.id)
    with pytest.raises(KeyNotFoundError):
        client("delete_key", made.id)


@pytest.mark.parametrize("key_id", ["", "..", "a/../b"])
def test_an_id_never_leads_elsewhere(client, box, key_id):
    """Whatever is given as an id stays one segment of the path."""
    with pytest.raises((ConfigurationError, KeyNotFoundError)):
        client("delete_key", key_id)
    assert all(exchange.path.count("/") <= 5 for exchange in box.journal())


SNAKE = {
    "id": "key_1",
    "name": "CI",
    "expires_at": "2027-01-31T09:00:00Z",
    "created_at": "2026-01-31T10:00:00+01:00",
    "rate_limit": {"requests": 5, "per_seconds": 10},
    "last_used_at": None,
    "key_prefix": "nai_1",
    "referrers": ["example.com"],
    "permissions": ["a:b"],
    "brand_new_field": {"anything": 1},
}
CAMEL = {
    "id": "key_1",
    "name": "CI",
    "expiresAt": "2027-01-31T09:00:00Z",
    "createdAt": "2026-01-31T10:00:00+01:00",
    "rateLimit": {"requests": 5, "perSeconds": 10},
    "lastUsedAt": None,
    "keyPrefix": "nai_1",
    "referrerRestrictions": ["example.com"],
    "permissions": ["a:b"],
    "brandNewField": {"anything": 1},
}


@pytest.mark.parametrize("fields", [SNAKE, CAMEL])
@pytest.mark.parametrize("around", [lambda key: key, lambda key: {"data": key}, lambda key: {"apiKey": key}])
def test_keys_are_read_in_both_spellings_and_wherever_they_are(open_client, replies, fields, around):
    """snake_case, camelCase, bare or within an envelope: the same key."""
    replies.say("200 OK", around(fields))
    key = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("get_key", "key_1")
    assert key == KeyInfo(
        id="key_1",
        name="CI",
        expires_at=datetime(2027, 1, 31, 9, tzinfo=UTC),
        created_at=datetime(2026, 1, 31, 9, tzinfo=UTC),
        rate_limit=RateLimit(5, per_seconds=10),
        key_prefix="nai_1",
        referrers=("example.com",),
        permissions=(Permission("a:b"),),
    )
    assert key.secret_since == datetime(2026, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize("around", [lambda keys: keys, lambda keys: {"apiKeys": keys, "nextCursor": None}])
def test_lists_are_read_wherever_they_are(open_client, replies, around):
    """Bare, or under any of the usual names."""
    replies.say("200 OK", around([SNAKE, CAMEL]))
    assert len(open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("list_keys")) == 2


@pytest.mark.parametrize("name", ["key", "api_key", "apiKey", "secret", "token"])
@pytest.mark.parametrize("nested", [False, True])
def test_the_secret_is_read_under_any_usual_name(open_client, replies, name, nested):
    """Beside the key or within it."""
    body = {"data": {**SNAKE, name: SECRET}} if nested else {**SNAKE, name: SECRET}
    replies.say("201 Created", body)
    issued = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", "CI")
    assert issued.secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        7,
        None,
        {},
        {"id": "key_1"},
        {"id": 1, "name": "a"},
        {"id": "key_1", "name": "a", "expires_at": "tomorrow"},
        {"id": "key_1", "name": "a", "role": 7},
        {"id": "key_1", "name": "a", "rate_limit": {"requests": -1}},
        {"id": "key_1", "name": "a", "permissions": "all"},
        {"id": "key_1", "name": SECRET * 1000},
    ],
)
def test_what_cannot_be_read_names_the_field_and_no_value(open_client, replies, body):
    """A wrong response is the SDK's own error, without its content."""
    replies.say("200 OK", b"null" if body is None else body)
    with pytest.raises(ResponseFormatError) as caught:
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("get_key", "key_1")
    assert SECRET not in everything_in(caught.value)
    assert "pydantic" not in everything_in(caught.value)


def test_a_secret_that_is_no_key_is_refused_without_showing_it(open_client, replies):
    """A line break in it would break the next request's header; nothing of it is in the error."""
    made = {"id": "key_1", "name": "CI", "key": f"{SECRET}\n{SECRET}"}
    replies.say("201 Created", made)
    replies.say("200 OK", {"data": []})
    replies.say("201 Created", made)
    replies.say("200 OK", {"data": []})
    with pytest.raises(ResponseFormatError) as caught:
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", "CI")
    assert SECRET not in everything_in(caught.value)


def test_a_key_that_is_not_valid_is_refused_whatever_the_status(open_client, replies):
    """200 with "valid": false is a refusal; a response that says neither is an error."""
    replies.say("200 OK", {"valid": False})
    replies.say("200 OK", {"valid": "yes"})
    client = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)
    with pytest.raises(InvalidKeyError):
        client("verify")
    with pytest.raises(ResponseFormatError):
        client("verify")


def test_what_is_sent_has_the_documented_names(open_client, replies):
    """snake_case, times in UTC, nothing that was not said; an update can empty a field."""
    replies.say("201 Created", {**SNAKE, "key": SECRET})
    replies.say("200 OK", SNAKE)
    client = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)
    zone = datetime(2027, 1, 31, 10, tzinfo=UTC).astimezone()
    client("create_key", "CI", role=Role.API_MANAGER, expires_at=zone, permissions=("x",), rate_limit=60)
    client("update_key", "key_1", name="B", expires_at=None, permissions=[], description=KEEP)
    created, updated = (json.loads(request.body) for request in replies.server.requests)
    assert created == {
        "name": "CI",
        "type": "personal",
        "role": "API Manager",
        "expires_at": "2027-01-31T10:00:00Z",
        "permissions": ["x"],
        "rate_limit": {"requests": 60, "per_seconds": 60},
    }
    assert updated == {"name": "B", "expires_at": None, "permissions": []}


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"name": " "}, "needs a name"),
        ({"name": "a", "expires_at": datetime(2027, 1, 31)}, "no time zone"),
        ({"name": "a", "permissions": "agents:read"}, "lists of texts"),
        ({"name": "a", "rate_limit": 0}, "whole numbers above 0"),
        ({"name": "a", "rate_limit": True}, "whole numbers above 0"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused_here(open_client, replies, given, what):
    """Nothing is sent."""
    with pytest.raises(ConfigurationError, match=what):
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", **given)
    assert replies.server.connections == 0


def test_roles_and_types_are_words_that_may_be_new():
    """Known in any spelling, unknown as they are; both are text."""
    assert [Role.VIEWER, Role.DEVELOPER, Role.ADMINISTRATOR, Role.API_MANAGER] == [
        "Viewer",
        "Developer",
        "Administrator",
        "API Manager",
    ]
    assert Role("api-manager") == Role.API_MANAGER
    assert Role(" VIEWER ").is_known
    assert Role("Auditor") == "Auditor"
    assert not Role("Auditor").is_known
    assert KeyType("SERVICE") == KeyType.SERVICE == "service"
    assert not KeyType("robot").is_known
    assert isinstance(Permission("a:b"), str)
    assert repr(KEEP) == "KEEP"
    assert len({Role.VIEWER, Role("viewer"), "Viewer"}) == 1
