"""Three further systems: Nimbus OS, NeuroAI and Nexus, each with a blocking and an awaitable client.

The names are resolved when they are first used, so that one system does not load the others.

Example:
    >>> from nimbus_sdk.services import NimbusOS
    >>> NimbusOS(environment="sandbox")
    NimbusOS(environment='sandbox', base_url='https://api-sandbox.nimbus-os.com', api_key=None)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nimbus_sdk.services.audit import AuditTrail as AuditTrail
    from nimbus_sdk.services.audit_check import AuditReport as AuditReport
    from nimbus_sdk.services.claims import UnverifiedClaims as UnverifiedClaims
    from nimbus_sdk.services.neuroai import NeuroAI as NeuroAI
    from nimbus_sdk.services.neuroai_async import AsyncNeuroAI as AsyncNeuroAI
    from nimbus_sdk.services.neuroai_models import KEEP as KEEP
    from nimbus_sdk.services.neuroai_models import IssuedKey as IssuedKey
    from nimbus_sdk.services.neuroai_models import KeyCheck as KeyCheck
    from nimbus_sdk.services.neuroai_models import KeyInfo as KeyInfo
    from nimbus_sdk.services.neuroai_models import KeyType as KeyType
    from nimbus_sdk.services.neuroai_models import Permission as Permission
    from nimbus_sdk.services.neuroai_models import RateLimit as RateLimit
    from nimbus_sdk.services.neuroai_models import Role as Role
    from nimbus_sdk.services.nexus import AsyncNexus as AsyncNexus
    from nimbus_sdk.services.nexus import Nexus as Nexus
    from nimbus_sdk.services.nexus_flows import Thread as Thread
    from nimbus_sdk.services.nimbus_os import AsyncNimbusOS as AsyncNimbusOS
    from nimbus_sdk.services.nimbus_os import NimbusOS as NimbusOS
    from nimbus_sdk.services.rotation import Rotation as Rotation

_HOME = {
    "AsyncNeuroAI": "neuroai_async",
    "AsyncNexus": "nexus",
    "AsyncNimbusOS": "nimbus_os",
    "AuditReport": "audit_check",
    "AuditTrail": "audit",
    "IssuedKey": "neuroai_models",
    "KEEP": "neuroai_models",
    "KeyCheck": "neuroai_models",
    "KeyInfo": "neuroai_models",
    "KeyType": "neuroai_models",
    "NeuroAI": "neuroai",
    "Nexus": "nexus",
    "NimbusOS": "nimbus_os",
    "Permission": "neuroai_models",
    "RateLimit": "neuroai_models",
    "Role": "neuroai_models",
    "Rotation": "rotation",
    "Thread": "nexus_flows",
    "UnverifiedClaims": "claims",
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
