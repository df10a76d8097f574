"""Name resolution ends, in time and in words."""

import socket
import threading

import pytest

from nimbus_sdk.errors import NimbusConnectionError, NimbusTimeoutError
from nimbus_sdk.transport import dns
from nimbus_sdk.transport.dns import resolve
from nimbus_sdk.transport.flow import Request
from tests.support.evidence import strangers_in

HOST = "api.nimbusbci.com"
URL = f"https://{HOST}/v1/x"


@pytest.fixture
def names(monkeypatch):
    """Decides what the name server says; gives the names that were asked for."""
    asked = []

    def install(answer):
        def getaddrinfo(host, *rest, **options):
            asked.append(host)
            return answer(host)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return install


def addresses(*hosts):
    """What getaddrinfo gives for these addresses."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 443)) for host in hosts]


def test_a_host_has_each_of_its_addresses_once(names):
    """In the order in which the system prefers them."""
    asked = names(lambda host: addresses("192.0.2.1", "192.0.2.2", "192.0.2.1"))
    found = resolve(HOST, 443, 1.0)
    assert found == tuple((socket.AF_INET, (host, 443)) for host in ("192.0.2.1", "192.0.2.2"))
    assert asked == ["api.nimbusbci.com"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "192.0.2.7", "2001:db8::1"])
def test_loopback_and_plain_addresses_are_not_asked_for(names, host):
    """No name server is needed for what is not a name."""
    asked = names(lambda host: [])
    assert len(resolve(host, 5, 1.0)) == (2 if host == "localhost" else 1)
    assert asked == []


def refuse(error):
    """A name server's refusal."""

    def answer(host):
        raise error

    return answer


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure"),
        OSError(24, "Too many open files"),
        UnicodeError("label too long"),
    ],
)
def test_a_name_that_is_not_found_is_an_error_and_not_tried_again(names, error):
    """The message names the host and the reason; the hint speaks of DNS and proxy."""
    names(refuse(error))
    with pytest.raises(NimbusConnectionError, match=r"name api\.nimbusbci\.com cannot be resolved") as caught:
        resolve(HOST, 443, 1.0)
    assert caught.value.passing is False
    assert "DNS" in caught.value.hint


@pytest.mark.parametrize(("number", "passing"), [(socket.EAI_AGAIN, True), (socket.EAI_NONAME, False)])
def test_a_temporary_failure_after_a_long_look_up_may_pass(names, monkeypatch, number, passing):
    """Packets were lost on the way; a machine without network fails at once, and does not wait."""
    monkeypatch.setattr(dns, "LOST_SECONDS", -1.0)
    names(refuse(socket.gaierror(number, "no answer")))
    with pytest.raises(NimbusConnectionError) as caught:
        resolve(HOST, 443, 1.0)
    assert caught.value.passing is passing


@pytest.fixture
def hanging(names):
    """A name server that answers only when a test has ended; the event is set when it has answered."""
    ended, answered = threading.Event(), threading.Event()

    def answer(host):
        ended.wait(30)
        answered.set()
        return []

    names(answer)
    yield answered
    ended.set()


def test_a_name_server_that_hangs_is_a_timeout(hanging):
    """getaddrinfo has no timeout, so it is abandoned."""
    with pytest.raises(NimbusTimeoutError, match="No name server answered"):
        resolve(HOST, 443, 0.1)
    assert not hanging.is_set()


def test_an_exchange_with_a_hanging_name_server_is_a_timeout(hanging, send):
    """With both transports."""
    with pytest.raises(NimbusTimeoutError) as caught:
        send(Request(name="health", method="GET", url=URL), seconds=0.2)
    assert not hanging.is_set()
    assert strangers_in(caught.value) == []


def test_a_host_that_cannot_be_one_is_an_error_of_the_sdk(send):
    """A label of 70 letters is refused by the encoding of host names, which raises an error of its own."""
    with pytest.raises(NimbusConnectionError) as caught:
        send(Request(name="health", method="GET", url=f"https://{'a' * 70}.invalid/"))
    assert strangers_in(caught.value) == []
