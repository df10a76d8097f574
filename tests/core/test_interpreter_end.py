"""At the end of the interpreter, where no thread can be started, calls work as ever."""

from __future__ import annotations

import pytest

import nimbus_sdk
from tests.conftest import Fresh
from tests.support.flows import TINY_CORE

pytestmark = TINY_CORE

# Python refuses from 3.12 on; the first function that is registered runs last.
REGISTERED = """
import asyncio, atexit, threading
import nimbus_sdk
from nimbus_sdk import aio

async def ask():
    async with nimbus_sdk.AsyncNimbusClient() as client:
        return (await client.health()).status

def end():
    print(nimbus_sdk.refresh_quota().license_type)
    print(asyncio.run(aio.refresh_quota()).license_type)
    with nimbus_sdk.NimbusClient() as client:
        print(client.health().status, asyncio.run(ask()))
    print(nimbus_sdk.install_core(force=True, progress=True).license_type)
    print(bool(nimbus_sdk.check_installation()), bool(nimbus_sdk.explain()))

def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

atexit.register(end)
atexit.register(lambda: setattr(threading.Thread, "start", refuse))
"""


@pytest.mark.usefixtures("sandbox")
def test_every_kind_of_call_works_at_the_end_of_the_interpreter(key: str, fresh: Fresh) -> None:
    """Blocking and awaitable, with a progress bar, and with a core to install."""
    nimbus_sdk.authenticate(key)
    done = fresh(REGISTERED)
    assert done.stdout.splitlines() == ["research", "research", "healthy healthy", "research", "True True"]
    assert "Traceback" not in done.stderr
