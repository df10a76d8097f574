"""What is asked of NeuroAI's agents: read by a Viewer, made and changed by a Developer."""

from __future__ import annotations

import secrets
import threading

from nimbus_sdk.sandbox.http.endpoint import Visit
from nimbus_sdk.sandbox.neuroai.access import Answer
from nimbus_sdk.sandbox.neuroai.errors import NeuroAiRefused
from nimbus_sdk.sandbox.neuroai.keys import NeuroAiKey

LONGEST_NAME = 100


def list_agents(visit: Visit, _: NeuroAiKey) -> Answer:
    """200 and all agents."""
    return 200, {"data": visit.state.neuroai_agents.rows(), "next_cursor": None}


def create_agent(visit: Visit, _: NeuroAiKey) -> Answer:
    """201 and the new agent."""
    return 201, visit.state.neuroai_agents.name(f"agt_{secrets.token_hex(8)}", _asked_name(visit))


def update_agent(visit: Visit, _: NeuroAiKey) -> Answer:
    """200 and the agent under its new name."""
    agent_id = visit.request.path_params["agent_id"]
    if not visit.state.neuroai_agents.has(agent_id):
        raise NeuroAiRefused("not_found")
    return 200, visit.state.neuroai_agents.name(agent_id, _asked_name(visit))


def _asked_name(visit: Visit) -> str:
    name = (visit.json_object() or {}).get("name")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise NeuroAiRefused("invalid_request", f"name is a text of 1 to {LONGEST_NAME} characters.")
    return name


class NeuroAiAgents:
    """The agents of one sandbox; one to begin with."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names = {"agt_sandbox": "Sandbox agent"}

    def rows(self) -> list[dict[str, str]]:
        """All agents, oldest first."""
        with self._lock:
            return [{"id": agent_id, "name": name} for agent_id, name in self._names.items()]

    def has(self, agent_id: str) -> bool:
        """Whether there is such an agent."""
        return agent_id in self._names

    def name(self, agent_id: str, name: str) -> dict[str, str]:
        """Give an agent, made where it is new, this name."""
        with self._lock:
            self._names[agent_id] = name
        return {"id": agent_id, "name": name}
