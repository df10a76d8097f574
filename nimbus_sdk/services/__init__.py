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
    from nimbus_sdk.services.audit.trail import AuditTrail as AuditTrail
    from nimbus_sdk.services.audit.verify import AuditReport as AuditReport
    from nimbus_sdk.services.neuroai.client import AsyncNeuroAI as AsyncNeuroAI
    from nimbus_sdk.services.neuroai.client import NeuroAI as NeuroAI
    from nimbus_sdk.services.neuroai.models import KEEP as KEEP
    from nimbus_sdk.services.neuroai.models import IssuedKey as IssuedKey
    from nimbus_sdk.services.neuroai.models import KeyCheck as KeyCheck
    from nimbus_sdk.services.neuroai.models import KeyInfo as KeyInfo
    from nimbus_sdk.services.neuroai.models import KeyType as KeyType
    from nimbus_sdk.services.neuroai.models import Permission as Permission
    from nimbus_sdk.services.neuroai.models import RateLimit as RateLimit
    from nimbus_sdk.services.neuroai.models import Role as Role
    from nimbus_sdk.services.nexus.claims import UnverifiedClaims as UnverifiedClaims
    from nimbus_sdk.services.nexus.client import AsyncNexus as AsyncNexus
    from nimbus_sdk.services.nexus.client import Nexus as Nexus
    from nimbus_sdk.services.nexus.client import Thread as Thread
    from nimbus_sdk.services.nimbus_os.client import AsyncNimbusOS as AsyncNimbusOS
    from nimbus_sdk.services.nimbus_os.client import NimbusOS as NimbusOS
    from nimbus_sdk.services.rotation.record import Rotation as Rotation

_HOME = {
    "AsyncNeuroAI": "neuroai.client",
    "AsyncNexus": "nexus.client",
    "AsyncNimbusOS": "nimbus_os.client",
    "AuditReport": "audit.verify",
    "AuditTrail": "audit.trail",
    "IssuedKey": "neuroai.models",
    "KEEP": "neuroai.models",
    "KeyCheck": "neuroai.models",
    "KeyInfo": "neuroai.models",
    "KeyType": "neuroai.models",
    "NeuroAI": "neuroai.client",
    "Nexus": "nexus.client",
    "NimbusOS": "nimbus_os.client",
    "Permission": "neuroai.models",
    "RateLimit": "neuroai.models",
    "Role": "neuroai.models",
    "Rotation": "rotation.record",
    "Thread": "nexus.client",
    "UnverifiedClaims": "nexus.claims",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
