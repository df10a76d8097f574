"""A local sandbox: the Nimbus APIs and the core's releases, over real HTTP on the loopback.

Programs that use the SDK can be tested against it unchanged: only the addresses differ. It answers as the
documentation of each service says, and shares no code with the SDK that reads its answers.

One port serves all: the Nimbus API at ``/``, GitHub at ``/github``, Nimbus OS at ``/nimbus-os/sandbox``
and ``/nimbus-os/production``, NeuroAI at ``/neuroai``, Nexus at ``/nexus``. Faults and the journal name each
endpoint:

=============  =====================================================================================
Nimbus API     validate, refresh, revoke, github_token, models, model_file, analytics, health
GitHub         release, asset, storage
Nimbus OS      nimbus_os (all of it)
NeuroAI        neuroai_keys (create, list), neuroai_key (get, update, delete), neuroai_rotate,
               neuroai_verify, neuroai_audit, neuroai_agents, neuroai (any other path)
Nexus          nexus_thread, nexus (any other path)
=============  =====================================================================================

A sandbox needs the packages of the ``sandbox`` extra (``pip install ".[sandbox]"``). Without them,
starting a sandbox raises ``SandboxUnavailableError``; importing this package works.

Examples:
    >>> import httpx
    >>> from nimbus_sdk.sandbox import Sandbox
    >>> with Sandbox() as sandbox:
    ...     key = sandbox.new_key("free")
    ...     answer = httpx.post(f"{sandbox.api_url}/v1/auth/validate", json={"api_key": key}).json()
    >>> answer["license_type"], answer["quota"]["remaining"]
    ('free', 10000)

A key of another service, and a response that is lost after its work was done:
    >>> with Sandbox() as sandbox:
    ...     manager = {"Authorization": f"Bearer {sandbox.new_neuroai_key(role='API Manager')}"}
    ...     sandbox.fault("neuroai_keys", reset="after_work")
    ...     keys = f"{sandbox.neuroai_url}/v1/api-keys"
    ...     try:
    ...         httpx.post(keys, headers=manager, json={"name": "Production CI/CD", "type": "team"})
    ...     except httpx.NetworkError:
    ...         names = [row["name"] for row in httpx.get(keys, headers=manager).json()["data"]]
    >>> names
    ['sandbox', 'Production CI/CD']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nimbus_sdk.sandbox.availability import SandboxUnavailableError
    from nimbus_sdk.sandbox.github.releases import Asset, Release
    from nimbus_sdk.sandbox.http.faults import Fault
    from nimbus_sdk.sandbox.http.request_log import Exchange
    from nimbus_sdk.sandbox.nimbus_api.keys import create_key, list_keys, revoke_key
    from nimbus_sdk.sandbox.sandbox import Sandbox, serve

_NAMES_BY_MODULE = {
    "nimbus_sdk.sandbox.availability": "SandboxUnavailableError",
    "nimbus_sdk.sandbox.github.releases": "Asset Release",
    "nimbus_sdk.sandbox.http.faults": "Fault",
    "nimbus_sdk.sandbox.http.request_log": "Exchange",
    "nimbus_sdk.sandbox.nimbus_api.keys": "create_key list_keys revoke_key",
    "nimbus_sdk.sandbox.sandbox": "Sandbox serve",
}
_MODULES = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names.split()}

__all__ = [
    "Asset",
    "Exchange",
    "Fault",
    "Release",
    "Sandbox",
    "SandboxUnavailableError",
    "create_key",
    "list_keys",
    "revoke_key",
    "serve",
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
