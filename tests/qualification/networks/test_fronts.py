"""Servers before the services: fronts that want certificates or restart, and some that are no service."""

from __future__ import annotations

import json
import time

import pytest
import trustme

from tests.qualification.networks.conftest import API, DOCTOR, INSTALL, SERVICE, VALIDATE, Service
from tests.qualification.networks.daemons import haproxy, nginx, require, running

pytestmark = [pytest.mark.qualification, pytest.mark.timeout(300)]
PORTAL = "198.51.100.66"


def test_nginx_that_asks_for_a_client_certificate_is_said_to(bare_service: Service) -> None:
    """It does so with a page, after the handshake."""
    root = bare_service.environ["SSL_CERT_FILE"]
    servers = bare_service.servers(f"ssl_verify_client on;\nssl_client_certificate {root};")
    with nginx(bare_service.network.far, bare_service.folder / "nginx", servers, SERVICE):
        done = bare_service.run(VALIDATE)
    assert "asks for a client certificate" in done.text
    assert done.code


@pytest.mark.parametrize("newest", ["TLSv1.2", "TLSv1.3"])
def test_haproxy_that_asks_for_a_client_certificate_is_said_to(bare_service: Service, newest: str) -> None:
    """It does so in the handshake; no call is tried again, and the doctor says it too."""
    root = bare_service.environ["SSL_CERT_FILE"]
    sandbox = bare_service.sandbox.api_url.removeprefix("http://")
    configuration = (
        f"frontend front\nbind {SERVICE}:443 ssl crt {bare_service.certificate} ca-file {root} "
        f"verify required ssl-max-ver {newest}\ndefault_backend back\nbackend back\nserver one {sandbox}\n"
    )
    with haproxy(bare_service.network.far, bare_service.folder / "haproxy", configuration, SERVICE):
        done = bare_service.run(VALIDATE)
        found = json.loads(bare_service.run(DOCTOR).text)
    assert "for a client certificate" in done.text
    assert "client certificate" in found["api"][1]
    assert found["certificate"][0] != "ok"


def test_an_install_survives_a_front_that_restarts(bare_service: Service) -> None:
    """nginx is away for five seconds in the middle of the download."""
    bare_service.sandbox.publish("0.2.0", padding=2_000_000)
    bare_service.network.link.rate = 200_000
    folder, far = bare_service.folder / "nginx", bare_service.network.far
    with nginx(far, folder, bare_service.servers(), SERVICE):
        process = bare_service.start(INSTALL)
        while not any(one.endpoint == "storage" for one in bare_service.sandbox.journal()):
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        time.sleep(2)
    time.sleep(5)
    with nginx(far, folder, bare_service.servers(), SERVICE):
        text, _ = process.communicate(timeout=200)
    assert text.startswith("installed"), text


def test_a_front_whose_service_is_away_is_waited_for(bare_service: Service) -> None:
    """502, until the service is back."""
    servers = bare_service.servers("proxy_connect_timeout 1s;")
    sandbox, far = bare_service.sandbox, bare_service.network.far
    away = servers.replace(sandbox.api_url, "http://127.0.0.1:9")
    folder = bare_service.folder / "nginx"
    with nginx(far, folder, away, SERVICE):
        process = bare_service.start(VALIDATE)
        time.sleep(1)
    with nginx(far, folder, servers, SERVICE):
        text, _ = process.communicate(timeout=100)
    assert text.startswith("installed"), text


def test_a_hotel_is_recognized_and_its_certificate_not_to_be_trusted(bare_service: Service) -> None:
    """Every name leads to its log-in page, which has a certificate of its own."""
    require("dnsmasq")
    hotel = trustme.CA(organization_name="Hotel")
    certificate = bare_service.folder / "hotel.pem"
    hotel.issue_cert("wifi.hotel.example").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    servers = (
        f"server {{ listen {PORTAL}:443 ssl;\n"
        f"ssl_certificate {certificate}; ssl_certificate_key {certificate};\n"
        "return 302 https://wifi.hotel.example/login; }"
    )
    far, near = bare_service.network.far, bare_service.network.near
    near.name_servers = (PORTAL,)
    command = [
        "dnsmasq",
        "-k",
        f"--listen-address={PORTAL}",
        "--bind-interfaces",
        "--no-resolv",
        "--no-hosts",
    ]
    log = bare_service.folder / "dnsmasq.log"
    with (
        nginx(far, bare_service.folder / "nginx", servers, PORTAL),
        running(far, [*command, f"--address=/#/{PORTAL}"], PORTAL, 53, log),
    ):
        done = bare_service.run(VALIDATE)
        found = json.loads(bare_service.run(DOCTOR).text)
    assert f"The certificate of {API} is not trusted" in done.text
    assert "captive portal" in found
    assert "issued by Hotel" in found["certificate"][1]
    assert "SSL_CERT_FILE" not in json.dumps(found)
