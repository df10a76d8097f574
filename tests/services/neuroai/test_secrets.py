"""A secret of NeuroAI that has arrived is never lost, and one that is a key goes into no URL."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.errors import (
    AnswerLostError,
    ConfigurationError,
    InvalidKeyError,
    NimbusConnectionError,
    ResponseFormatError,
)
from nimbus_sdk.services.base import key_slot
from nimbus_sdk.services.neuroai.schemas import IssuedKey, RateLimit, Role
from nimbus_sdk.transport import threads
from nimbus_sdk.transport.flow import Response
from tests.services.conftest import NEUROAI_KEY, either_kind

SECRET = "nai_secret0secret0secret0secret"
OWN = {"valid": True, "key": {"id": "key_own", "name": "own", "created_at": "2020-01-01T00:00:00Z"}}
ODD = [
    {"id": "key_1", "key": SECRET},
    {"id": "key_1", "name": "CI", "key": SECRET, "rate_limit": {"limit": 60}, "role": "Viewer"},
    {"id": "key_1", "name": 7, "key": SECRET, "permissions": "all", "role": "Viewer"},
    {"id": "key_1", "name": "CI", "expires_at": "never", "data": {"secret": SECRET}},
    {"data": {"api_key": {"id": "key_1"}, "secret": SECRET}},
    {"success": True, "data": {"key": {"api_key": SECRET}}},
    {"key": SECRET},
]


@pytest.mark.parametrize("body", ODD)
def test_a_secret_is_not_lost_to_other_fields(open_client, replies, body):
    """A rotated key's old secret is invalid: the new one is returned, with whatever is valid of the rest."""
    replies.say("200 OK", OWN)
    replies.say("200 OK", body)
    issued = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("rotate_key", "key_1")
    assert issued.secret.get_secret_value() == SECRET
    assert issued.info.id == "key_1"
    assert issued.info.role == (Role.VIEWER if "role" in body else None)
    assert len(replies.server.requests) == 2
    assert SECRET not in f"{issued!r}{issued.info!r}"


@pytest.mark.parametrize("body", ODD)
def test_a_key_that_was_made_is_not_made_twice(open_client, replies, body):
    """One request, one key, its secret; the name is the one that was sent."""
    replies.say("201 Created", body)
    issued = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", "CI")
    assert (issued.secret.get_secret_value(), issued.info.name) == (SECRET, "CI")
    assert len(replies.server.requests) == 1


def test_all_valid_fields_of_an_odd_response_are_parsed(open_client, replies):
    """One field that cannot be read costs that field."""
    made = {"id": "key_1", "name": "a", "description": "b", "rateLimit": 60, "expires_at": "never"}
    replies.say("201 Created", {**made, "key": SECRET})
    info = open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", "CI").info
    assert (info.id, info.name, info.description, info.rate_limit, info.expires_at) == (
        "key_1",
        "a",
        "b",
        RateLimit(60),
        None,
    )


def test_a_key_without_an_id_says_so(open_client, replies):
    """Its secret is there; its id is in the list."""
    replies.say("201 Created", {"key": SECRET})
    assert open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", "CI").info.id == ""


@either_kind
def test_ctrl_c_while_a_secret_is_stored_returns_the_secret(open_client, box, monkeypatch):
    """The old one is invalid: an interrupted call returns the new one, and says that it is not stored."""
    open_client("NeuroAI", box.new_neuroai_key(), base_url=box.neuroai_url)("save_key")
    client = open_client("NeuroAI", base_url=box.neuroai_url)

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    own = client("verify").key.id
    monkeypatch.setattr(key_slot.KeySlot, "save", pressed)
    issued = client("rotate_key", own, save=True)
    assert issued.saved_in is None
    assert "Ctrl-C" in issued.notice
    with services.NeuroAI(issued.secret.get_secret_value(), base_url=box.neuroai_url) as fresh:
        assert fresh.verify().key.id == own


def test_a_secret_of_a_cancelled_task_is_stored(paths, monkeypatch):
    """Nobody hears it any more, and no thread was free: it is in the store all the same."""
    monkeypatch.setattr(threads, "MOST_THREADS", 1)

    class Busy:
        answered = False

        async def send(self, call, deadline):
            self.work = asyncio.create_task(threads.run_in_thread(lambda: time.sleep(1.0)))
            await asyncio.sleep(0.05)
            self.answered = True
            made = {"id": "key_1", "name": "CI", "key": SECRET}
            return Response(status=201, headers={}, body=json.dumps(made).encode())

        async def aclose(self):
            pass

    async def main() -> None:
        busy = Busy()
        client = services.AsyncNeuroAI(NEUROAI_KEY, base_url="https://neuroai.example", transport=busy)
        task = asyncio.create_task(client.create_key("CI", save=True))
        while not busy.answered:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await busy.work

    asyncio.run(main())
    assert SECRET in Path(paths.credentials).read_text()


def test_a_replaced_stored_key_is_named(open_client, box):
    """The result says which key it replaced; that one stays stored."""
    admin = box.new_neuroai_key()
    client = open_client("NeuroAI", admin, base_url=box.neuroai_url)
    assert client("create_key", "first", save=True).replaced == ""
    client("save_key")
    issued = client("create_key", "second", role="Viewer", save=True)
    assert issued.replaced == f"{admin[:4]}…{admin[-4:]}"
    assert issued.replaced in issued.notice
    assert "restore-key" in issued.notice
    assert client("restore_key") == issued.replaced


def test_a_rotated_key_does_not_remove_another_stored_one(open_client, box, paths):
    """The key from the argument rotated itself; the stored one is still valid, and stays stored."""
    stored, used = box.new_neuroai_key(), box.new_neuroai_key()
    open_client("NeuroAI", stored, base_url=box.neuroai_url)("save_key")
    client = open_client("NeuroAI", used, base_url=box.neuroai_url)
    issued = client("rotate_key", client("verify").key.id, save=True)
    assert issued.replaced == f"{stored[:4]}…{stored[-4:]}"
    text = Path(paths.credentials).read_text()
    assert stored in text
    assert issued.secret.get_secret_value() in text


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), 1e12])
def test_days_that_no_calendar_has_are_refused(open_client, replies, days):
    """Nothing is sent."""
    with pytest.raises(ConfigurationError, match="days must be above 0"):
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("rotate_if_older_than", days)
    assert replies.server.connections == 0


def test_a_circular_list_ends_with_an_error(open_client, replies):
    """Page a leads to b, and b to a."""
    for cursor in "abab":
        replies.say("200 OK", {"data": [], "next_cursor": cursor})
    with pytest.raises(ResponseFormatError, match="leads to itself"):
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("list_keys")
    assert len(replies.server.requests) == 3


def test_an_endless_list_ends_with_an_error(monkeypatch):
    """A new cursor every time, and never a key."""
    from nimbus_sdk.services.neuroai import wire

    monkeypatch.setattr(wire, "_MAX_PAGES", 20)
    pages = wire.Pagination()
    for number in range(20):
        pages.advance(str(number))
    with pytest.raises(ResponseFormatError, match="no end"):
        pages.advance("20")


def test_a_circular_list_ends_the_search_for_a_lost_key(open_client, replies):
    """The search for a key whose response was lost ends too, and says that the outcome is not known."""
    replies.say("500 Oops", {})
    for cursor in "abab":
        replies.say("200 OK", {"data": [], "next_cursor": cursor})
    with pytest.raises(AnswerLostError, match="it is not known"):
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("create_key", "CI")


@pytest.mark.parametrize(
    "text", [NEUROAI_KEY, f" {NEUROAI_KEY}\n", NEUROAI_KEY[:-4] + "0000", "eyJhbGciOi.eyJpb.c2ln"]
)
@pytest.mark.parametrize("call", ["get_key", "update_key", "rotate_key", "delete_key"])
def test_a_key_given_as_an_id_is_not_sent(open_client, replies, text, call):
    """A URL is in everybody's log; the error does not repeat it either."""
    replies.say("200 OK", OWN)
    with pytest.raises(ConfigurationError, match="not the id of a key") as caught:
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)(call, text)
    assert text.strip() not in str(caught.value)
    assert all(text.strip()[4:] not in request.line for request in replies.server.requests)


@pytest.mark.parametrize("body", [{}, {"ok": True}, [], {"data": {}}])
def test_a_response_that_says_nothing_makes_no_key_valid(open_client, replies, body):
    """A key is valid if the service says so, or returns it."""
    replies.say("200 OK", body)
    with pytest.raises(ResponseFormatError, match="whether the key is valid"):
        open_client("NeuroAI", NEUROAI_KEY, base_url=replies.url)("save_key")


class Ending:
    """A service that deletes the key in use, and whose response to that is lost."""

    def __init__(self) -> None:
        self.ended = False

    def send(self, call, deadline):
        """Respond, or not."""
        if call.method == "DELETE" and not self.ended:
            self.ended = True
            raise NimbusConnectionError("The connection broke off.")
        if self.ended:
            refusal = {"error": {"code": "unauthorized", "message": "Invalid"}}
            return Response(status=401, headers={}, body=json.dumps(refusal).encode())
        return Response(status=200, headers={}, body=json.dumps(OWN).encode())

    def close(self):
        """Nothing is open."""


def test_a_key_that_deleted_itself_is_deleted_although_the_response_was_lost():
    """The repeat is refused because the first request was carried out."""
    with services.NeuroAI(NEUROAI_KEY, base_url="https://n.example", transport=Ending()) as client:
        client.verify()
        client.delete_key("key_own")


def test_if_it_is_unknown_whose_key_was_deleted_both_cases_are_named():
    """It may have been the key in use."""
    with (
        services.NeuroAI(NEUROAI_KEY, base_url="https://n.example", transport=Ending()) as client,
        pytest.raises(InvalidKeyError) as caught,
    ):
        client.delete_key("key_own")
    assert "it has been deleted" in caught.value.hint


def test_an_issued_key_names_what_it_replaced():
    """The words of the notice, in every case."""
    from pydantic import SecretStr

    from nimbus_sdk.services.neuroai.schemas import KeyInfo

    given = {"info": KeyInfo(id="key_1", name="a", created_at=datetime.now(UTC)), "secret": SecretStr(SECRET)}
    assert IssuedKey(**given, saved_in="file").notice == (
        "The secret is stored (file); NeuroAI never shows it again."
    )
    assert "in place of nai_…0000" in IssuedKey(**given, saved_in="file", replaced="nai_…0000").notice
