"""The HMAC chain of the audit trail: how an entry is written, read and checked.

A call has two entries: one before it is sent, and one with its outcome. Each carries the MAC of the entry
before it, and a MAC over all of its own bytes, under the secret of this installation. The head record beside
the trail names the last entry, so that a removed end shows too.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from nimbus_sdk.errors import AuditTrailError

GENESIS = "0" * 64
"""The MAC that the first entry refers to."""

MAX_LINE_BYTES = 2**16
FORMAT = 2
"""Format of entries and head records; in format 1 a call and its outcome were one entry."""

_HEAD_BYTES = 256
_MAC = b',"mac":"'


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One call, as it is known before it is sent; never its payload, never a value of its query.

    Attributes:
        when: When it began, UTC, such as ``2026-01-31T09:00:00.123Z``.
        who: The user of this machine's operating system.
        host: Host and port of the service.
        environment: ``sandbox`` or ``production``.
        method: HTTP method.
        path: Path without its query.
        request_id: The id under which the call is sent.
        key: First 12 hexadecimal digits of the SHA-256 of the key that is used, or None.
    """

    when: str
    who: str
    host: str
    environment: str
    method: str
    path: str
    request_id: str | None
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOutcome:
    """How a call ended.

    Attributes:
        call: Number of the call's entry.
        result: ``answered``, ``no response`` (the call may have been carried out) or ``not sent``.
        status: HTTP status, or None if no response came.
        request_id: The id under which the service knows the call, or None.
        duration_ms: From first attempt to last response, waits included.
    """

    call: int
    result: str
    status: int | None = None
    request_id: str | None = None
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a chain: the number and the MAC of its last entry."""

    number: int
    mac: str


START = Position(0, GENESIS)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A line that was read: its number from 1, the MAC of the line before it, its own, and a call or its end.

    In format 1 it has both.
    """

    number: int
    previous: str
    mac: str
    entry: AuditEntry | None
    outcome: AuditOutcome | None

    @property
    def position(self) -> Position:
        """What the next line refers to."""
        return Position(self.number, self.mac)


def encode_entry(
    content: AuditEntry | AuditOutcome, after: Position, secret: bytes
) -> tuple[bytes, Position]:
    """Return the line of a call or of its end, without its line break, and the new end of the chain."""
    number = after.number + 1
    values = {"format": FORMAT, "number": number, **asdict(content), "previous": after.mac}
    body = json.dumps(values, separators=(",", ":")).encode("ascii")[:-1]
    mac = _entry_mac(body, secret)
    return b'%s%s%s"}' % (body, _MAC, mac.encode("ascii")), Position(number, mac)


def decode_entry(line: bytes) -> AuditRecord | None:
    """Parse a line; None if it is none of the trail. ``AuditTrailError`` if a newer SDK has written it."""
    try:
        content = json.loads(line)
        _require_known_format(content)
        number, previous, mac = content["number"], content["previous"], content["mac"]
        entry = None if "call" in content else AuditEntry(**_pick(AuditEntry, content))
        outcome = _decode_outcome(content)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    numbers = (number,) if outcome is None else (number, outcome.call)
    if not all(type(each) is int for each in numbers) or not all(isinstance(m, str) for m in (previous, mac)):
        return None
    return AuditRecord(number, previous, mac, entry, outcome)


def _decode_outcome(content: dict[str, object]) -> AuditOutcome | None:
    if "call" in content:
        return AuditOutcome(**_pick(AuditOutcome, content))
    if "status" not in content:
        return None
    # Format 1 had call and end in one line.
    result = "no response" if content["status"] is None else "answered"
    return AuditOutcome(**_pick(AuditOutcome, {**content, "call": content["number"], "result": result}))


def _pick(kind: type[AuditEntry | AuditOutcome], content: dict[str, object]) -> dict[str, Any]:
    return {field.name: content[field.name] for field in fields(kind)}


def is_genuine(line: bytes, secret: bytes | None) -> bool:
    """Whether a line was written under this secret, and not changed since."""
    body, _, mac = line.rpartition(_MAC)
    # The whole rest of the line is compared, so that nothing can be added behind the MAC.
    return secret is not None and hmac.compare_digest(mac, _entry_mac(body, secret).encode("ascii") + b'"}')


def encode_head(end: Position, secret: bytes) -> bytes:
    """Return the head record, always of the same length."""
    content = {"format": FORMAT, "number": end.number, "mac": end.mac, "head": _head_mac(end, secret)}
    return json.dumps(content).encode("ascii").ljust(_HEAD_BYTES - 1) + b"\n"


def decode_head(content: bytes | None, secret: bytes | None) -> Position | None:
    """The end of the chain that a head record names; None if it was not written under this secret."""
    try:
        head = json.loads(content or b"null")
        _require_known_format(head)
        end = Position(head["number"], head["mac"])
        genuine = secret is not None and hmac.compare_digest(head["head"], _head_mac(end, secret))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return end if genuine else None


def _require_known_format(content: object) -> None:
    found = content.get("format") if isinstance(content, dict) else None
    if type(found) is int and found > FORMAT:
        raise AuditTrailError(
            "The audit trail was written by a newer version of the SDK. It is left as it is, and no call is "
            "made without an entry.",
            hint="Update the SDK, or use another NIMBUS_SDK_HOME.",
        )


def _entry_mac(body: bytes, secret: bytes) -> str:
    return hmac.digest(secret, b"nimbus-sdk audit entry " + body, "sha256").hex()


def _head_mac(end: Position, secret: bytes) -> str:
    content = f"nimbus-sdk audit head {end.number} {end.mac}".encode("utf-8", "surrogatepass")
    return hmac.digest(secret, content, "sha256").hex()
