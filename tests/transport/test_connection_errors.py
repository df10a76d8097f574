"""From a failed exchange to its error, in which every text from outside is sanitized."""

import socket
import ssl

import httpcore
import pytest

from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import NimbusConnectionError, NimbusTimeoutError
from nimbus_sdk.transport.connection_errors import from_exception, unknown_host_error
from nimbus_sdk.transport.flow import HeaderAuth, Request
from nimbus_sdk.transport.proxies import Proxy, Route

API = "https://api.nimbusbci.com"
KEY = "nbci_live_" + "0123456789ab" * 4
DIGITS = KEY[10:]
IN_BODY = {"auth": None, "json": {"api_key": KEY}, "secrets": (KEY,)}
PROXY = Proxy("http://someone:pa55word@proxy.example:3128")
BEFORE = Route(PROXY)


def call_with(**fields):
    """A call that carries the key in its header."""
    auth = HeaderAuth("X-API-Key", KEY, origin(API))
    return Request(
        **{"name": "models", "method": "GET", "url": f"{API}/v1/models/list", "auth": auth, **fields}
    )


@pytest.mark.parametrize("kind", [httpcore.ProxyError, httpcore.RemoteProtocolError, httpcore.ReadError])
@pytest.mark.parametrize("route", [Route(), BEFORE, Route(PROXY, is_past=True)])
def test_the_error_for_a_broken_response_does_not_contain_the_digits(kind, route):
    """httpcore quotes what it could not read."""
    error = from_exception(call_with(**IN_BODY), kind(f"illegal status line: {DIGITS}"), route)
    assert DIGITS not in str(error)
    assert "illegal status line: …" in error.message


def caused(error, cause):
    """An error with its cause, as httpcore hands it on."""
    error.__cause__ = cause
    return error


LATE = "did not answer in time"
EXCHANGES = [
    (httpcore.ConnectTimeout("x"), NimbusTimeoutError, LATE, True, False),
    (httpcore.PoolTimeout(""), NimbusTimeoutError, LATE, True, False),
    (httpcore.ReadTimeout(""), NimbusTimeoutError, LATE, True, True),
    (httpcore.WriteTimeout(""), NimbusTimeoutError, LATE, True, True),
    (
        caused(httpcore.ConnectError("x"), socket.gaierror(-2, "Name or service not known")),
        NimbusConnectionError,
        "cannot be resolved (Name or service not known)",
        False,
        False,
    ),
    (
        caused(httpcore.ConnectError("x"), ssl.SSLError(1, "[SSL] wrong version number")),
        NimbusConnectionError,
        "TLS connection",
        True,
        False,
    ),
    (httpcore.UnsupportedProtocol("x"), NimbusConnectionError, "cannot be sent", False, False),
    (
        httpcore.LocalProtocolError(f"Illegal value {KEY!r}"),
        NimbusConnectionError,
        "cannot be sent",
        False,
        False,
    ),
    (
        httpcore.RemoteProtocolError(f"illegal {KEY}"),
        NimbusConnectionError,
        "closed the connection in mid-answer",
        True,
        True,
    ),
    (httpcore.ReadError(""), NimbusConnectionError, "(models: ReadError)", True, True),
    (
        httpcore.ConnectError(f"no way to {API}?key={KEY}"),
        NimbusConnectionError,
        "cannot be reached",
        True,
        False,
    ),
]


@pytest.mark.parametrize(
    ("raised", "kind", "text", "passing", "sent"), EXCHANGES, ids=lambda v: type(v).__name__
)
def test_every_failure_of_an_exchange_has_its_error(raised, kind, text, passing, sent):
    """Host and fault, no secret, whether it may pass, and whether the request may have arrived."""
    error = from_exception(call_with(), raised)
    assert type(error) is kind
    assert "api.nimbusbci.com" in error.message
    assert text in error.message
    assert (error.passing, error.sent) == (passing, sent)  # type: ignore[attr-defined]
    assert KEY not in str(error)
    assert error.hint


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.0.0.9"])
@pytest.mark.parametrize("kind", [httpcore.ConnectError, httpcore.ReadError, httpcore.RemoteProtocolError])
def test_where_this_machine_does_not_answer_the_question_is_for_the_sandbox(host, kind):
    """No firewall and no proxy is before one's own addresses."""
    error = from_exception(call_with(url=f"http://{host}:8123/v1/models/list"), kind("x"))
    assert "sandbox still running" in error.hint
    assert "firewall" not in error.hint
    assert "firewall" in from_exception(call_with(), kind("x")).hint


def test_every_error_of_httpcore_is_translated():
    """No class of httpcore that an exchange may raise is without a translation."""
    kinds = [
        kind for kind in vars(httpcore).values() if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len(kinds) > 12
    for kind in kinds:
        assert isinstance(from_exception(call_with(), kind("x")), NimbusConnectionError)


NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
OLD = caused(httpcore.ConnectError("x"), ssl.SSLError(1, "[SSL] wrong version number"))
BEFORE_THE_HOST = [
    (unknown_host_error("proxy.example", NO_NAME), "cannot be resolved (Name or service", "port", False),
    (httpcore.ConnectError("[Errno 111] Connection refused"), "cannot be reached ([Errno 111]", "runs", True),
    (httpcore.ConnectTimeout(), "did not answer in time", "port", True),
    (httpcore.ReadTimeout(), "did not answer in time", "port", True),
    (NimbusTimeoutError("No name server answered."), "no name server answered", "port", True),
    (httpcore.RemoteProtocolError("illegal status line: SSH"), "as a proxy does (illegal", "port", True),
    (httpcore.ReadError("[Errno 104] Connection reset"), "cannot be reached ([Errno 104]", "port", True),
    (OLD, "TLS connection to it failed", "scheme", True),
    (httpcore.ProxyError("407 Authenticate"), "rejected the user and password", "Correct", False),
    (httpcore.ProxyError("403 Forbidden"), "does not allow connections to api.nimbusbci.com", "Ask", False),
    (httpcore.ProxyError("405 Not Allowed"), "does not connect to api.nimbusbci.com", "web server", False),
    (httpcore.ProxyError("501 Unsupported method"), "does not connect to api.nimbus", "web server", False),
    (httpcore.ProxyError("500 Error"), "did not reach api.nimbusbci.com (500 Error)", "few minutes", True),
    (httpcore.ProxyError("502 "), "did not reach", "few minutes", True),
    (httpcore.ProxyError("503 Service Unavailable"), "did not reach", "few minutes", True),
    (httpcore.ProxyError("504 Gateway Timeout"), "did not reach", "few minutes", True),
    (httpcore.ProxyError("Proxy Server could not connect: Host unreachable."), "did not con", "rules", True),
    (
        httpcore.ProxyError("Proxy Server could not connect: Connection not allowed by ruleset."),
        "not allowed by ruleset",
        "rules",
        False,
    ),
    (httpcore.ProxyError("Invalid username/password"), "Invalid username", "password", False),
]


@pytest.mark.parametrize(("raised", "text", "advice", "passing"), BEFORE_THE_HOST)
def test_a_failure_before_the_host_is_the_proxys(monkeypatch, raised, text, advice, passing):
    """It is named without its password and with its variable; nothing has been sent to the host."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY.url)
    error = from_exception(call_with(), raised, BEFORE)
    assert error.message.startswith("The proxy http://…@proxy.example:3128 ")
    assert text in error.message
    assert error.hint.startswith("HTTPS_PROXY names this proxy. ")
    assert advice in error.hint
    assert (error.passing, error.sent) == (passing, False)
    assert isinstance(error, NimbusTimeoutError) == (
        "Timeout" in type(raised).__name__ and not isinstance(raised, httpcore.ProxyError)
    )
    assert not [secret for secret in ("pa55word", KEY) if secret in f"{error} {error!r} {vars(error)}"]


def test_what_is_no_socks_proxy_is_said_to_be_none():
    """The error of the package for SOCKS is one of the proxy's as well."""
    malformed = type("ProtocolError", (Exception,), {"__module__": "socksio.exceptions"})("Malformed reply")
    assert "as a proxy does (Malformed reply)" in from_exception(call_with(), malformed, BEFORE).message


def test_a_proxy_without_a_password_is_asked_for_one():
    """The URL takes it; a proxy that repeats the password of its URL does not get it printed."""
    error = from_exception(
        call_with(), httpcore.ProxyError("407 x"), Route(Proxy("http://proxy.example:3128"))
    )
    assert "asks for a user and password" in error.message
    assert "http://user:password@host:port" in error.hint
    echo = from_exception(call_with(), httpcore.ProxyError("503 no pa55word"), BEFORE)
    assert "pa55word" not in str(echo)


def test_a_failure_behind_a_proxy_names_the_way(monkeypatch):
    """The host is named, and the proxy without its password: it may be none, and have answered for itself."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY.url)
    error = from_exception(call_with(), OLD, Route(PROXY, is_past=True))
    assert error.message.startswith("The TLS connection to api.nimbusbci.com failed")
    assert "through the proxy http://…@proxy.example:3128, which HTTPS_PROXY names" in error.hint
