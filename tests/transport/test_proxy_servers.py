"""Proxies of the environment: used for other hosts, never for this machine; their refusals are errors."""

import base64
import dataclasses
import socket
import ssl
import urllib.request
from contextlib import closing

import pytest
import trustme

from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError
from nimbus_sdk.transport import tls
from nimbus_sdk.transport.driver import Driver
from nimbus_sdk.transport.flow import HeaderAuth, Request
from nimbus_sdk.transport.flow import send as request_flow
from tests.support.evidence import everything_in, strangers_in
from tests.support.raw_server import head, saying, serving, tunnel

API = "https://api.nimbusbci.com"
KEY = "nbci_live_" + "0123456789ab" * 4
LONG = pytest.mark.qualification


def to_api(url=API):
    """A call to the service, with a key."""
    return Request(
        name="models",
        method="GET",
        url=f"{url}/v1/models/list",
        auth=HeaderAuth("X-API-Key", KEY, origin(url)),
    )


def tunnel_to(port):
    """A CONNECT proxy that leads every tunnel to one port of this machine."""
    return lambda connection, request: tunnel(connection, port)


@pytest.fixture
def service(tmp_path, monkeypatch):
    """The service's stand-in, with a certificate in its name that is trusted here."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.nimbusbci.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    with serving(saying(b"{}"), lambda plain: context.wrap_socket(plain, server_side=True)) as server:
        yield server


@pytest.mark.parametrize(
    "variable", ["HTTPS_PROXY", *(pytest.param(name, marks=LONG) for name in ("https_proxy", "ALL_PROXY"))]
)
def test_the_world_is_reached_through_the_proxy_and_the_key_only_within_the_tunnel(
    send, service, monkeypatch, variable
):
    """The proxy sees CONNECT with the host; the key is in the tunnel alone."""
    with serving(tunnel_to(service.port)) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert send(to_api()).status == 200
    (asked,) = proxy.requests
    assert asked.line == "CONNECT api.nimbusbci.com:443 HTTP/1.1"
    assert KEY not in repr(asked.headers)
    assert service.requests[0].headers["x-api-key"] == KEY


def test_a_proxy_may_be_reached_over_tls(send, service, tmp_path, monkeypatch):
    """Its certificate is checked as any other: one that is trusted here is enough, and another is not."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def secured(plain):
        return context.wrap_socket(plain, server_side=True)

    with serving(tunnel_to(service.port), secured) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
        with pytest.raises(NimbusConnectionError, match="is not trusted"):
            send(to_api())
        both = (tmp_path / "root.pem").read_bytes() + authority.cert_pem.bytes()
        (tmp_path / "root.pem").write_bytes(both)
        tls._context.cache_clear()
        assert send(to_api()).status == 200


def test_the_proxys_password_goes_to_the_proxy_alone(send, service, monkeypatch):
    """User and password of HTTPS_PROXY become its own header and never the service's."""
    with serving(tunnel_to(service.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:pa55@127.0.0.1:{proxy.port}")
        send(to_api())
    expected = base64.b64encode(b"someone:pa55").decode()
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {expected}"
    assert "proxy-authorization" not in service.requests[0].headers


def refusing(status):
    """Answers CONNECT with a status."""
    return lambda connection, request: connection.sendall(head(status, "Proxy-Authenticate: Basic", length=0))


def silent(connection, request):
    """Accepts, and never answers."""
    connection.recv(1)


PROXY_FAULTS = {
    "wants a password": (refusing("407 Proxy Authentication Required"), "user and password", False),
    "has another policy": (refusing("403 Forbidden"), "does not allow", False),
    "is a web server": (refusing("405 Method Not Allowed"), "does not connect to", False),
    "cannot look up the host": (refusing("503 Service Unavailable"), "did not reach", True),
    "closes without a word": (lambda connection, request: None, "as a proxy does", True),
    "speaks SSH": (
        lambda connection, request: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
        "as a proxy does",
        True,
    ),
    "is silent": (silent, "did not answer in time", True),
}


@pytest.mark.parametrize("fault", PROXY_FAULTS)
def test_a_fault_of_a_proxy_is_blamed_on_the_proxy(send, monkeypatch, fault):
    """By its name, without its password or the key; whether it may pass decides over another try."""
    handler, words, passing = PROXY_FAULTS[fault]
    with serving(handler) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:pa55@127.0.0.1:{proxy.port}")
        with pytest.raises(NimbusConnectionError, match=words) as caught:
            send(to_api(), seconds=1.0 if handler is silent else 5.0)
    error = caught.value
    assert error.message.startswith(f"The proxy http://…@127.0.0.1:{proxy.port} ")
    assert "HTTPS_PROXY names this proxy" in error.hint
    assert (error.passing, error.sent) == (passing, False)
    assert strangers_in(error) == []
    assert not [secret for secret in ("pa55", KEY) if secret in everything_in(error)]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://someone:pa55@proxy.invalid:3128", "the name proxy.invalid cannot be resolved"),
        ("http://s\u00f6me:pa55@pr\u00f6xy.invalid:3128", "cannot be resolved"),
        ("http://127.0.0.1:{closed}", "cannot be reached"),
        ("https://someone:pa55@127.0.0.1:{plain}", "TLS connection to it failed"),
    ],
)
def test_a_proxy_that_is_none_is_blamed_as_well(send, monkeypatch, address, words):
    """A name that nobody knows, a closed port, and a server that speaks something else."""
    real = socket.getaddrinfo

    def lookup(host, *rest, **options):
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)

    def answer_at_once(connection):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return connection

    with (
        serving(saying(b""), answer_at_once) as plain,
        socket.create_server(("127.0.0.1", 0)) as reserved,
    ):
        closed = reserved.getsockname()[1]
        reserved.close()
        proxy = address.format(closed=closed, plain=plain.port)
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(NimbusConnectionError, match=words) as caught:
            send(to_api())
    assert caught.value.message.startswith("The proxy ")
    assert caught.value.sent is False
    assert "ALL_PROXY names this proxy" in caught.value.hint
    assert "pa55" not in everything_in(caught.value)
    assert strangers_in(caught.value) == []


def test_a_failure_behind_the_proxy_is_not_the_proxys(send, service, monkeypatch):
    """Neither a certificate that is not trusted nor a service that breaks off."""
    with serving(tunnel_to(service.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(NimbusConnectionError, match=r"certificate of api\.nimbusbci\.com") as caught:
            send(to_api())
        assert "names this proxy" not in caught.value.hint
        assert f"through the proxy {proxy.url}" in caught.value.hint

    def cut(connection, request):
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

    with serving(cut) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NimbusConnectionError, match=r"api\.nimbusbci\.com"):
            send(to_api())


def test_a_web_server_that_answers_connect_with_a_page_is_named(send, monkeypatch):
    """It takes the CONNECT for a request, and what follows is no TLS; the variable is in the hint."""
    with serving(saying(b"<html>Welcome</html>", "200 OK", "Content-Type: text/html")) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        with pytest.raises(NimbusConnectionError) as caught:
            send(to_api())
    assert f"through the proxy {server.url}, which HTTPS_PROXY names" in caught.value.hint
    assert strangers_in(caught.value) == []


def test_a_proxy_that_cannot_reach_the_host_is_asked_again(service, monkeypatch):
    """A CONNECT that fails with a 5xx has sent nothing, so also a request that must not be repeated is."""
    refusals = iter(["503 Service Unavailable", "502 Bad Gateway", "504 Gateway Timeout"])
    tunnel = tunnel_to(service.port)

    def recover(connection, request):
        status = next(refusals, None)
        (refusing(status) if status else tunnel)(connection, request)

    with serving(recover) as proxy, closing(Driver(Settings(), sleep=lambda seconds: None)) as driver:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        once = dataclasses.replace(to_api(), repeatable=False)
        assert driver.run(request_flow(once)).status == 200
    assert proxy.connections == 4


@pytest.mark.parametrize(
    "value",
    [
        "ftp://127.0.0.1:1",
        "socks9://127.0.0.1:1",
        "http://[::1:1",
        "http://a:pa55@x:port",
        "http://a:pa55@x:99999",
        "http://a:pa55@:3128",
    ],
)
def test_the_error_for_an_invalid_proxy_variable_names_it(send, monkeypatch, value):
    """A faulty HTTPS_PROXY is a ConfigurationError without its value, which may contain a password."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        send(to_api())
    assert "pa55" not in everything_in(caught.value)
    assert strangers_in(caught.value) == []


def test_only_the_variable_that_is_wrong_is_named(send, monkeypatch):
    """The message names which of three proxy variables is wrong."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", " ftp://127.0.0.1:1 ")
    monkeypatch.setenv("FTP_PROXY", "ftp://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=r"^https_proxy is not a valid proxy URL"):
        send(to_api())


def test_the_error_for_an_invalid_proxy_of_the_system_names_the_variables_to_set(send, monkeypatch):
    """Without any variable it is the system's own setting, over which a variable would win."""
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "ftp://127.0.0.1:1"})
    with pytest.raises(ConfigurationError, match=r"system's proxy setting.*HTTPS_PROXY, HTTP_PROXY and ALL"):
        send(to_api())


def test_the_error_for_a_socks_proxy_without_its_package_names_the_package(send, monkeypatch):
    """httpcore needs socksio for it; the error names it instead of an ImportError."""
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="socks"):
        send(to_api())


@pytest.mark.parametrize(
    "unused",
    [
        {"HTTP_PROXY": "ftp://127.0.0.1:1"},
        {"ALL_PROXY": "socks5://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"},
        {"ALL_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": "api.example"},
    ],
)
def test_an_unusable_proxy_does_not_fail_requests_that_do_not_use_it(send, monkeypatch, unused):
    """One for another scheme, one that another comes before, one that the host is spared."""
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    for variable, value in unused.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(NimbusConnectionError):
        send(to_api("https://api.example"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_reached_through_a_proxy(send, monkeypatch, host):
    """A sandbox on loopback works whatever the proxy variables say."""
    with serving(saying(b"{}")) as proxy, serving(saying(b"{}")) as server:
        for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(variable, proxy.url)
        assert send(to_api(f"http://{host}:{server.port}")).status == 200
    assert proxy.connections == 0


@pytest.mark.parametrize("host", ["[::1]", "[0:0:0:0:0:0:0:1]", "127.0.0.2"])
def test_this_machine_by_its_other_addresses_is_not_either(send, monkeypatch, host):
    """The same for those where nobody listens, however they are written."""
    with serving(saying(b"{}")) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with pytest.raises(NimbusConnectionError):
            send(to_api(f"http://{host}:9"))
    assert proxy.connections == 0


def test_no_proxy_is_honoured(send, monkeypatch):
    """A host that NO_PROXY names is looked for directly."""

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with serving(saying(b"{}")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "nimbusbci.com")
        with pytest.raises(NimbusConnectionError, match="cannot be resolved"):
            send(to_api())
    assert proxy.connections == 0


KUBERNETES = "localhost,127.0.0.1,::1,fd00::/8,10.0.0.0/8"


@pytest.mark.parametrize(
    "no_proxy",
    [
        f"{KUBERNETES},[::1],[fd00::]/8,a b,[::1,host:port,http://[,://,%,*.,\u2603,\udc80",
        *(pytest.param(one, marks=LONG) for one in (KUBERNETES, "[::1]", "[fd00::]/8")),
    ],
)
def test_no_entry_of_no_proxy_breaks_a_call(send, service, monkeypatch, no_proxy):
    """What is usual in Kubernetes, and what makes no sense at all: the proxy is used as before."""
    with serving(tunnel_to(service.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        assert send(to_api()).status == 200
    assert proxy.connections == 1


@pytest.mark.parametrize("no_proxy", [KUBERNETES, "[::1]"])
def test_no_proxy_without_any_proxy_breaks_no_call_either(send, monkeypatch, no_proxy):
    """NO_PROXY alone is set in many containers."""
    monkeypatch.setenv("no_proxy", no_proxy)
    with serving(saying(b"{}")) as server:
        assert send(to_api(server.url)).status == 200


@pytest.mark.parametrize("no_proxy", [KUBERNETES, "10.1.2.3:80"])
def test_a_call_goes_straight_to_what_no_proxy_names(send, monkeypatch, no_proxy):
    """The transports keep to the rules, which are tested one by one elsewhere."""
    with serving(saying(b"{}")) as proxy, serving(saying(b"{}")) as server:
        connect = socket.socket.connect

        def led(self, address):
            connect(self, ("127.0.0.1", server.port) if address == ("10.1.2.3", 80) else address)

        monkeypatch.setattr(socket.socket, "connect", led)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        assert send(to_api("http://10.1.2.3")).status == 200
    assert (proxy.connections, server.connections) == (0, 1)


def test_a_netrc_is_never_read(send, isolated_home, monkeypatch):
    """Passwords for other programs are not sent to this service or any other."""
    netrc = isolated_home / "user" / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password pa55\ndefault login x password pa55\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(saying(b"{}")) as server:
        send(Request(name="health", method="GET", url=f"{server.url}/api/health"))
    assert "authorization" not in server.requests[0].headers
