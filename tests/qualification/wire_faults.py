"""What a network and a server do wrong: every fault as something that a faulty proxy does to one request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from time import time
from typing import Literal

from tests.qualification.faulty_proxy import Action, ClientConnection, RawResponse, forward

Trait = Literal["api", "json", "body", "long body", "digest", "any"]
"""Which steps a fault applies to: all, those of the Nimbus API, with a JSON response, a body, a digest."""

CODES: Mapping[str, int] = {
    "MISSING_KEY": 400,
    "INVALID_FORMAT": 400,
    "MISSING_EVENT_TYPE": 400,
    "INVALID_KEY": 401,
    "KEY_EXPIRED": 401,
    "KEY_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "QUOTA_EXCEEDED": 429,
    "RATE_LIMIT_EXCEEDED": 429,
    "SERVER_ERROR": 500,
    "NOT_CONFIGURED": 503,
}
"""Source: the error table of the Nimbus API documentation."""

STATUSES = tuple(status.value for status in HTTPStatus if 400 <= status <= 504)
PORTAL = b"<!DOCTYPE html><html><title>Guest network</title><form><input name=room></form></html>"
HEAD_START_SECONDS = 0.02
DRIP_SECONDS = 0.1
DRIPS = 100
FLOOD_BYTES = 100 * 2**20
CHUNK = b" " * 65_536


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        name: For the table.
        action: What the proxy does to the request.
        before: What happens before there is a connection, if that is the fault.
        applies_to: Which steps can have it.
        kind: What it is, for the rules: ``unreachable``, ``slow``, ``lost``, ``garbled``…
        status: HTTP status, if that is the fault.
        code: Error code in the body, if any.
        wait: Seconds that the service asks to wait, if any.
        once: Only the first attempt has it.
        html: The body is a web page.
        brings_bytes: A part of the body arrives with each attempt.
    """

    name: str
    action: Action = forward
    before: Literal["dns", "refused"] | None = None
    applies_to: Trait = "any"
    kind: str
    status: int | None = None
    code: str | None = None
    wait: float | None = None
    once: bool = False
    html: bool = False
    brings_bytes: bool = False
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def covers(self) -> frozenset[str]:
        """What a sample must contain at least one of."""
        return self.tags or frozenset({self.name})


def response(status: int, body: bytes, kind: str = "application/json", **headers: str) -> bytes:
    """Return a complete response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **named}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + body


async def _write(data: bytes, client: ClientConnection) -> None:
    await client.send(data)


async def _send_changed(change: Callable[[RawResponse], RawResponse], client: ClientConnection) -> None:
    answer = change(await client.fetch_response())
    await client.send(answer.head + answer.body)


async def _never_answer(client: ClientConnection) -> None:
    await client.wait_closed()


async def _reset_at_once(client: ClientConnection) -> None:
    client.reset()


async def _lose_response(client: ClientConnection) -> None:
    await client.fetch_response()
    client.reset()


async def _reset_after_head(client: ClientConnection) -> None:
    await client.send((await client.fetch_response()).head)
    # The client's kernel may drop what it has not read when the RST arrives.
    await asyncio.sleep(HEAD_START_SECONDS)
    client.reset()


async def _stop_in_body(client: ClientConnection) -> None:
    answer = await client.fetch_response()
    await client.send(answer.head + answer.body[: len(answer.body) // 2])
    await client.wait_closed()


async def _send_slowly(client: ClientConnection) -> None:
    answer = await client.fetch_response()
    whole = answer.head + answer.body
    size = max(1, len(whole) // DRIPS)
    for start in range(0, len(whole), size):
        await client.send(whole[start : start + size])
        await asyncio.sleep(DRIP_SECONDS)


async def _send_too_much(with_length: bool, client: ClientConnection) -> None:
    length = f"Content-Length: {FLOOD_BYTES}\r\n" if with_length else ""
    await client.send(
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}Connection: close\r\n\r\n".encode()
    )
    for _ in range(FLOOD_BYTES // len(CHUNK)):
        await client.send(CHUNK)


async def _redirect_away(client: ClientConnection) -> None:
    await client.send(response(302, b"", Location=f"{client.proxy.third_host_url}/login"))


async def _ask_to_wait(status: int, wait: str | float, code: str, client: ClientConnection) -> None:
    now = time()
    header = formatdate(now + wait, usegmt=True) if isinstance(wait, float) else wait
    body = json.dumps({"error": "Too much", "code": code}).encode()
    await client.send(response(status, body, Retry_After=header, Date=formatdate(now, usegmt=True)))


def _cut_body(answer: RawResponse) -> RawResponse:
    return RawResponse(answer.head, answer.body[: len(answer.body) * 2 // 5])


def _half_length(answer: RawResponse) -> RawResponse:
    return answer.with_body(answer.body, length=len(answer.body) // 2)


def _with_other_digest(answer: RawResponse) -> RawResponse:
    if b"sha256:" not in answer.body:
        middle = len(answer.body) // 2
        flipped = bytes([answer.body[middle] ^ 0xFF])
        return answer.with_body(answer.body[:middle] + flipped + answer.body[middle + 1 :])
    start = answer.body.index(b"sha256:") + len(b"sha256:")
    digit = b"1" if answer.body[start : start + 1] == b"0" else b"0"
    return answer.with_body(answer.body[:start] + digit + answer.body[start + 1 :])


def _in_json(change: Callable[[object], object], answer: RawResponse) -> RawResponse:
    return answer.with_body(json.dumps(change(json.loads(answer.body))).encode())


def _with_wrong_types(value: object) -> object:
    if isinstance(value, dict):
        return {name: _with_wrong_types(inner) for name, inner in value.items()}
    swapped: dict[type, object] = {str: 7, bool: "yes", int: "many", float: "many", list: {}}
    return swapped.get(type(value), [])


def _with_nulls(value: object) -> object:
    return dict.fromkeys(value) if isinstance(value, dict) else None


def _with_first_field_twice(answer: RawResponse) -> RawResponse:
    name, value = next(iter(json.loads(answer.body).items()))
    return answer.with_body(b"{" + json.dumps({name: value}).encode()[1:-1] + b"," + answer.body[1:])


def _with_bad_utf8(answer: RawResponse) -> RawResponse:
    return answer.with_body(b'{"note": "\xff\xfe", ' + answer.body[1:])


def _always_and_once(fault: Fault) -> Iterator[Fault]:
    """Yield a fault of every attempt, and the same fault of the first attempt alone."""
    yield fault
    yield Fault(**{**fault.__dict__, "name": f"{fault.name}, once", "once": True})


def unreachable() -> Iterator[Fault]:
    """Yield the faults with no response, or an incomplete one."""
    yield Fault(name="DNS failure", before="dns", kind="unknown")
    yield from _always_and_once(Fault(name="refused", before="refused", kind="lost"))
    yield Fault(name="black hole", action=_never_answer, kind="slow")
    yield from _always_and_once(Fault(name="reset before the head", action=_reset_at_once, kind="lost"))
    yield from _always_and_once(Fault(name="done, answer lost", action=_lose_response, kind="lost"))
    yield from _always_and_once(
        Fault(name="reset after the head", action=_reset_after_head, kind="lost", applies_to="body")
    )
    cut = partial(_send_changed, _cut_body)
    yield from _always_and_once(
        Fault(name="body cut short", action=cut, kind="lost", applies_to="body", brings_bytes=True)
    )
    yield Fault(name="slow drip", action=_send_slowly, kind="slow", brings_bytes=True)
    yield Fault(
        name="silence in mid-body",
        action=_stop_in_body,
        kind="slow",
        applies_to="long body",
        brings_bytes=True,
    )


def garbled() -> Iterator[Fault]:
    """Yield the faults with another response."""
    in_body = partial(Fault, kind="garbled", applies_to="long body")
    in_json = partial(Fault, kind="garbled", applies_to="json")
    yield in_body(name="Content-Length too small", action=partial(_send_changed, _half_length))
    yield Fault(
        name="wrong digest",
        action=partial(_send_changed, _with_other_digest),
        kind="forged",
        applies_to="digest",
    )
    yield Fault(name="302 to another host", action=_redirect_away, kind="redirected away")
    yield Fault(name="HTML", action=partial(_write, response(200, PORTAL, "text/html")), kind="garbled")
    yield Fault(name="empty", action=partial(_write, response(200, b"")), kind="garbled")
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield Fault(name="JSON 100,000 levels deep", action=partial(_write, response(200, deep)), kind="garbled")
    yield Fault(name="100 MiB of JSON", action=partial(_send_too_much, True), kind="garbled")
    yield Fault(name="100 MiB without Content-Length", action=partial(_send_too_much, False), kind="too much")
    yield in_json(name="bad UTF-8", action=partial(_send_changed, _with_bad_utf8))
    yield in_json(name="a field twice", action=partial(_send_changed, _with_first_field_twice))
    yield in_json(name="wrong types", action=partial(_send_changed, partial(_in_json, _with_wrong_types)))
    yield in_json(name="null everywhere", action=partial(_send_changed, partial(_in_json, _with_nulls)))


def waits() -> Iterator[Fault]:
    """Yield the faults in which the service asks to wait, in every form there is."""
    forms: dict[str, tuple[str | float, float | None]] = {
        "1 s": ("1", 1.0),
        "a date 1 s ahead": (1.0, 1.0),
        "nonsense": ("soon", None),
        "1 h": ("3600", 3600.0),
        "a date 1 h ahead": (3600.0, 3600.0),
    }
    for name, (header, wait) in forms.items():
        action = partial(_ask_to_wait, 429, header, "RATE_LIMIT_EXCEEDED")
        fault = Fault(
            name=f"429, wait {name}",
            action=action,
            kind="refused",
            status=429,
            code="RATE_LIMIT_EXCEEDED",
            wait=wait,
        )
        yield from _always_and_once(fault) if wait is None or wait < 10 else [fault]
    action = partial(_ask_to_wait, 503, "3600", "SERVER_ERROR")
    yield Fault(
        name="503, wait 1 h", action=action, kind="refused", status=503, code="SERVER_ERROR", wait=3600.0
    )


def refusals() -> Iterator[Fault]:
    """Yield every status from 400 to 504: bare, with every documented code, and as a web page."""
    for status in STATUSES:
        plain = json.dumps({"error": "No", "message": "Not now"}).encode()
        row = f"status {status}"
        yield _refusal(f"{status}", status, response(status, plain), {row, "no code"})
        for code in CODES:
            body = json.dumps({"error": "No", "code": code}).encode()
            yield _refusal(f"{status} {code}", status, response(status, body), {row, code}, code=code)
        yield _refusal(
            f"{status} HTML", status, response(status, PORTAL, "text/html"), {row, "page"}, html=True
        )
    for status in (500, 502, 503, 504):
        action = partial(_write, response(status, b"{}"))
        yield Fault(name=f"{status}, once", action=action, kind="refused", status=status, once=True)


def _refusal(
    name: str, status: int, answer: bytes, tags: set[str], code: str | None = None, html: bool = False
) -> Fault:
    return Fault(
        name=name,
        action=partial(_write, answer),
        kind="refused",
        applies_to="any" if code is None else "api",
        status=status,
        code=code,
        html=html,
        tags=frozenset(tags),
    )


def named_faults() -> list[Fault]:
    """Return all faults but the grid of statuses and codes."""
    return [*unreachable(), *garbled(), *waits(), *(fault for fault in refusals() if fault.once)]


def grid_faults() -> list[Fault]:
    """Return every status with every body."""
    return [fault for fault in refusals() if not fault.once]
