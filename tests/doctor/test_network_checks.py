"""Each obstacle between this machine and the services has a finding of its own."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from nimbus_sdk.doctor.finding import format_span
from nimbus_sdk.sandbox import Sandbox
from tests.doctor.conftest import Examine
from tests.support.flows import TINY_CORE
from tests.support.raw_server import saying, serving

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


@pytest.fixture
def opened(inspector: trustme.CA) -> Iterator[str]:
    """Where a box in the network answers over TLS in the service's place."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inspector.issue_cert("localhost").configure_cert(context)

    def wrap(connection: socket.socket) -> socket.socket:
        return context.wrap_socket(connection, server_side=True)

    with serving(saying(b'{"status": "ok"}', "200 OK", "Content-Type: application/json"), wrap) as server:
        yield f"https://localhost:{server.port}"


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
    """Its own page with status 503: try again in some minutes."""
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
