"""What is asked of NeuroAI's agents: read by a Viewer, made and changed by a Developer."""

from __future__ import annotations

import secrets

from nimbus_sdk.sandbox.endpoint import Visit
from nimbus_sdk.sandbox.neuroai_access import Answer
from nimbus_sdk.sandbox.neuroai_keys import NeuroAiKey
from nimbus_sdk.sandbox.neuroai_refusals import NeuroAiRefused

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
