"""Nexus: an agent that answers a thread, and says that it is none.

``POST /nexus/api/public/thread`` with ``{"message": text}`` and a key that may ``write`` answers 201
``{"threadId", "agentId", "reply"}``.

Source: the Nexus API documentation for header, path, body, 401 and 403. It shows no answer to a thread: this
one is made up. The one documented 403 covers a disabled integration, a restricted agent and a missing
permission.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
from collections.abc import Collection, Mapping
from typing import Any

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.http.database import Database, KeyStore
from nimbus_sdk.sandbox.http.masking import mask_text
from nimbus_sdk.sandbox.http.requests import Request, ServiceRoute
from nimbus_sdk.sandbox.http.responses import ErrorFormat, HttpError, Response, json_response

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_SECONDS = 1e11
_ERRORS = ErrorFormat(
    codes={
        "Bad Request": (400, "Bad request"),
        "Unauthorized": (401, "Invalid API key"),
        "Forbidden": (403, "Insufficient permissions"),
        "Not Found": (404, "Not found"),
        "Method Not Allowed": (405, "Method not allowed"),
        "Payload Too Large": (413, "Request body is too large"),
        "Too Many Requests": (429, "Rate limit exceeded"),
        "Internal Server Error": (500, "Internal server error"),
        "Bad Gateway": (502, "Bad gateway"),
        "Service Unavailable": (503, "Service unavailable"),
        "Gateway Timeout": (504, "Gateway timeout"),
    },
    default_code="Internal Server Error",
    body=lambda error: {
        "statusCode": error.status,
        "message": error.message or error.text,
        "error": error.code,
    },
)


class Nexus:
    """Nexus with its keys, recognized by their SHA-256: the secret that signs them is not stored."""

    def __init__(self, database: Database) -> None:
        self.keys = KeyStore(database, "nexus", "active Nexus key")
        self._database = database
        self._secret = secrets.token_bytes(32)

    def create_key(
        self,
        *,
        permissions: Collection[str] = ("read", "write"),
        expires_in: float = 3600.0,
        integration_id: str | None = None,
        organization_id: str = "org_sandbox",
        agent_id: str = "agt_sandbox",
    ) -> str:
        """Create a key, a JWT, and return it in plain; it cannot be read later.

        Args:
            permissions: The claim of that name; a thread needs ``write``.
            expires_in: Seconds until it expires; 0 or less creates an expired key.
            integration_id: The integration it belongs to; None makes a new one.
            organization_id: The claim ``organizationId``.
            agent_id: The claim ``agentId``.

        Raises:
            ConfigurationError: An id or a permission is invalid.
        """
        ids = (integration_id or "int_new", organization_id, agent_id)
        if invalid := [name for name in ids if not _ID.fullmatch(name)]:
            raise ConfigurationError(f"{invalid[0]!r} is not an id: use letters, digits, _ and -.")
        if isinstance(permissions, str) or not all(isinstance(name, str) for name in permissions):
            raise ConfigurationError("permissions must be a collection of names, such as ('read', 'write').")
        if not abs(expires_in) < _MAX_SECONDS:
            raise ConfigurationError("expires_in must be a number of seconds within some thousand years.")
        claims = {
            "integrationId": integration_id or f"int_{secrets.token_hex(8)}",
            "organizationId": organization_id,
            "agentId": agent_id,
            "permissions": list(permissions),
            "exp": int(self._database.clock() + expires_in),
        }
        key = _sign(claims, self._secret)
        self.keys.add(key, mask_text(key), claims)
        return key

    def disable(self, name: str) -> None:
        """Disable an integration or an agent by its id: its keys are refused with 403."""
        self._database.execute("INSERT OR IGNORE INTO nexus_disabled VALUES (?)", (name,))

    def enable(self, name: str) -> None:
        """Enable an integration or an agent again."""
        self._database.execute("DELETE FROM nexus_disabled WHERE id = ?", (name,))

    def list_keys(self) -> list[dict[str, object]]:
        """Return the claims of all keys, oldest first, without the keys."""
        return [{"fingerprint": key.id, **key.fields, **key.times_json()} for key in self.keys.list_all()]

    def routes(self) -> list[ServiceRoute]:
        """Return the routes below ``/nexus``."""
        return [
            ServiceRoute("/nexus/api/public/thread", "nexus_thread", self._start_thread, _ERRORS),
            ServiceRoute("/nexus/{rest:path}", "nexus", _not_found, _ERRORS),
        ]

    async def _start_thread(self, request: Request) -> Response:
        request.require_method("POST", "Method Not Allowed")
        claims = self._require_claims(request)
        message = (request.json_object() or {}).get("message")
        if not isinstance(message, str) or not message.strip():
            raise HttpError("Bad Request", "message should be a text that is not empty")
        reply = (
            f"[sandbox] No agent read this message of {len(message)} characters; "
            "this reply is the same for every message."
        )
        thread = {"threadId": f"thr_{secrets.token_hex(8)}", "agentId": claims["agentId"], "reply": reply}
        return json_response(201, thread)

    def _require_claims(self, request: Request) -> Mapping[str, Any]:
        # "Bearer eyJ…" and keys in other headers are rejected as well: neither is a key of the sandbox.
        key = self.keys.find(request.headers.get("api-key", ""))
        if key is None or key.fields["exp"] <= self._database.clock():
            raise HttpError("Unauthorized")
        ids = (key.fields["integrationId"], key.fields["agentId"])
        disabled = self._database.fetch_all("SELECT id FROM nexus_disabled WHERE id IN (?, ?)", ids)
        if disabled or "write" not in key.fields["permissions"]:
            raise HttpError("Forbidden")
        return key.fields


async def _not_found(request: Request) -> Response:
    raise HttpError("Not Found")


def _sign(claims: Mapping[str, object], secret: bytes) -> str:
    """Return a JWT under HMAC-SHA256 (RFC 7515, RFC 7518 section 3.2)."""
    # The documented claims have no jti: two keys of one integration, of one second, differ by kid.
    head = {"alg": "HS256", "typ": "JWT", "kid": f"nxk_{secrets.token_hex(6)}"}
    text = ".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    return f"{text}.{_encode(hmac.digest(secret, text.encode(), 'sha256'))}"


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
