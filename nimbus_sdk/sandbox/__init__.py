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
    from nimbus_sdk.sandbox.availability import SandboxUnavailableError as SandboxUnavailableError
    from nimbus_sdk.sandbox.github.releases import Asset as Asset
    from nimbus_sdk.sandbox.github.releases import Release as Release
    from nimbus_sdk.sandbox.http.faults import Fault as Fault
    from nimbus_sdk.sandbox.http.request_log import Exchange as Exchange
    from nimbus_sdk.sandbox.nimbus_api.keys import create_key as create_key
    from nimbus_sdk.sandbox.nimbus_api.keys import list_keys as list_keys
    from nimbus_sdk.sandbox.nimbus_api.keys import revoke_key as revoke_key
    from nimbus_sdk.sandbox.sandbox import Sandbox as Sandbox
    from nimbus_sdk.sandbox.sandbox import serve as serve

_MODULES = {
    "Asset": "github.releases",
    "Exchange": "http.request_log",
    "Fault": "http.faults",
    "Release": "github.releases",
    "Sandbox": "sandbox",
    "SandboxUnavailableError": "availability",
    "create_key": "nimbus_api.keys",
    "list_keys": "nimbus_api.keys",
    "revoke_key": "nimbus_api.keys",
    "serve": "sandbox",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
