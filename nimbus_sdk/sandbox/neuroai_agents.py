"""Agents of NeuroAI, synthetic, so that what a role may do can be seen; kept while the sandbox runs.

Source: the table "Available Roles" of the NeuroAI documentation, by which a Developer creates and modifies
agents and a Viewer reads. It documents no agent endpoint: this one is made up.
"""

from __future__ import annotations

import threading


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
