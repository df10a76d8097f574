"""Two hosts and the link between them, in network namespaces: slow, long, lossy, down, or with a dead server.

Sockets belong to the namespace of the thread that opens them, so both hosts live in the process of the test::

    def test_a_slow_line(network):
        network.link.delay, network.link.rate = 0.2, 32_000
        listener = network.far.listen("198.51.100.7", 443)
        with serving(handler, wrap, listener=listener), network.names({"api.example": ["198.51.100.7"]}):
            network.near.run(lambda: send(request))

Every address of ``FAR`` belongs to the far host, and the near one has a route to it alone. A fork within
``run``, such as that of ``subprocess``, is on the same host. The addresses are those for documentation (RFC
5737, RFC 3849), which no real network has. The link is in user space, since few kernels have ``netem``.

It needs root on Linux, ``/dev/net/tun`` and ``ip``; the fixture ``network`` skips the test without them.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import random
import selectors
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

SIXTH_NEAR = "2001:db8:1::1"
NEAR = ("192.0.2.1/24", f"{SIXTH_NEAR}/64 nodad")
FAR = ("198.51.100.0/24", "2001:db8:2::/64")
NAME_SERVER = "198.51.100.53"
MTU = 1500
# From linux/sched.h, sys/mount.h and linux/if_tun.h.
_NEWNET, _NEWNS, _SHARED_CWD = 0x40000000, 0x00020000, 0x00000200
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_TUNSETIFF, _TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
_END = b"end"


class Host:
    """A network namespace, and the name servers of the threads in it."""

    def __init__(self, files: Path) -> None:
        self.name_servers: tuple[str, ...] = ()
        self._files = files
        self._resolver_files = itertools.count()
        self._namespace = _run_in_thread(_make_namespace)

    def run(self, job: Callable[[], T]) -> T:
        """Run a job in a thread on this host, and return its result."""

        def enter() -> T:
            _check(_libc().setns(self._namespace, _NEWNET))
            if self.name_servers:
                self._use_name_servers()
            return job()

        return _run_in_thread(enter)

    def listen(self, address: str, port: int = 0) -> socket.socket:
        """Return a listening TCP socket of this host."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return self.run(lambda: socket.create_server((address, port), family=family, backlog=100))

    def connect(self, address: str, port: int) -> socket.socket:
        """Return a TCP connection from this host."""
        return self.run(lambda: socket.create_connection((address, port), timeout=30))

    def close(self) -> None:
        """Forget the namespace; it ends with its last socket."""
        os.close(self._namespace)

    def _use_name_servers(self) -> None:
        """Give this thread, and those that it starts, a file system with another resolv.conf."""
        libc = _libc()
        lines = self._files / f"resolv-{id(self)}-{next(self._resolver_files)}.conf"
        lines.write_text("".join(f"nameserver {address}\n" for address in self.name_servers))
        _check(libc.unshare(_SHARED_CWD | _NEWNS))
        _check(libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None))
        _check(libc.mount(bytes(lines), b"/etc/resolv.conf", None, _BIND, None))


class Link:
    """Carries packets between two hosts; what a test sets holds from the next packet on.

    Attributes:
        delay: Seconds that a packet takes, one way.
        rate: Bytes a second in each direction, or None for any number.
        queue: Packets that wait for a slow link before more are lost.
        loss: Share of the packets that are lost, from 0 to 1.
        is_down: All are lost.
        holes: Networks to which all are lost, such as ``2001:db8:2::/64``.
        carried: Packets that arrived.
    """

    def __init__(self, near: int, far: int) -> None:
        self.delay, self.loss = 0.0, 0.0
        self.rate: float | None = None
        self.queue = 100
        self.is_down = False
        self.holes: Sequence[str] = ()
        self.carried = 0
        self._directions = (_Direction(near, far), _Direction(far, near))
        self._chance = random.Random(1)
        self._end = os.eventfd(0)
        self._thread = threading.Thread(target=self._carry, name="link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and remove the devices."""
        os.eventfd_write(self._end, 1)
        self._thread.join()
        os.close(self._end)
        for direction in self._directions:
            os.close(direction.source)

    def _carry(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._end, selectors.EVENT_READ)
            for direction in self._directions:
                ready.register(direction.source, selectors.EVENT_READ, direction)
            while True:
                waiting = [one.packets[0][0] for one in self._directions if one.packets]
                timeout = max(0.0, min(waiting) - time.monotonic()) if waiting else None
                for key, _ in ready.select(timeout):
                    if key.data is None:
                        return
                    self._accept(key.data, os.read(key.fd, 65536))
                for direction in self._directions:
                    self.carried += direction.deliver(time.monotonic())

    def _accept(self, direction: _Direction, packet: bytes) -> None:
        if self.is_down or self._chance.random() < self.loss or _is_within(packet, self.holes):
            return
        now = time.monotonic()
        starts = max(now, direction.busy_until)
        takes = 0.0 if self.rate is None else len(packet) / self.rate
        if self.rate is not None and starts - now > self.queue * MTU / self.rate:
            return
        direction.busy_until = starts + takes
        direction.packets.append((starts + takes + self.delay, packet))


class _Direction:
    """The packets that are on their way from one device to another, with the times of their arrival."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        self.packets: deque[tuple[float, bytes]] = deque()
        self.busy_until = 0.0

    def deliver(self, now: float) -> int:
        """Write what has arrived by now; return how many packets."""
        delivered = 0
        while self.packets and self.packets[0][0] <= now:
            os.write(self.target, self.packets.popleft()[1])
            delivered += 1
        return delivered


class Network:
    """Two hosts and their link."""

    def __init__(self, files: Path) -> None:
        self.near, self.far = Host(files), Host(files)
        near = self.near.run(lambda: _make_device("near"))
        far = self.far.run(lambda: _make_device("far"))
        up = ("link set lo up", "link set {} addrgenmode none", f"link set {{}} up mtu {MTU}")
        # The kernel makes the local route of an IPv6 address some time after the address.
        own = [f"addr add {address} dev {{}}" for address in NEAR]
        to_far = (*own, f"route add local {SIXTH_NEAR} dev lo", "route add default dev {}")
        to_near = (*(f"route add local {network} dev lo" for network in FAR), "route add default dev {}")
        self.near.run(lambda: _configure("near", (*up, *to_far, "route add ::/0 dev {}")))
        self.far.run(lambda: _configure("far", (*up, *to_near, "route add ::/0 dev {}")))
        self.link = Link(near, far)

    def close(self) -> None:
        """Remove the link and both hosts."""
        self.link.close()
        self.near.close()
        self.far.close()

    @contextmanager
    def names(self, records: Mapping[str, Sequence[str]], delay: float = 0.0) -> Iterator[NameServer]:
        """Run a name server on the far host that the near one asks.

        Args:
            records: The addresses of each name; there are no others.
            delay: Seconds until each answer.
        """
        with NameServer(self.far, NAME_SERVER, records, delay) as server:
            self.near.name_servers = (*self.near.name_servers, NAME_SERVER)
            yield server


class NameServer:
    """Answers questions for A and AAAA records over UDP (RFC 1035), and counts them.

    Attributes:
        asked: The names in the questions.
        ignored: Types of records that it never answers for: 1 for A, 28 for AAAA.
    """

    def __init__(
        self, host: Host, address: str, records: Mapping[str, Sequence[str]], delay: float = 0.0
    ) -> None:
        self.asked: list[str] = []
        self.ignored: frozenset[int] = frozenset()
        self._records = {name.lower(): addresses for name, addresses in records.items()}
        self._delay = delay
        self._socket = host.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, name="names", daemon=True)
        self._thread.start()

    def __enter__(self) -> NameServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(_END, self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(512)
            if question == _END:
                return
            answer = self._answer(question)
            if answer is not None:
                timer = threading.Timer(self._delay, self._send, (answer, asker))
                timer.daemon = True
                timer.start()

    def _send(self, answer: bytes, asker: tuple[str, int]) -> None:
        with suppress(OSError):  # the test is over
            self._socket.sendto(answer, asker)

    def _answer(self, question: bytes) -> bytes | None:
        name, end = _read_name(question)
        (kind,) = struct.unpack_from("!H", question, end)
        self.asked.append(name)
        if kind in self.ignored:
            return None
        known = self._records.get(name.lower())
        family = {1: 4, 28: 6}.get(kind)
        addresses = [one for one in map(ip_address, known or ()) if one.version == family]
        flags = 0x8180 if known is not None else 0x8183  # an answer, or NXDOMAIN
        head = question[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0)
        # Each record: a pointer to the name in the question, type, class IN, 60 s to live, length, address.
        records = [
            struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(one.packed)) + one.packed for one in addresses
        ]
        return head + question[12 : end + 4] + b"".join(records)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """Two hosts and a perfect link, until the test gives it faults."""
    missing = missing_for_networks()
    if missing:
        pytest.skip(f"network namespaces need {missing}")
    made = Network(tmp_path)
    yield made
    made.close()


def missing_for_networks() -> str:
    """Return what this machine lacks for network namespaces, or an empty text."""
    if sys.platform != "linux" or os.geteuid():
        return "root on Linux"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun"
    return "" if shutil.which("ip") else "ip, from the package iproute2"


def _read_name(message: bytes) -> tuple[str, int]:
    """Return the first name of a message, and where its type is."""
    labels, at = [], 12
    while size := message[at]:
        labels.append(message[at + 1 : at + 1 + size].decode("ascii", "replace"))
        at += 1 + size
    return ".".join(labels), at + 1


def _is_within(packet: bytes, networks: Sequence[str]) -> bool:
    """Whether a packet goes to one of some networks."""
    if not networks:
        return False
    target = ip_address(packet[16:20] if packet[0] >> 4 == 4 else packet[24:40])
    return any(target in _network(text) for text in networks)


@lru_cache
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)


def _make_namespace() -> int:
    _check(_libc().unshare(_NEWNET))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _make_device(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    return device


def _configure(device: str, commands: Sequence[str]) -> None:
    # IPv6 has no other way to listen on an address that is local by its route alone.
    Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")
    lines = "".join(f"{command.format(device)}\n" for command in commands)
    subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)


def _run_in_thread(job: Callable[[], T]) -> T:
    """Run a job in a thread of its own, since a namespace is that of a thread."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(job())
        except BaseException as error:  # raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors.pop()
    return results[0]


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
