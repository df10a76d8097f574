"""An endpoint as an ASGI application: request log, faults, handler, delivery."""

from __future__ import annotations

import logging
import re
import secrets
from email.utils import formatdate

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from nimbus_sdk.sandbox.http.database import Clock
from nimbus_sdk.sandbox.http.delivery import deliver, disconnects_within, wait_for_disconnect
from nimbus_sdk.sandbox.http.faults import Fault, FaultQueues
from nimbus_sdk.sandbox.http.listener import SCOPE_KEY, Connection
from nimbus_sdk.sandbox.http.request_log import RequestLog
from nimbus_sdk.sandbox.http.requests import Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import HttpError, Response

MAX_BODY = 1024 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
logger = logging.getLogger(__name__)


class Endpoint:
    """Answers the requests of one route."""

    def __init__(self, route: ServiceRoute, clock: Clock, log: RequestLog, faults: FaultQueues) -> None:
        self._route = route
        self._clock = clock
        self._log = log
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        http_request = HttpRequest(scope, receive)
        connection: Connection = scope[SCOPE_KEY]
        request_id = _request_id(http_request.headers.get("x-request-id"))
        exchange = self._log.add(http_request, self._route.endpoint, request_id, self._clock())
        try:
            body = await _read_body(http_request)
        except ClientDisconnect:
            return
        fault = self._faults.take(self._route.endpoint)
        if fault.delay and await disconnects_within(fault.delay, receive):
            return
        if fault.reset == "before_head":
            connection.reset()
            await wait_for_disconnect(receive)
            return
        response = await self._response(http_request, body, fault, request_id)
        if fault.reset == "after_work":
            connection.reset()
            await wait_for_disconnect(receive)
            return
        response = self._add_headers(response, fault, request_id)
        await deliver(connection, response, fault, exchange, receive, send)

    async def _response(
        self, http_request: HttpRequest, body: bytes | None, fault: Fault, request_id: str
    ) -> Response:
        errors = self._route.errors
        replacement = fault.replacement(errors, request_id)
        if replacement is not None:
            return replacement
        if body is None:
            return errors.response(request_id, status=413)
        request = Request(
            method=http_request.method,
            path=http_request.scope["path"],
            path_params=http_request.path_params,
            query=http_request.query_params,
            headers=http_request.headers,
            body=body,
            client_address=http_request.client.host if http_request.client else "",
            request_id=request_id,
        )
        try:
            return await self._route.handler(request)
        except HttpError as error:
            return errors.response_to(error, request_id)
        except Exception:
            logger.exception("The sandbox failed at its endpoint %s.", self._route.endpoint)
            return errors.response(request_id, status=500)

    def _add_headers(self, response: Response, fault: Fault, request_id: str) -> Response:
        now = self._clock() + (fault.date_offset or 0)
        headers = {"Date": formatdate(now, usegmt=True), "X-Request-ID": request_id}
        if fault.content_type is not None:
            headers["Content-Type"] = fault.content_type
        return response.with_headers(headers).with_headers(fault.headers or {})


def _request_id(given: str | None) -> str:
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"req_{secrets.token_hex(8)}"


async def _read_body(http_request: HttpRequest) -> bytes | None:
    body = bytearray()
    async for chunk in http_request.stream():
        if len(body) <= MAX_BODY:
            body += chunk
    return bytes(body) if len(body) <= MAX_BODY else None
