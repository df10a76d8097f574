"""Synthetic agents of NeuroAI: listed by a Viewer, created and renamed by a Developer."""

from __future__ import annotations

import secrets
import threading

from nimbus_sdk.sandbox.http.errors import HttpError
from nimbus_sdk.sandbox.http.requests import Request
from nimbus_sdk.sandbox.neuroai.access import Answer
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKey

MAX_NAME_LENGTH = 100


class NeuroAiAgents:
    """The agents of one sandbox, in memory; one at the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names = {"agt_sandbox": "Sandbox agent"}

    def list_all(self, request: Request, caller: NeuroAiKey) -> Answer:
        """Return 200 and all agents, oldest first."""
        with self._lock:
            rows = [{"id": agent_id, "name": name} for agent_id, name in self._names.items()]
        return 200, {"data": rows, "next_cursor": None}

    def create(self, request: Request, caller: NeuroAiKey) -> Answer:
        """Return 201 and a new agent."""
        return 201, self._store(f"agt_{secrets.token_hex(8)}", request)

    def update(self, request: Request, caller: NeuroAiKey) -> Answer:
        """Return 200 and the renamed agent."""
        agent_id = request.path_params["agent_id"]
        if agent_id not in self._names:
            raise HttpError("not_found")
        return 200, self._store(agent_id, request)

    def _store(self, agent_id: str, request: Request) -> dict[str, str]:
        name = (request.json_object() or {}).get("name")
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
            raise HttpError("invalid_request", f"name is a text of 1 to {MAX_NAME_LENGTH} characters.")
        with self._lock:
            self._names[agent_id] = name
        return {"id": agent_id, "name": name}
