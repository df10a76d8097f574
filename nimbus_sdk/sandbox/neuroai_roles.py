"""Roles of NeuroAI and what each may do.

Source: the table "Available Roles" of the NeuroAI documentation. It tells in words what a role may do; the
names of single permissions are an assumption of this SDK. A role that is not in the table is a custom one,
and needs permissions of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

ROLES: Mapping[str, tuple[str, ...]] = {
    "Viewer": ("agents:read", "analytics:read"),
    "Developer": ("agents:read", "agents:write", "analytics:read"),
    "Administrator": (
        "agents:read",
        "agents:write",
        "analytics:read",
        "api_keys:read",
        "api_keys:write",
        "audit_logs:read",
        "integrations:read",
        "integrations:write",
        "users:read",
        "users:write",
    ),
    "API Manager": (
        "api_keys:read",
        "api_keys:write",
        "audit_logs:read",
        "integrations:read",
        "integrations:write",
    ),
}
LEAST = "Viewer"
