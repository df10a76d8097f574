"""One endpoint as an ASGI application: journal, faults, the endpoint's own answer, delivery."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from nimbus_sdk.sandbox.http.connection import SCOPE_KEY, Connection
from nimbus_sdk.sandbox.http.delivery import deliver, gone_within, until_gone
from nimbus_sdk.sandbox.http.error_bodies import error_reply
from nimbus_sdk.sandbox.http.faults import Fault
from nimbus_sdk.sandbox.http.refusals import Refused
from nimbus_sdk.sandbox.http.request_log import Entry
from nimbus_sdk.sandbox.http.responses import Answered, Reply, json_reply

if TYPE_CHECKING:
    from nimbus_sdk.sandbox.app.state import State

MAX_BODY = 1024 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, read whole, and the sandbox it came to."""

    request: Request
    body: bytes
    state: State
    request_id: str

    @property
    def headers(self) -> Mapping[str, str]:
        """Request headers; names in lower case."""
        return self.request.headers

    @property
    def path(self) -> str:
        """The path, without the query."""
        return str(self.request.scope["path"])

    @property
    def caller(self) -> str:
        """The peer's address."""
        return self.request.client.host if self.request.client else ""

    def json_object(self) -> dict[str, object] | None:
        """The body where it is a JSON object and says so in its ``Content-Type``, else None."""
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return None
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


Handler = Callable[[Visit], Awaitable[Reply]]


class Endpoint:
    """An endpoint by name.

    Args:
        name: The name that faults and the journal use.
        handler: Makes the answer; a :class:`Refused` it raises becomes the Nimbus API's error body, an
            :class:`Answered` ends the request with its answer.
        state: The sandbox.
    """

    def __init__(self, name: str, handler: Handler, state: State) -> None:
        self._name = name
        self._handler = handler
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        request = Request(scope, receive)
        connection: Connection = scope[SCOPE_KEY]
        request_id = _request_id(request.headers.get("x-request-id"))
        entry = self._note(request, request_id)
        try:
            body = await _read(request)
        except ClientDisconnect:
            return
        fault = self._state.faults.take(self._name)
        if fault.delay and await gone_within(fault.delay, receive):
            return
        if fault.reset == "before_head":
            connection.reset()
            await until_gone(receive)
            return
        reply = await self._answer(request, body, fault, request_id)
        if fault.reset == "after_work":
            connection.reset()
            await until_gone(receive)
            return
        dressed = self._dress(reply, fault, request_id)
        await deliver(connection, dressed, fault, entry, receive, send)

    def _note(self, request: Request, request_id: str) -> Entry:
        return self._state.journal.open(
            method=request.method,
            path=request.scope["path"],
            query=request.scope["query_string"].decode("latin-1"),
            endpoint=self._name,
            request_id=request_id,
            headers=request.headers.items(),
            received_at=self._state.clock(),
        )

    async def _answer(self, request: Request, body: bytes | None, fault: Fault, request_id: str) -> Reply:
        replacement = fault.replacement(request_id)
        if replacement is not None:
            return replacement
        try:
            if body is None:
                return error_reply(self._name, 413, None, request_id)
            return await self._handler(Visit(request, body, self._state, request_id))
        except Refused as refusal:
            return refusal_reply(refusal)
        except Answered as answered:
            return answered.reply
        except Exception:
            logger.exception("The sandbox failed at its endpoint %s.", self._name)
            return error_reply(self._name, 500, None, request_id)

    def _dress(self, reply: Reply, fault: Fault, request_id: str) -> Reply:
        now = self._state.clock() + (fault.date_offset or 0)
        added = {"Date": formatdate(now, usegmt=True), "X-Request-ID": request_id}
        if fault.content_type is not None:
            added["Content-Type"] = fault.content_type
        return reply.with_headers(added).with_headers(fault.headers or {})


def refusal_reply(refusal: Refused) -> Reply:
    """The API's error body as an answer."""
    return json_reply(refusal.status, refusal.body(), refusal.headers)


def check_method(visit: Visit, allowed: str) -> None:
    """Let one of the methods through.

    Args:
        visit: The request.
        allowed: Methods as in the ``Allow`` header, such as ``GET, POST``.

    Raises:
        Refused: METHOD_NOT_ALLOWED.
    """
    if visit.request.method not in allowed.split(", "):
        raise Refused("METHOD_NOT_ALLOWED", headers={"Allow": allowed})


def _request_id(given: str | None) -> str:
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"req_{secrets.token_hex(8)}"


async def _read(request: Request) -> bytes | None:
    body = bytearray()
    async for piece in request.stream():
        if len(body) <= MAX_BODY:
            body += piece
    return bytes(body) if len(body) <= MAX_BODY else None
