"""What the SDK imports at some time, imported: a fork server does so once for all of its children."""

from __future__ import annotations

import asyncio  # noqa: F401
import email.policy  # noqa: F401
import encodings.cp437
import encodings.idna  # noqa: F401
import pkgutil
import unittest  # noqa: F401
from importlib import import_module

import anyio.to_thread  # noqa: F401
import filelock  # noqa: F401
import httpcore  # noqa: F401
import numpy  # noqa: F401
import tenacity  # noqa: F401
import truststore  # noqa: F401
import uvicorn  # noqa: F401

import nimbus_sdk

# Dask's cluster takes longest to import, and few programs use it.
OMITTED = ("nimbus_sdk.reference_core", "nimbus_sdk.core.dask_workers", "nimbus_sdk.__main__")

for module in pkgutil.walk_packages(nimbus_sdk.__path__, "nimbus_sdk."):
    if not module.name.startswith(OMITTED):
        import_module(module.name)
