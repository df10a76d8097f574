"""Who shares connections, and who must not: threads, event loops, children of a fork, calls that failed."""

import asyncio
import gc
import json
import socket
import threading
import time
from contextlib import suppress

import pytest

from nimbus_sdk import AsyncNimbusClient, NimbusClient
from nimbus_sdk.errors import NimbusConnectionError, NimbusTimeoutError
from nimbus_sdk.transport import http
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Request
from nimbus_sdk.transport.http import AsyncHttpTransport, HttpTransport
from tests.support.raw_server import answering, head, serving

KEY = "nbci_live_" + "0123456789ab" * 4
HEALTHY = b'{"status": "healthy"}'


def to(server, path="/"):
    """A request to a server."""
    return Request(name="echo", method="GET", url=f"{server.url}{path}")


def echo(request):
    """The path of the request, as the paradigm of a model and as a body of any service."""
    path = request.line.split()[1]
    model = dict.fromkeys(("name", "version", "type", "paradigm", "requires_license"), path)
    model |= {"n_features": 1, "n_classes": 2, "size_mb": 1.0, "download_url": "https://x.example/"}
    model |= {"checksum": "sha256:" + "0" * 64}
    return json.dumps({"path": path, "models": [model], "total": 1}).encode()


FORKS = """
import asyncio, os
from nimbus_sdk import AsyncNimbusClient, NimbusClient, services

def ask(word):
    {ask}

def children_ask():
    for number in range(3):
        reading, writing = os.pipe()
        if not os.fork():
            os.write(writing, ask(f"child-{{number}}").encode())
            os._exit(0)
        os.close(writing)
        yield reading

client = {client}
words = [ask("parent")]
words += [os.fdopen(each).read() for each in list(children_ask())]
print(*words, ask("parent-again"), sep="\\n")
"""
CLIENTS = {
    "NimbusClient('{key}', base_url='{url}')": "return client.list_models(word)[0].name",
    "AsyncNimbusClient('{key}', base_url='{url}')": "return asyncio.run(client.list_models(word))[0].name",
    "services.NimbusOS('sk_test_abc123xyz789def456ghi', base_url='{url}')": (
        "return client.request('GET', f'/{word}')['path']"
    ),
    "services.AsyncNeuroAI('nai_0123456789abcdef', base_url='{url}')": (
        "return asyncio.run(client.request('GET', f'/{word}'))['path']"
    ),
    "services.Nexus('nxs_0123456789abcdef', client_version='1.0.0', base_url='{url}')": (
        "return client.request('GET', f'/{word}')['path']"
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_each_child_of_a_fork_gets_its_own_answer(forked, client):
    """A client that was used before the fork starts over in every child; its parent keeps its connection."""
    with serving(answering(echo)) as server:
        code = FORKS.format(client=client.format(key=KEY, url=server.url), ask=CLIENTS[client])
        answers = forked(code).stdout.split()
    words = ["parent", "child-0", "child-1", "child-2", "parent-again"]
    assert [answer.rpartition("=")[2].strip("/") for answer in answers] == words
    # The second event loop of the parent needs another one.
    assert server.connections == (5 if "Async" in client else 4)


HELD_LOCKS = """
import asyncio, os
from nimbus_sdk import AsyncNimbusClient, NimbusClient
from nimbus_sdk.transport import driver

def ask(word):
    answers = (client.list_models(word), asyncio.run(awaitable.list_models(word)))
    return [answer[0].name for answer in answers] == [f"/v1/models/list?paradigm={{word}}"] * 2

client, awaitable = (kind("{key}", base_url="{url}") for kind in (NimbusClient, AsyncNimbusClient))
assert ask("parent")
transports = client._driver._transport, awaitable._driver._transport
pools = [transports[0]._connections, *transports[1]._connections.values()]
owners = [driver.PROCESS_LIMITS, *pools]
locks = [driver._opening, *(owner._lock for owner in owners)]
for lock in locks:
    lock.acquire()
if not os.fork():
    os._exit(not ask("child"))
assert os.wait()[1] == 0
for lock in locks:
    lock.release()
"""


def test_a_fork_while_another_thread_holds_a_lock_does_not_block_the_child(forked):
    """The locks of limits, pools and connections begin anew with the child."""
    with serving(answering(echo)) as server:
        forked(HELD_LOCKS.format(key=KEY, url=server.url))


def test_threads_share_one_transport_and_its_connections(monkeypatch):
    """However many begin at once, none opens a transport of its own, and closing the client closes all."""
    opened, ended = [], []
    make = HttpTransport.__init__
    monkeypatch.setattr(HttpTransport, "__init__", lambda self: (opened.append(self), make(self))[1])
    barrier, results = threading.Barrier(16), []

    def handler(connection, request):
        answering(lambda _: HEALTHY)(connection, request)
        ended.append(connection)

    def ask(client):
        barrier.wait()
        results.extend(client.health().status for _ in range(5))

    with serving(handler) as server:
        with NimbusClient(KEY, base_url=server.url) as client:
            threads = [threading.Thread(target=ask, args=(client,)) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert results == ["healthy"] * 80
        assert len(opened) == 1
        assert server.connections <= 16
        wait_until(lambda: len(ended) == server.connections)


def test_an_awaitable_client_works_in_one_event_loop_after_another():
    """Also where the first one is closed before the client."""
    with serving(answering(lambda _: HEALTHY)) as server:
        client = AsyncNimbusClient(KEY, base_url=server.url)
        assert [asyncio.run(client.health()).status for _ in range(3)] == ["healthy"] * 3
        asyncio.run(client.aclose())
    gc.collect()


def test_an_awaitable_client_works_in_event_loops_of_several_threads_at_once():
    """Each loop has connections of its own."""
    results = []

    async def ask(client):
        results.extend(health.status for health in await asyncio.gather(*(client.health() for _ in range(5))))

    with serving(answering(lambda _: HEALTHY)) as server:
        client = AsyncNimbusClient(KEY, base_url=server.url)
        threads = [threading.Thread(target=lambda: asyncio.run(ask(client))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(client.aclose())
    assert results == ["healthy"] * 20


def test_more_calls_at_once_than_connections_wait_for_one(monkeypatch):
    """Thirty calls over five connections, and a call that waits too long is a timeout that sent nothing."""
    monkeypatch.setattr(http, "MOST_CONNECTIONS", 5)
    hold = threading.Event()

    def answer(request):
        hold.wait(5)
        return HEALTHY

    async def main(server):
        async with AsyncNimbusClient(KEY, base_url=server.url) as client:
            calls = [asyncio.create_task(client.health()) for _ in range(30)]
            while server.connections < 5:
                await asyncio.sleep(0.01)
            with pytest.raises(NimbusTimeoutError) as caught:
                await client._driver._transport.send(to(server), Deadline(0.1))
            assert caught.value.sent is False
            hold.set()
            return [health.status for health in await asyncio.gather(*calls)]

    with serving(answering(answer)) as server:
        assert asyncio.run(main(server)) == ["healthy"] * 30
    assert server.connections == 5


def test_closing_a_client_lets_calls_in_progress_end():
    """In another thread, and in another task: they get their answers, and their connections close then."""
    hold, ended, results = threading.Event(), [], []

    def handler(connection, request):
        hold.wait(5)
        answering(lambda _: HEALTHY)(connection, request)
        ended.append(connection)

    async def main(server):
        client = AsyncNimbusClient(KEY, base_url=server.url)
        call = asyncio.create_task(client.health())
        while server.connections < 2:
            await asyncio.sleep(0.01)
        await client.aclose()
        hold.set()
        return await call

    with serving(handler) as server:
        client = NimbusClient(KEY, base_url=server.url)
        thread = threading.Thread(target=lambda: results.append(client.health()))
        thread.start()
        wait_until(lambda: server.connections == 1)
        client.close()
        assert asyncio.run(main(server)).status == "healthy"
        thread.join()
        assert results[0].status == "healthy"
        wait_until(lambda: len(ended) == 2)


def wait_until(condition):
    """Wait until a condition holds, and fail if it never does."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def threads_of_the_sdk():
    """The threads that it has started and that still run."""
    return [thread for thread in threading.enumerate() if thread.name == "nimbus-sdk"]


class Dripping:
    """A service that sends a response byte by byte until it recovers, and notes who hung up."""

    def __init__(self):
        self.recovered = False
        self.left = 0

    def __call__(self, connection, request):
        """Answer a request."""
        if self.recovered:
            answering(lambda _: HEALTHY)(connection, request)
            return
        try:
            for byte in head(length=100_000) + b" " * 100_000:
                connection.sendall(bytes([byte]))
                time.sleep(0.01)
        except OSError:
            self.left += 1


def test_an_overdue_call_closes_its_connection_and_the_client_goes_on():
    """No thread and no socket is left behind, and the same client works as soon as the service does."""
    service, before = Dripping(), threads_of_the_sdk()
    with serving(service) as server, NimbusClient(KEY, base_url=server.url, timeout=0.1) as client:
        for _ in range(3):
            with pytest.raises(NimbusTimeoutError):
                client.health()
        assert set(threads_of_the_sdk()) <= set(before)
        wait_until(lambda: service.left == server.connections)
        service.recovered = True
        assert client.health().status == "healthy"


def test_an_overdue_awaited_call_closes_its_connection_and_the_client_goes_on():
    """The same within an event loop; a cancelled call does so too."""
    service, before = Dripping(), threads_of_the_sdk()

    async def main(server):
        async with AsyncNimbusClient(KEY, base_url=server.url, timeout=0.1) as client:
            for _ in range(3):
                with pytest.raises(NimbusTimeoutError):
                    await client.health()
        async with AsyncNimbusClient(KEY, base_url=server.url) as client:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.health()
            assert set(threads_of_the_sdk()) <= set(before)
            await asyncio.to_thread(wait_until, lambda: service.left == server.connections)
            service.recovered = True
            return await client.health()

    with serving(service) as server:
        assert asyncio.run(main(server)).status == "healthy"


@pytest.fixture
def without_threads(monkeypatch):
    """No thread of the SDK can be started, as at the end of the interpreter."""
    real = threading.Thread.start

    def start(thread):
        if thread.name == "nimbus-sdk":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "api.example"])
def test_a_call_needs_no_thread(send, without_threads, monkeypatch, host):
    """Neither for the deadline nor for this machine; another name is looked up in the calling thread."""
    looked_up = []

    def getaddrinfo(host, port, **options):
        looked_up.append(threading.current_thread())
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with serving(answering(lambda _: b"{}")) as server:
        request = Request(name="x", method="GET", url=f"http://{host}:{server.port}/")
        assert send(request, request).status == 200
    assert looked_up == [threading.main_thread()] * (host == "api.example")


def flood(connection, request):
    """Send nothing but provisional responses."""
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000)


def test_a_flood_of_provisional_responses_is_cut_off(send):
    """Long before the deadline; a few of them are no fault."""
    with serving(flood) as server:
        deadline = Deadline(60)
        with pytest.raises(NimbusConnectionError, match="no response within the first"):
            send(to(server), deadline=deadline)
        assert deadline.remaining() > 10

    def few(connection, request):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 10 + head(length=2) + b"{}")

    with serving(few) as server:
        assert send(to(server)).body == b"{}"


def test_a_connection_that_the_service_has_closed_is_not_used_again(send):
    """Each of three requests gets its response, though each connection ends after one."""

    def once(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    transport = HttpTransport()
    with serving(once) as server:
        for number in range(3):
            assert transport.send(to(server), Deadline(5)).status == 200
            wait_until(lambda number=number: server.connections == number + 1)
            time.sleep(0.05)
    transport.close()


def test_a_transport_of_a_loop_that_has_ended_leaves_no_socket_open():
    """Not even if it is forgotten without being closed, once another loop uses it."""
    ended = []

    def handler(connection, request):
        answering(lambda _: b"{}")(connection, request)
        ended.append(connection)

    transport = AsyncHttpTransport()
    with serving(handler) as server:
        for _ in range(2):
            asyncio.run(transport.send(to(server), Deadline(5)))
        wait_until(lambda: len(ended) == 1)
        asyncio.run(transport.aclose())
        wait_until(lambda: len(ended) == 2)
