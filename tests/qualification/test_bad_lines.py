"""Installs over lines and fronts that are slow, break, fall silent or restart, in real time."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import nimbus_sdk
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.download import FileSink, download_until_complete
from nimbus_sdk.display.progress import ProgressEvent
from nimbus_sdk.sandbox import Sandbox
from nimbus_sdk.transport.driver import Driver
from nimbus_sdk.transport.flow import Flow, Request, send
from tests.support import raw_server
from tests.support.networks import Network
from tests.support.raw_server import head, serving

pytestmark = [pytest.mark.qualification, pytest.mark.timeout(600)]
MEBIBYTE = 2**20


class Front:
    """Serves a file with ranges, as well as its fault lets it.

    Attributes:
        content: The file.
        fault: Sends the part of the file that was requested.
        requests: How many requests came.
        began: When the first one came.
    """

    def __init__(self, content: bytes, fault: Callable[[Front, socket.socket, bytes], None]) -> None:
        self.content = content
        self.fault = fault
        self.requests = 0
        self.began: float | None = None

    @property
    def age(self) -> float:
        """Seconds since the first request."""
        self.began = self.began or time.monotonic()
        return time.monotonic() - self.began

    def answer(self, connection: socket.socket, request: raw_server.Request) -> None:
        """Respond to one request."""
        self.requests += 1
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        part = self.content[start:]
        status = f"Content-Range: bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        self.top = head("206 Partial Content", status, length=len(part)) if start else head(length=len(part))
        self.fault(self, connection, part)

    def send(self, connection: socket.socket, part: bytes) -> None:
        """Send a complete response."""
        connection.sendall(self.top + part)

    def cut(self, connection: socket.socket, part: bytes) -> None:
        """Send the head and a part of the body, and reset the connection once they have arrived."""
        connection.sendall(self.top + part)
        time.sleep(0.2)
        reset(connection)


def reset(connection: socket.socket) -> None:
    """Cut a connection with a TCP RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def resets_after_each_mebibyte(front: Front, connection: socket.socket, part: bytes) -> None:
    """Cut every connection after 1 MiB."""
    if len(part) <= MEBIBYTE:
        front.send(connection, part)
    else:
        front.cut(connection, part[:MEBIBYTE])


def ends_chunks_early(front: Front, connection: socket.socket, part: bytes) -> None:
    """Close every connection after half a mebibyte, in the middle of the body."""
    connection.sendall(front.top + part[: MEBIBYTE // 2])


def fails_for(seconds: float, fail: Callable[[socket.socket], None]) -> Callable[..., None]:
    """Return a fault: a third of the file, and failures for some seconds afterwards."""

    def fault(front: Front, connection: socket.socket, part: bytes) -> None:
        if front.requests == 1:
            front.age  # noqa: B018 - the time counts from here
            front.cut(connection, part[: len(part) // 3])
        elif front.age < seconds:
            fail(connection)
        else:
            front.send(connection, part)

    return fault


def refuse(connection: socket.socket) -> None:
    """Answer as a front whose backend restarts."""
    connection.sendall(head("503 Service Unavailable", length=0))


def be_silent(connection: socket.socket) -> None:
    """Answer nothing until the other side gives up."""
    connection.recv(1)


def holds_the_body(front: Front, connection: socket.socket, part: bytes) -> None:
    """Scan the file for 18 seconds after the head."""
    connection.sendall(front.top)
    time.sleep(18)
    connection.sendall(part)


def holds_everything(front: Front, connection: socket.socket, part: bytes) -> None:
    """Scan the file for 18 seconds before the head."""
    time.sleep(18)
    front.send(connection, part)


def drips_for_a_minute(front: Front, connection: socket.socket, part: bytes) -> None:
    """Send 32 kbit/s for a minute, then the rest at once."""
    connection.sendall(front.top)
    for place in range(0, 60 * 4000, 1000):
        connection.sendall(part[place : place + 1000])
        time.sleep(0.25)
    connection.sendall(part[60 * 4000 :])


@pytest.mark.parametrize(
    ("fault", "timeout"),
    [
        (resets_after_each_mebibyte, None),
        (ends_chunks_early, None),
        (fails_for(5, reset), None),
        (fails_for(30, refuse), None),
        (fails_for(40, reset), None),
        (fails_for(60, be_silent), None),
        (holds_the_body, 300),
        (holds_everything, 300),
        (drips_for_a_minute, 10),
    ],
    ids=[
        "reset after each MiB",
        "cut after half a MiB",
        "restarts for 5 s",
        "503 for 30 s",
        "resets for 40 s",
        "silent for 60 s",
        "body held for 18 s",
        "head held for 18 s",
        "32 kbit/s",
    ],
)
def test_a_core_is_installed_through_a_bad_front(
    sandbox: Sandbox, key: str, fault: Callable[..., None], timeout: float | None
) -> None:
    """One call installs the core, and never fetches again what had arrived."""
    release = sandbox.publish("0.9.0", padding=4 * MEBIBYTE)
    (wheel,) = (asset for asset in release.assets if asset.name.endswith(".whl"))
    front = Front(wheel.path.read_bytes(), fault)
    events: list[ProgressEvent] = []
    with serving(front.answer) as server:
        sandbox.fault("asset", redirect=f"{server.url}/wheel", times=None)
        nimbus_sdk.install_core(key, timeout=timeout, progress=events.append)
    assert nimbus_sdk.check_installation().version == "0.9.0"
    done = [event.done for event in events if event.stage == "download" and event.done is not None]
    assert done == sorted(done)


def fetch(url: str, folder: Path, content: bytes) -> Flow[str]:
    """Download a file, as models and cores are."""
    sink = FileSink(str(folder), "the file", len(content), hashlib.sha256(content).hexdigest())
    request = Request(name="storage", method="GET", url=url, sink=sink, silence=30.0)
    return (yield from download_until_complete(sink, lambda: send(request)))


@pytest.mark.parametrize("outage", [0.0, 40.0, 90.0], ids="{:.0f} s without a link".format)
def test_a_slow_link_brings_the_whole_file(network: Network, tmp_path: Path, outage: float) -> None:
    """256 kbit/s and 300 ms, names included, and a link that is down in the middle: the file arrives."""
    content = os.urandom(MEBIBYTE)
    front = Front(content, lambda front, connection, part: front.send(connection, part))
    network.link.delay, network.link.rate = 0.15, 32_000
    cut = threading.Timer(15, lambda: setattr(network.link, "is_down", True))
    mend = threading.Timer(15 + outage, lambda: setattr(network.link, "is_down", False))
    listener = network.far.listen("198.51.100.7", 80)
    with (
        serving(front.answer, listener=listener),
        network.names({"storage.example": ["198.51.100.7"]}),
        closing(Driver(Settings(timeout=30.0))) as driver,
    ):
        if outage:
            cut.start()
            mend.start()
        flow = fetch("http://storage.example/file", tmp_path / "downloads", content)
        path = network.near.run(lambda: driver.run(flow))
    assert Path(path).read_bytes() == content
