"""A network whose only way out is squid: what it lets through works, what it refuses is its refusal."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.qualification.networks.conftest import (
    API,
    DOCTOR,
    INSTALL,
    PROXY,
    SERVICE,
    STORAGE,
    VALIDATE,
    Service,
)
from tests.qualification.networks.daemons import CERTIFICATE_GENERATOR, squid
from tests.support.networks import NAME_SERVER

pytestmark = [pytest.mark.qualification, pytest.mark.timeout(300)]

RESOLVE = f"dns_nameservers {NAME_SERVER}\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that squid can read after it has given up being root."""
    with tempfile.TemporaryDirectory(prefix="nimbus-squid-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def outside(service: Service) -> Service:
    """The services, which the near host reaches through the proxy alone, and whose names it does not know."""
    service.network.link.holes = [f"{SERVICE}/32", f"{NAME_SERVER}/32"]
    return service


def test_everything_works_through_it(outside: Service, folder: Path) -> None:
    """Names are looked up by the proxy; API, GitHub and storage go through it."""
    with squid(outside.network.far, folder, RESOLVE, PROXY) as url:
        assert outside.run(INSTALL, HTTPS_PROXY=url).text.startswith("installed")


def test_user_and_password_are_needed_and_taken_from_the_url(outside: Service, folder: Path) -> None:
    """Without them, and with wrong ones, the message says so, without the password."""
    hashed = subprocess.run(
        ["openssl", "passwd", "-1", "right w0rd"], capture_output=True, text=True, check=True
    ).stdout
    (folder / "users").write_text(f"someone:{hashed}")
    lines = (
        f"{RESOLVE}auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users\n"
        "acl known proxy_auth REQUIRED\nhttp_access deny !known\n"
    )
    with squid(outside.network.far, folder, lines, PROXY) as url:
        address = url.removeprefix("http://")
        missing = outside.run(VALIDATE, HTTPS_PROXY=url)
        assert f"The proxy http://{address} asks for a user and password (407" in missing.text
        wrong = outside.run(VALIDATE, HTTPS_PROXY=f"http://someone:wr0ng@{address}")
        assert f"The proxy http://…@{address} rejected the user and password" in wrong.text
        assert "wr0ng" not in wrong.text
        right = outside.run(VALIDATE, HTTPS_PROXY=f"http://someone:right%20w0rd@{address}")
        assert right.text.startswith("installed")


def test_a_host_that_its_rules_forbid_is_named(outside: Service, folder: Path) -> None:
    """The storage host, as usual: installing fails at the download, and the doctor says it before."""
    lines = f"{RESOLVE}acl storage dstdomain {STORAGE}\nhttp_access deny storage\n"
    with squid(outside.network.far, folder, lines, PROXY) as url:
        done = outside.run(INSTALL, HTTPS_PROXY=url)
    assert done.code
    assert f"does not allow connections to {STORAGE} (403" in done.text
    assert "HTTPS_PROXY names this proxy" in done.text


def test_a_host_that_it_cannot_reach_is_its_failure(outside: Service, folder: Path) -> None:
    """A status of 5xx where it knows no such name."""
    with squid(outside.network.far, folder, RESOLVE, PROXY) as url:
        done = outside.run(VALIDATE, HTTPS_PROXY=url, NIMBUS_SDK_API_URL="https://unknown.example")
    assert "did not reach unknown.example (50" in done.text
    assert "some minutes" in done.text


def test_a_proxy_that_is_gone_is_named(outside: Service) -> None:
    """Its port is closed, or it does not answer at all."""
    closed = outside.run(VALIDATE, HTTPS_PROXY=f"http://someone:s3cret@{PROXY}:3128")
    assert f"The proxy http://…@{PROXY}:3128 cannot be reached" in closed.text
    outside.network.link.holes = [*outside.network.link.holes, f"{PROXY}/32"]
    silent = outside.run(VALIDATE, HTTPS_PROXY=f"http://someone:s3cret@{PROXY}:3128")
    assert f"The proxy http://…@{PROXY}:3128 did not answer in time" in silent.text
    found = json.loads(outside.run(DOCTOR, HTTPS_PROXY=f"http://someone:s3cret@{PROXY}:3128").text)
    assert found["proxy"][0] == "fault"
    assert "s3cret" not in str(found) + closed.text + silent.text


def test_a_proxy_that_opens_connections_is_named_and_may_be_trusted(outside: Service, folder: Path) -> None:
    """squid's bumping: refused until its root certificate is set, as the doctor says."""
    if not Path(CERTIFICATE_GENERATOR).exists():
        pytest.skip("squid-openssl (package of Debian) needed")
    own = folder / "own.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
            *("-subj", "/O=Campus TLS Inspection/CN=Campus", "-keyout", own, "-out", folder / "root.pem"),
        ],
        check=True,
        capture_output=True,
    )
    own.write_text(own.read_text() + (folder / "root.pem").read_text())
    own.chmod(0o644)
    database = folder / "certificates"
    subprocess.run(
        [CERTIFICATE_GENERATOR, "-c", "-s", database, "-M", "4MB"], check=True, capture_output=True
    )
    subprocess.run(["chmod", "-R", "a+rwX", database], check=True)
    lines = (
        f"{RESOLVE}sslcrtd_program {CERTIFICATE_GENERATOR} -s {database} -M 4MB\n"
        f"tls_outgoing_options cafile={outside.environ['SSL_CERT_FILE']}\nssl_bump bump all\n"
    )
    options = f"ssl-bump tls-cert={own} generate-host-certificates=on"
    with squid(outside.network.far, folder, lines, PROXY, options) as url:
        refused = outside.run(VALIDATE, HTTPS_PROXY=url)
        assert f"The certificate of {API} is not trusted" in refused.text
        assert "SSL_CERT_FILE" in refused.text
        found = json.loads(outside.run(DOCTOR, HTTPS_PROXY=url).text)
        assert found["proxy"][0] == "ok"
        assert "issued by Campus TLS Inspection" in found["certificate"][1]
        assert "SSL_CERT_FILE" in found["certificate"][2]
        trusted = outside.run(INSTALL, HTTPS_PROXY=url, SSL_CERT_FILE=str(folder / "root.pem"))
        assert trusted.text.startswith("installed")
