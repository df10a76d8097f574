"""What a network and a server do wrong: every fault as something that a gate does to one request."""

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

from tests.qualification.gate import Act, Peer, Reply, pass_on

Trait = Literal["api", "json", "body", "long body", "digest", "any"]
"""Which steps a fault can befall: all, those of the Nimbus API, with a JSON answer, a body, a digest."""

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
DRIPS = 300
FLOOD_BYTES = 100 * 2**20
CHUNK = b" " * 65_536


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        name: For the table.
        act: What the gate does to the request.
        before: What happens before there is a connection, if it happens there.
        befalls: Which steps it can befall.
        kind: What it is, for the rules: ``unreachable``, ``slow``, ``lost``, ``garbled``…
        status: HTTP status, where that is the fault.
        code: Error code in the body, where there is one.
        wait: Seconds that the service asks to wait, where it does.
        once: Only the first try meets it.
        html: The body is a web page.
    """

    name: str
    act: Act = pass_on
    before: Literal["dns", "refused"] | None = None
    befalls: Trait = "any"
    kind: str
    status: int | None = None
    code: str | None = None
    wait: float | None = None
    once: bool = False
    html: bool = False
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def covers(self) -> frozenset[str]:
        """What a sample must hold at least one of."""
        return self.tags or frozenset({self.name})


def reply(status: int, body: bytes, kind: str = "application/json", **headers: str) -> bytes:
    """An answer, whole."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **named}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + body


async def _say(data: bytes, peer: Peer) -> None:
    await peer.send(data)


async def _changed(change: Callable[[Reply], Reply], peer: Peer) -> None:
    answer = change(await peer.real())
    await peer.send(answer.head + answer.body)


async def _silence(peer: Peer) -> None:
    await peer.gone()


async def _reset_at_once(peer: Peer) -> None:
    peer.reset()


async def _lose_the_answer(peer: Peer) -> None:
    await peer.real()
    peer.reset()


async def _reset_after_head(peer: Peer) -> None:
    await peer.send((await peer.real()).head)
    # The other side's kernel may drop what it has not read when the RST comes.
    await asyncio.sleep(HEAD_START_SECONDS)
    peer.reset()


async def _stall(peer: Peer) -> None:
    answer = await peer.real()
    await peer.send(answer.head + answer.body[: len(answer.body) // 2])
    await peer.gone()


async def _drip(peer: Peer) -> None:
    answer = await peer.real()
    whole = answer.head + answer.body
    size = max(1, len(whole) // DRIPS)
    for start in range(0, len(whole), size):
        await peer.send(whole[start : start + size])
        await asyncio.sleep(DRIP_SECONDS)


async def _flood(told: bool, peer: Peer) -> None:
    length = f"Content-Length: {FLOOD_BYTES}\r\n" if told else ""
    await peer.send(
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}Connection: close\r\n\r\n".encode()
    )
    for _ in range(FLOOD_BYTES // len(CHUNK)):
        await peer.send(CHUNK)


async def _lead_away(peer: Peer) -> None:
    await peer.send(reply(302, b"", Location=f"{peer.gate.elsewhere_url}/login"))


async def _ask_to_wait(status: int, wait: str | float, code: str, peer: Peer) -> None:
    now = time()
    told = formatdate(now + wait, usegmt=True) if isinstance(wait, float) else wait
    body = json.dumps({"error": "Too much", "code": code}).encode()
    await peer.send(reply(status, body, Retry_After=told, Date=formatdate(now, usegmt=True)))


def _cut(answer: Reply) -> Reply:
    return Reply(answer.head, answer.body[: len(answer.body) * 2 // 5])


def _half_told(answer: Reply) -> Reply:
    return answer.with_body(answer.body, told=len(answer.body) // 2)


def _other_digest(answer: Reply) -> Reply:
    if b"sha256:" not in answer.body:
        middle = len(answer.body) // 2
        flipped = bytes([answer.body[middle] ^ 0xFF])
        return answer.with_body(answer.body[:middle] + flipped + answer.body[middle + 1 :])
    start = answer.body.index(b"sha256:") + len(b"sha256:")
    digit = b"1" if answer.body[start : start + 1] == b"0" else b"0"
    return answer.with_body(answer.body[:start] + digit + answer.body[start + 1 :])


def _in_json(change: Callable[[object], object], answer: Reply) -> Reply:
    return answer.with_body(json.dumps(change(json.loads(answer.body))).encode())


def _of_wrong_types(value: object) -> object:
    if isinstance(value, dict):
        return {name: _of_wrong_types(inner) for name, inner in value.items()}
    swapped: dict[type, object] = {str: 7, bool: "yes", int: "many", float: "many", list: {}}
    return swapped.get(type(value), [])


def _of_nulls(value: object) -> object:
    return dict.fromkeys(value) if isinstance(value, dict) else None


def _first_field_twice(answer: Reply) -> Reply:
    name, value = next(iter(json.loads(answer.body).items()))
    return answer.with_body(b"{" + json.dumps({name: value}).encode()[1:-1] + b"," + answer.body[1:])


def _bad_text(answer: Reply) -> Reply:
    return answer.with_body(b'{"note": "\xff\xfe", ' + answer.body[1:])


def _twice(fault: Fault) -> Iterator[Fault]:
    """A fault that every try meets, and the same that only the first one meets."""
    yield fault
    yield Fault(**{**fault.__dict__, "name": f"{fault.name}, once", "once": True})


def unreachable() -> Iterator[Fault]:
    """Nothing comes back, or not all of it."""
    yield Fault(name="DNS failure", before="dns", kind="unknown")
    yield from _twice(Fault(name="refused", before="refused", kind="lost"))
    yield Fault(name="black hole", act=_silence, kind="slow")
    yield from _twice(Fault(name="reset before the head", act=_reset_at_once, kind="lost"))
    yield from _twice(Fault(name="done, answer lost", act=_lose_the_answer, kind="lost"))
    yield from _twice(Fault(name="reset after the head", act=_reset_after_head, kind="lost", befalls="body"))
    yield from _twice(Fault(name="body cut short", act=partial(_changed, _cut), kind="lost", befalls="body"))
    yield Fault(name="slow drip", act=_drip, kind="slow")
    yield Fault(name="silence in mid-body", act=_stall, kind="slow", befalls="long body")


def garbled() -> Iterator[Fault]:
    """Something else comes back."""
    in_body = partial(Fault, kind="garbled", befalls="long body")
    in_json = partial(Fault, kind="garbled", befalls="json")
    yield in_body(name="length told too small", act=partial(_changed, _half_told))
    yield Fault(name="wrong digest", act=partial(_changed, _other_digest), kind="forged", befalls="digest")
    yield Fault(name="302 to another host", act=_lead_away, kind="led away")
    yield Fault(name="HTML", act=partial(_say, reply(200, PORTAL, "text/html")), kind="garbled")
    yield Fault(name="empty", act=partial(_say, reply(200, b"")), kind="garbled")
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield Fault(name="JSON 100,000 levels deep", act=partial(_say, reply(200, deep)), kind="garbled")
    yield Fault(name="100 MiB of JSON", act=partial(_flood, True), kind="garbled")
    yield Fault(name="100 MiB, length untold", act=partial(_flood, False), kind="too much")
    yield in_json(name="bad UTF-8", act=partial(_changed, _bad_text))
    yield in_json(name="a field twice", act=partial(_changed, _first_field_twice))
    yield in_json(name="wrong types", act=partial(_changed, partial(_in_json, _of_wrong_types)))
    yield in_json(name="null everywhere", act=partial(_changed, partial(_in_json, _of_nulls)))


def waits() -> Iterator[Fault]:
    """The service asks to wait, in every form there is."""
    forms: dict[str, tuple[str | float, float | None]] = {
        "1 s": ("1", 1.0),
        "a date 1 s ahead": (1.0, 1.0),
        "nonsense": ("soon", None),
        "1 h": ("3600", 3600.0),
        "a date 1 h ahead": (3600.0, 3600.0),
    }
    for name, (told, wait) in forms.items():
        act = partial(_ask_to_wait, 429, told, "RATE_LIMIT_EXCEEDED")
        fault = Fault(
            name=f"429, wait {name}",
            act=act,
            kind="refused",
            status=429,
            code="RATE_LIMIT_EXCEEDED",
            wait=wait,
        )
        yield from _twice(fault) if wait is None or wait < 10 else [fault]
    act = partial(_ask_to_wait, 503, "3600", "SERVER_ERROR")
    yield Fault(name="503, wait 1 h", act=act, kind="refused", status=503, code="SERVER_ERROR", wait=3600.0)


def refusals() -> Iterator[Fault]:
    """Every status from 400 to 504, bare, with every documented code, and as a web page."""
    for status in STATUSES:
        plain = json.dumps({"error": "No", "message": "Not now"}).encode()
        row = f"status {status}"
        yield _refusal(f"{status}", status, reply(status, plain), {row, "no code"})
        for code in CODES:
            body = json.dumps({"error": "No", "code": code}).encode()
            yield _refusal(f"{status} {code}", status, reply(status, body), {row, code}, code=code)
        yield _refusal(f"{status} HTML", status, reply(status, PORTAL, "text/html"), {row, "page"}, html=True)
    for status in (500, 502, 503, 504):
        act = partial(_say, reply(status, b"{}"))
        yield Fault(name=f"{status}, once", act=act, kind="refused", status=status, once=True)


def _refusal(
    name: str, status: int, answer: bytes, tags: set[str], code: str | None = None, html: bool = False
) -> Fault:
    return Fault(
        name=name,
        act=partial(_say, answer),
        kind="refused",
        befalls="any" if code is None else "api",
        status=status,
        code=code,
        html=html,
        tags=frozenset(tags),
    )


def named_faults() -> list[Fault]:
    """All but the grid of statuses and codes."""
    return [*unreachable(), *garbled(), *waits(), *(fault for fault in refusals() if fault.once)]


def grid_faults() -> list[Fault]:
    """Every status with every body."""
    return [fault for fault in refusals() if not fault.once]
