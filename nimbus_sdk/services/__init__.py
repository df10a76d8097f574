"""Three further services: Nimbus OS, NeuroAI and Nexus, each with a blocking and an awaitable client.

The names are resolved when they are first used, so that one service does not load the others.

Examples:
    >>> from nimbus_sdk.services import NimbusOS
    >>> NimbusOS(environment="sandbox")
    NimbusOS(environment='sandbox', base_url='https://api-sandbox.nimbus-os.com', api_key=None)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nimbus_sdk.services.audit.trail import AuditTrail
    from nimbus_sdk.services.audit.verify import AuditReport
    from nimbus_sdk.services.neuroai.client import AsyncNeuroAI, NeuroAI
    from nimbus_sdk.services.neuroai.schemas import (
        KEEP,
        IssuedKey,
        KeyCheck,
        KeyInfo,
        KeyType,
        Permission,
        RateLimit,
        Role,
    )
    from nimbus_sdk.services.nexus.claims import UnverifiedClaims
    from nimbus_sdk.services.nexus.client import AsyncNexus, Nexus, Thread
    from nimbus_sdk.services.nimbus_os.client import AsyncNimbusOS, NimbusOS
    from nimbus_sdk.services.rotation.record import Rotation

_NAMES_BY_MODULE = {
    "nimbus_sdk.services.audit.trail": "AuditTrail",
    "nimbus_sdk.services.audit.verify": "AuditReport",
    "nimbus_sdk.services.neuroai.client": "AsyncNeuroAI NeuroAI",
    "nimbus_sdk.services.neuroai.schemas": (
        "IssuedKey KEEP KeyCheck KeyInfo KeyType Permission RateLimit Role"
    ),
    "nimbus_sdk.services.nexus.claims": "UnverifiedClaims",
    "nimbus_sdk.services.nexus.client": "AsyncNexus Nexus Thread",
    "nimbus_sdk.services.nimbus_os.client": "AsyncNimbusOS NimbusOS",
    "nimbus_sdk.services.rotation.record": "Rotation",
}
_MODULES = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names.split()}

__all__ = [
    "KEEP",
    "AsyncNeuroAI",
    "AsyncNexus",
    "AsyncNimbusOS",
    "AuditReport",
    "AuditTrail",
    "IssuedKey",
    "KeyCheck",
    "KeyInfo",
    "KeyType",
    "NeuroAI",
    "Nexus",
    "NimbusOS",
    "Permission",
    "RateLimit",
    "Role",
    "Rotation",
    "Thread",
    "UnverifiedClaims",
]


def _resolve(name: str) -> object:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:
    # Hidden from type checkers, which would accept any misspelt name.
    __getattr__ = _resolve


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
