"""Each obstacle between this machine and the services has a finding of its own."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import trustme

from nimbus_sdk.doctor.finding import format_span
from nimbus_sdk.doctor.network_checks import STORAGE_HOSTS
from nimbus_sdk.sandbox import Sandbox
from tests.doctor.conftest import Examine, Seen
from tests.support.flows import TINY_CORE
from tests.support.networks import Network
from tests.support.raw_server import Handler, RawServer, Request, head, saying, serving, tunnel

pytestmark = TINY_CORE

NOWHERE = "https://api.nimbus.invalid"
INSPECTOR = "Campus TLS Inspection"


@pytest.fixture
def no_such_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that knows no name ending in .invalid (RFC 6761), without asking a real one."""
    real = socket.getaddrinfo

    def getaddrinfo(host: object, *rest: object, **options: object) -> object:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def inspector() -> trustme.CA:
    """The authority with which a network opens TLS connections."""
    return trustme.CA(organization_name=INSPECTOR)


def over_tls(
    certificate: trustme.LeafCert, clients: Path | None = None
) -> Callable[[socket.socket], socket.socket]:
    """Makes a server's connections TLS; with roots of clients, it asks for their certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients is not None:
        context.load_verify_locations(cafile=str(clients))
        context.verify_mode = ssl.CERT_REQUIRED
    return lambda connection: context.wrap_socket(connection, server_side=True)


@pytest.fixture
def opened(inspector: trustme.CA) -> Iterator[str]:
    """Where a box in the network answers over TLS in the service's place."""
    wrap = over_tls(inspector.issue_cert("localhost"))
    with serving(saying(b'{"status": "ok"}', "200 OK", "Content-Type: application/json"), wrap) as server:
        yield f"https://localhost:{server.port}"


@dataclass(frozen=True)
class Corporate:
    """A network's proxy, and the status with which it refuses some hosts."""

    proxy: RawServer
    blocked: dict[str, str]


def test_a_name_that_cannot_be_resolved_is_named(
    sandbox: Sandbox, examine: Examine, no_such_names: None
) -> None:
    """The host, that its name is the problem, and what to check; a fault while nothing is installed."""
    seen = examine(NIMBUS_SDK_API_URL=NOWHERE)
    assert seen["dns api"].verdict == "fault"
    assert "api.nimbus.invalid cannot be resolved" in seen["dns api"].cause
    assert "DNS" in seen["dns api"].fix
    assert seen["dns github"].verdict == "ok"
    assert seen["api"].verdict == "fault"


def test_a_network_problem_is_a_warning_if_work_goes_on_offline(
    installed: str, examine: Examine, no_such_names: None
) -> None:
    """With core and session the same machine is usable."""
    seen = examine(NIMBUS_SDK_API_URL=NOWHERE)
    assert seen["dns api"].verdict == "warning"
    assert seen["api"].verdict == "warning"
    assert seen.diagnosis
    assert seen.diagnosis.usable_offline


def test_a_blocked_github_is_distinguished_from_a_blocked_api(sandbox: Sandbox, examine: Examine) -> None:
    """A firewall that lets only the API through: the finding names GitHub and says what needs it."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    seen = examine(NIMBUS_SDK_GITHUB_URL=f"http://127.0.0.1:{port}")
    assert seen["api"].verdict == "ok"
    assert seen["github"].verdict == "fault"
    assert "Only installing and updating the core need it" in seen["github"].fix
    seen = examine(NIMBUS_SDK_GITHUB_URL=sandbox.github_url, NIMBUS_SDK_API_URL=f"http://127.0.0.1:{port}")
    assert (seen["api"].verdict, seen["github"].verdict) == ("fault", "ok")


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "404 Not Found"])
@pytest.mark.parametrize("body", [b"<html>Blocked by policy</html>", b"[]", b'{"error": "blocked"}', b""])
def test_a_page_in_githubs_place_is_not_github(
    sandbox: Sandbox, examine: Examine, status: str, body: bytes
) -> None:
    """Whatever is no response of GitHub's API, even with one of its statuses, comes from something else."""
    with serving(saying(body, status, "Content-Type: text/html")) as box:
        seen = examine(NIMBUS_SDK_GITHUB_URL=box.url)
    assert seen["github"].verdict == "fault"
    assert "captive portal or a proxy" in seen["github"].cause
    assert "Only installing and updating the core need it" in seen["github"].fix
    assert seen["api"].verdict == "ok"


def test_github_that_is_unwell_is_no_captive_portal(sandbox: Sandbox, examine: Examine) -> None:
    """Its own page with status 503: try again in a few minutes."""
    with serving(
        saying(b"<html>Unicorn</html>", "503 Service Unavailable", "Content-Type: text/html")
    ) as box:
        seen = examine(NIMBUS_SDK_GITHUB_URL=box.url)
    assert seen["github"].verdict == "warning"
    assert "503" in seen["github"].cause


def test_a_proxy_that_requires_a_password_is_reported(sandbox: Sandbox, examine: Examine) -> None:
    """407: the proxy is printed without its password, and the fix names the variable."""
    with serving(saying(b"", "407 Proxy Authentication Required")) as proxy:
        seen = examine(
            HTTPS_PROXY=f"http://someone:hunter2@127.0.0.1:{proxy.port}",
            NIMBUS_SDK_API_URL="https://api.example.test",
        )
    text = " ".join(f"{finding.cause} {finding.fix}" for finding in seen.diagnosis.findings)
    assert f"127.0.0.1:{proxy.port} is used for" in seen["proxy"].cause
    assert "hunter2" not in text
    assert "407" in seen["api"].cause
    assert "HTTPS_PROXY" in seen["api"].fix
    assert seen["dns api"].verdict == "ok", "the proxy resolves the name"
    assert seen["certificate"].verdict == "skipped"


@pytest.mark.parametrize(
    "fault",
    [
        {"html": True},
        {"redirect": "http://login.guest.example/"},
        {"status": 403, "body": "<html>Guest</html>"},
    ],
    ids=["a page", "a redirect", "a refusal"],
)
def test_a_captive_portal_is_called_by_its_name(
    sandbox: Sandbox, examine: Examine, fault: dict[str, object]
) -> None:
    """A page, a redirect or a refusal in place of the service: log in to the network first."""
    sandbox.fault("health", **fault)  # type: ignore[arg-type]
    seen = examine()
    assert seen["captive portal"].verdict == "fault"
    assert "log in to the network" in seen["captive portal"].fix
    assert "api" not in seen


@pytest.mark.parametrize("status", [500, 503])
def test_a_service_that_is_unwell_is_no_captive_portal(
    sandbox: Sandbox, examine: Examine, status: int
) -> None:
    """The service's own failure is reported as such, with its status."""
    sandbox.fault("health", status=status)
    seen = examine()
    assert seen["api"].verdict in ("fault", "warning")
    assert str(status) in seen["api"].cause
    assert "captive portal" not in seen


def test_an_inspected_tls_connection_names_the_issuer(
    sandbox: Sandbox, examine: Examine, opened: str, inspector: trustme.CA, tmp_path: Path
) -> None:
    """The issuer, and the variable that makes it trusted; with that set, all is well."""
    seen = examine(NIMBUS_SDK_API_URL=opened)
    assert INSPECTOR in seen["certificate"].cause
    assert "is not trusted" in seen["api"].cause
    assert "SSL_CERT_FILE" in seen["api"].fix
    root = tmp_path / "root.pem"
    inspector.cert_pem.write_to_path(str(root))
    seen = examine(NIMBUS_SDK_API_URL=opened, SSL_CERT_FILE=str(root))
    assert INSPECTOR in seen["certificate"].cause
    assert seen["api"].verdict == "ok"


def no_word_of_trusting(seen: Seen) -> bool:
    """Whether no finding advises to trust a certificate."""
    return not any("SSL_CERT_FILE" in finding.fix for finding in seen.diagnosis.findings)


@pytest.mark.parametrize(
    "page",
    [
        saying(b"<html>Welcome to the hotel</html>"),
        saying(b"", "302 Found", "Location: http://login.example/"),
    ],
    ids=["a page", "a redirect"],
)
def test_the_certificate_of_a_log_in_page_is_not_to_be_trusted(
    sandbox: Sandbox, examine: Examine, inspector: trustme.CA, page: Handler
) -> None:
    """Who opens the connection and then shows a page is a captive portal, whatever the certificate says."""
    with serving(page, over_tls(inspector.issue_cert("localhost"))) as portal:
        seen = examine(NIMBUS_SDK_API_URL=f"https://localhost:{portal.port}")
    assert seen["captive portal"].verdict == "fault"
    assert "log in to the network" in seen["captive portal"].fix
    assert (seen["certificate"].verdict, "not trusted" in seen["certificate"].cause) == ("fault", True)
    assert "api" not in seen
    assert no_word_of_trusting(seen)


def test_the_certificate_of_another_host_is_not_to_be_trusted(
    sandbox: Sandbox, examine: Examine, inspector: trustme.CA
) -> None:
    """A wrong name server leads to a server that has nothing to do with the service."""
    json = saying(b'{"status": "ok"}')
    with serving(json, over_tls(inspector.issue_cert("elsewhere.example"))) as other:
        seen = examine(NIMBUS_SDK_API_URL=f"https://localhost:{other.port}")
    assert seen["certificate"].verdict == "fault"
    assert "DNS server" in seen["certificate"].fix
    assert no_word_of_trusting(seen)


def test_a_client_certificate_that_is_asked_for_is_named(
    sandbox: Sandbox, examine: Examine, inspector: trustme.CA, tmp_path: Path
) -> None:
    """Some proxies admit only machines with a certificate of their own."""
    root = tmp_path / "root.pem"
    inspector.cert_pem.write_to_path(str(root))
    wrap = over_tls(inspector.issue_cert("localhost"), clients=root)
    with serving(saying(b"{}"), wrap) as strict:
        seen = examine(NIMBUS_SDK_API_URL=f"https://localhost:{strict.port}", SSL_CERT_FILE=str(root))
    assert "client certificate" in seen["api"].cause
    assert seen["certificate"].verdict != "ok"


SERVICES = ("api.nimbusbci.com", "api.github.com", *STORAGE_HOSTS)


@pytest.fixture
def corporate(inspector: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corporate]:
    """A network with a proxy as its only way out, behind which an inspector opens all connections."""
    for variable in ("NIMBUS_SDK_API_URL", "NIMBUS_SDK_GITHUB_URL"):
        monkeypatch.delenv(variable, raising=False)
    blocked: dict[str, str] = {}

    def answer(connection: socket.socket, request: Request) -> None:
        body = b'{"status": "ok", "message": "Not Found"}'
        saying(body, "200 OK", "Content-Type: application/json")(connection, request)

    with serving(answer, over_tls(inspector.issue_cert(*SERVICES))) as behind:

        def connect(connection: socket.socket, request: Request) -> None:
            host = request.line.split()[1].partition(":")[0]
            if host in blocked:
                connection.sendall(head(blocked[host], length=0))
            else:
                tunnel(connection, behind.port)

        with serving(connect) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://someone:hunter2@127.0.0.1:{proxy.port}")
            yield Corporate(proxy, blocked)


def test_an_interceptor_behind_a_proxy_is_named(
    corporate: Corporate, examine: Examine, inspector: trustme.CA, tmp_path: Path
) -> None:
    """The proxy is fine; who opens the connections behind it is in the finding, and how to trust it."""
    seen = examine()
    assert seen["proxy"].verdict == "ok"
    assert INSPECTOR in seen["certificate"].cause
    assert seen["certificate"].verdict == "fault"
    assert "SSL_CERT_FILE" in seen["certificate"].fix
    inspector.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    seen = examine(SSL_CERT_FILE=str(tmp_path / "root.pem"))
    network = ("proxy", "certificate", "api", "github", "storage", "storage 2")
    assert [seen[check].verdict for check in network] == ["ok"] * 6
    assert INSPECTOR in seen["certificate"].cause


@pytest.mark.parametrize(("check", "host"), [("storage", STORAGE_HOSTS[0]), ("storage 2", STORAGE_HOSTS[1])])
def test_a_blocked_storage_host_is_distinguished_from_githubs_api(
    corporate: Corporate, examine: Examine, inspector: trustme.CA, tmp_path: Path, check: str, host: str
) -> None:
    """The usual block of a company: everything works until the bytes of the core are fetched."""
    inspector.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    corporate.blocked[host] = "403 Forbidden"
    seen = examine(SSL_CERT_FILE=str(tmp_path / "root.pem"))
    assert [seen[one].verdict for one in ("api", "github", check)] == ["ok", "ok", "fault"]
    assert host in seen[check].cause
    assert "*.githubusercontent.com" in seen[check].fix
    assert "Only installing and updating the core need it" in seen[check].fix


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://someone:hunter2@127.0.0.1:{port}", "cannot be reached"),
        ("http://someone:hunter2@proxy.nimbus.invalid:3128", "cannot be resolved"),
    ],
)
def test_a_proxy_that_cannot_be_reached_is_named(
    sandbox: Sandbox, examine: Examine, no_such_names: None, url: str, words: str
) -> None:
    """The doctor connects to it, whatever is behind it; the way to this machine's own GitHub needs none."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    seen = examine(HTTPS_PROXY=url.format(port=port), NIMBUS_SDK_API_URL="https://api.example.test")
    assert seen["proxy"].verdict == "fault"
    assert seen["proxy"].cause.startswith("The proxy http://…@")
    assert words in seen["proxy"].cause
    assert "HTTPS_PROXY" in seen["proxy"].fix
    assert "hunter2" not in str(seen.diagnosis)
    assert seen["github"].verdict == "ok"


@pytest.mark.parametrize(
    "value", ["ftp://127.0.0.1:1", "http://[::1:1", "http://a:hunter2@x:port", "http://"]
)
def test_a_proxy_variable_that_is_no_url_is_named(sandbox: Sandbox, examine: Examine, value: str) -> None:
    """Every other check has its finding too."""
    seen = examine(HTTPS_PROXY=value, NIMBUS_SDK_API_URL="https://api.example.test")
    for check in ("proxy", "api"):
        assert seen[check].verdict == "fault"
        assert seen[check].cause == "HTTPS_PROXY is not a valid proxy URL."
    assert "hunter2" not in str(seen.diagnosis)
    assert seen["github"].verdict == "ok"


def test_a_hole_of_one_version_of_ip_and_a_slow_look_up_are_named(
    network: Network,
    examine: Examine,
    inspector: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Work continues, with a pause at each connection, so these are warnings."""
    monkeypatch.setattr(import_module("nimbus_sdk.doctor.network_checks"), "HOLE_SECONDS", 0.3)
    monkeypatch.setattr(import_module("nimbus_sdk.doctor.network_checks"), "SLOW_LOOKUP_SECONDS", 0.2)
    inspector.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    addresses = ["198.51.100.7", "2001:db8:2::7"]
    network.link.holes = ["2001:db8:2::/64"]
    wrap = over_tls(inspector.issue_cert("api.example.test"))
    environ = {
        "NIMBUS_SDK_API_URL": "https://api.example.test",
        "NIMBUS_SDK_GITHUB_URL": "https://api.example.test",
        "SSL_CERT_FILE": str(tmp_path / "root.pem"),
    }
    with (
        serving(saying(b'{"message": ""}'), wrap, listener=network.far.listen(addresses[0], 443)),
        network.names({"api.example.test": addresses}, delay=0.3),
    ):
        seen = network.near.run(lambda: examine(**environ))
    assert "IPv6 leads nowhere: 2001:db8:2::7" in seen["ip api"].cause
    assert seen["ip api"].verdict == "warning"
    assert "2 addresses; the look-up took" in seen["dns api"].cause
    assert "name server" in seen["dns api"].fix
    assert (seen["api"].verdict, seen["certificate"].verdict) == ("ok", "ok")


def test_a_missing_certificate_file_is_named(sandbox: Sandbox, examine: Examine, tmp_path: Path) -> None:
    """The variable, its path, and what it must be; the other checks run."""
    seen = examine(NIMBUS_SDK_API_URL="https://127.0.0.1:9", SSL_CERT_FILE=str(tmp_path / "missing.pem"))
    assert "SSL_CERT_FILE" in seen["api"].cause
    assert "PEM" in seen["api"].fix


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3 * 3600 + 60, "3 h"), (-3 * 3600 - 60, "3 h"), (2 * 86_400 + 60, "2 d"), (90, "1 min")],
)
def test_a_wrong_clock_is_reported_with_its_offset(
    installed: str, sandbox: Sandbox, examine: Examine, seconds: float, words: str
) -> None:
    """By how much, and in which direction; work goes on."""
    sandbox.fault("health", date_offset=float(seconds))
    seen = examine()
    assert seen["clock"].verdict == "warning"
    assert words in seen["clock"].cause
    assert ("behind" if seconds > 0 else "ahead of") in seen["clock"].cause
    assert seen.diagnosis


def test_a_clock_within_a_minute_is_right(installed: str, sandbox: Sandbox, examine: Examine) -> None:
    """A small offset is ok."""
    sandbox.fault("health", date_offset=45.0)
    assert examine()["clock"].verdict == "ok"


def test_without_a_date_header_the_clock_check_is_skipped(
    installed: str, sandbox: Sandbox, examine: Examine
) -> None:
    """Without a valid time the check is skipped."""
    sandbox.fault("health", headers={"Date": "today"})
    assert examine()["clock"].verdict == "skipped"


def test_each_check_of_a_silent_network_times_out(sandbox: Sandbox, examine: Examine, in_haste: None) -> None:
    """Each check has a timeout."""

    def swallow(connection: socket.socket, request: object) -> None:
        connection.settimeout(5)
        connection.recv(1)

    with serving(swallow) as hole:
        seen = examine(NIMBUS_SDK_API_URL=hole.url, NIMBUS_SDK_GITHUB_URL=hole.url)
    for check in ("api", "github"):
        assert seen[check].verdict == "fault"
        # The server itself gives up only after 5 s, and that would be reported as a closed connection.
        assert re.search("too slowly|in time", seen[check].cause)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.9, "59 s"), (3600, "1 h"), (86_461, "1 d 1 min"), (-1, "0 s")]
)
def test_spans_have_two_units_at_most(seconds: float, words: str) -> None:
    """The two largest units."""
    assert format_span(max(0.0, seconds)) == words
