"""An event loop goes on while the SDK loads, looks up and connects, and the process ends when it should."""

import asyncio
import json
import ssl
import threading

import pytest
import trustme

from nimbus_sdk import AsyncNimbusClient
from tests.support.raw_server import answering, serving

KEY = "nbci_live_" + "0123456789ab" * 4
HEALTHY = b'{"status": "healthy"}'
FIRST_CALL = """
import asyncio, sys, threading
from nimbus_sdk import AsyncNimbusClient
from nimbus_sdk.transport import tls

before, threads, requested = set(), [], set()
make_context = tls._context.__wrapped__
tls._context = lambda named: (threads.append(threading.current_thread()), make_context(named))[1]

def note(event, arguments):
    if event == "import" and before and threading.current_thread() is threading.main_thread():
        requested.add(arguments[0])

async def main():
    sys.addaudithook(note)
    client = AsyncNimbusClient("{key}", base_url="{url}")
    before.update(sys.modules)
    print((await client.health()).status)
    before.clear()
    await client.aclose()

known = set(sys.modules)
asyncio.run(main())
loaded = requested & (set(sys.modules) - known)
assert not loaded, loaded
assert threads and threading.main_thread() not in threads
"""


@pytest.fixture
def secure_url(tmp_path, monkeypatch):
    """The URL of a service with a certificate that is trusted here."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    wrap = lambda plain: context.wrap_socket(plain, server_side=True)  # noqa: E731
    with serving(answering(lambda _: HEALTHY), wrap) as server:
        yield f"https://localhost:{server.port}"


def test_the_first_awaited_call_loads_nothing_in_the_event_loop(fresh, secure_url):
    """Modules and certificates are loaded in a thread, while other tasks go on."""
    assert fresh(FIRST_CALL.format(key=KEY, url=secure_url)).stdout == "healthy\n"


LAST_CALLS = """
import asyncio, atexit, socket, sys, threading
import nest_asyncio
from nimbus_sdk import AsyncNimbusClient, NimbusClient

def never(*_, **__):
    threading.Event().wait(600)

async def cancelled():
    async with AsyncNimbusClient("{key}", base_url="https://api.example") as client:
        try:
            async with asyncio.timeout(0.1):
                await client.health()
        except TimeoutError:
            print("cancelled")

async def keyless():
    async with AsyncNimbusClient(base_url="{url}") as client:
        print(len(await client.list_models()))

def at_exit():
    print(NimbusClient("{key}", base_url="{url}").health().status)
    asyncio.run(keyless())

socket.getaddrinfo = never
nest_asyncio.apply()
atexit.register(at_exit)
asyncio.run(cancelled())
asyncio.run(keyless())
"""


def test_no_thread_of_the_sdk_holds_up_the_end_of_a_process(fresh):
    """A look-up that was cancelled, a notebook's nested loops, and calls at the end of the interpreter."""
    answer = json.dumps({"status": "healthy", "models": [], "total": 0}).encode()
    with serving(answering(lambda _: answer)) as server:
        done = fresh(LAST_CALLS.format(key=KEY, url=server.url), timeout=30, NIMBUS_API_KEY=KEY)
    assert done.stdout.split() == ["cancelled", "0", "healthy", "0"]


def test_an_awaited_call_needs_no_thread(monkeypatch):
    """Where none can be started, jobs run in that of the loop."""

    def start(thread):
        raise RuntimeError("can't start new thread")

    async def main(url):
        async with AsyncNimbusClient(KEY, base_url=url) as client:
            return await client.health()

    with serving(answering(lambda _: HEALTHY)) as server:
        real = threading.Thread.start
        monkeypatch.setattr(
            threading.Thread, "start", lambda thread: (start if thread.name == "nimbus-sdk" else real)(thread)
        )
        assert asyncio.run(main(server.url)).status == "healthy"
