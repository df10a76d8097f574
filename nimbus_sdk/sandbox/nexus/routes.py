"""Nexus: an agent that answers a thread, and says that it is none.

``POST /nexus/api/public/thread`` with ``{"message": text}`` and a key that may ``write`` answers 201
``{"threadId", "agentId", "reply"}``.

Source: the Nexus API documentation for header, path, body, 401 and 403. It shows no answer to a thread: this
one is made up. It lets a disabled integration, a restricted agent and a missing permission all be the one
documented 403.
"""

from __future__ import annotations

import secrets

from starlette.routing import Route

from nimbus_sdk.sandbox.app.state import State
from nimbus_sdk.sandbox.http.endpoint import Endpoint, Visit
from nimbus_sdk.sandbox.http.responses import Reply, json_reply
from nimbus_sdk.sandbox.nexus.errors import nexus_refusal
from nimbus_sdk.sandbox.nexus.keys import NexusKey


def nexus_routes(state: State) -> list[Route]:
    """The routes below ``/nexus``."""
    return [
        Route("/nexus/api/public/thread", Endpoint("nexus_thread", _thread, state)),
        Route("/nexus/{rest:path}", Endpoint("nexus", _nowhere, state)),
    ]


async def _thread(visit: Visit) -> Reply:
    if visit.request.method != "POST":
        raise nexus_refusal("Method Not Allowed", headers={"Allow": "POST"})
    key = _admitted(visit)
    message = (visit.json_object() or {}).get("message")
    if not isinstance(message, str) or not message.strip():
        raise nexus_refusal("Bad Request", "message should be a text that is not empty")
    reply = (
        f"[sandbox] No agent read this message of {len(message)} characters; "
        "this reply is the same for every message."
    )
    answer = {"threadId": f"thr_{secrets.token_hex(8)}", "agentId": key.agent_id, "reply": reply}
    return json_reply(201, answer)


def _admitted(visit: Visit) -> NexusKey:
    # "Bearer eyJ…" and keys in other headers fall through here: neither is a token that we signed.
    key = visit.state.nexus.active(visit.headers.get("api-key", ""))
    if key is None:
        raise nexus_refusal("Unauthorized")
    if "write" not in key.permissions or visit.state.nexus.is_disabled(key):
        raise nexus_refusal("Forbidden")
    return key


async def _nowhere(_: Visit) -> Reply:
    raise nexus_refusal("Not Found")
