"""The networks that other tests use have the faults that they are given, and no others."""

from __future__ import annotations

import socket

import pytest

from tests.support.networks import Network
from tests.support.raw_server import saying, serving

SERVER = "198.51.100.7"
SIXTH = "2001:db8:2::7"


def ask(address: str, port: int, timeout: float = 5.0) -> bytes:
    """What a raw server answers."""
    with socket.create_connection((address, port), timeout=timeout) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize("address", [SERVER, SIXTH])
def test_a_server_of_the_far_host_answers_the_near_one_alone(network: Network, address: str) -> None:
    """Over both versions of IP; the machine itself has no way there."""
    with serving(saying(b"hello"), listener=network.far.listen(address, 80)) as server:
        assert network.near.run(lambda: ask(address, 80)).endswith(b"hello")
        assert server.connections == 1
    assert network.link.carried > 5


def test_names_are_those_of_its_name_servers(network: Network) -> None:
    """Each address of a name, and a failure for any other name."""
    with network.names({"api.example": [SERVER, SIXTH]}) as names:
        found = network.near.run(lambda: socket.getaddrinfo("api.example", 443, type=socket.SOCK_STREAM))
        assert {entry[4][0] for entry in found} == {SERVER, SIXTH}
        with pytest.raises(socket.gaierror, match="not known"):
            network.near.run(lambda: socket.getaddrinfo("other.example", 443))
    assert set(names.asked) == {"api.example", "other.example"}


def test_a_link_may_swallow_all_or_what_goes_to_some_networks(network: Network) -> None:
    """Nothing comes back, not even a refusal."""
    network.link.holes = ["2001:db8:2::/64"]
    with serving(saying(b"hello"), listener=network.far.listen(SERVER, 80)):
        with pytest.raises(TimeoutError):
            network.near.run(lambda: ask(SIXTH, 80, timeout=0.3))
        assert network.near.run(lambda: ask(SERVER, 80)).endswith(b"hello")
        network.link.is_down = True
        with pytest.raises(TimeoutError):
            network.near.run(lambda: ask(SERVER, 80, timeout=0.3))


@pytest.mark.parametrize("fault", [{"delay": 0.4}, {"rate": 1_500}, {"loss": 1.0}])
def test_a_link_may_be_too_long_too_slow_or_too_lossy(network: Network, fault: dict[str, float]) -> None:
    """With a perfect link the same answer comes in time."""
    with serving(saying(b"x" * 16_000), listener=network.far.listen(SERVER, 80)):
        assert len(network.near.run(lambda: ask(SERVER, 80))) > 16_000
        for name, value in fault.items():
            setattr(network.link, name, value)
        with pytest.raises(TimeoutError):
            network.near.run(lambda: ask(SERVER, 80, timeout=0.3))


def test_a_port_without_a_server_is_refused_at_once(network: Network) -> None:
    """The far host is there."""
    with pytest.raises(ConnectionRefusedError):
        network.near.run(lambda: ask(SERVER, 81))
