"""Networks whose faults take seconds to show."""

import asyncio
import json
import ssl

import pytest
import trustme

from nimbus_sdk.account.renewal import CACHED_TIMEOUT_SECONDS
from nimbus_sdk.api import endpoints
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.driver import run
from nimbus_sdk.transport.flow import Request, Response
from nimbus_sdk.transport.http import AsyncHttpTransport, HttpTransport
from tests.support.raw_server import answering, serving

pytestmark = pytest.mark.qualification
SERVER, DEAD = "198.51.100.7", "198.51.100.54"


def send(request: Request) -> Response:
    """Send a request with the blocking transport."""
    transport = HttpTransport()
    try:
        return transport.send(request, Deadline(30))
    finally:
        transport.close()


async def send_async(request: Request) -> Response:
    """Send a request with the awaitable transport."""
    transport = AsyncHttpTransport()
    try:
        return await transport.send(request, Deadline(30))
    finally:
        await transport.aclose()


@pytest.mark.parametrize(
    "job", [send, lambda request: asyncio.run(send_async(request))], ids=["sync", "async"]
)
@pytest.mark.parametrize("dead", [1, 2])
def test_dead_name_servers_before_one_that_answers_cost_time_and_not_the_call(network, job, dead):
    """The resolver asks the next one after five seconds each, and the call waits for it."""
    network.link.holes = [f"{DEAD}/31"]
    network.near.name_servers = ("198.51.100.54", "198.51.100.55")[:dead]
    with (
        serving(answering(lambda _: b"{}"), listener=network.far.listen(SERVER, 80)),
        network.names({"api.example": [SERVER]}),
    ):
        request = Request(name="health", method="GET", url="http://api.example/")
        assert network.near.run(lambda: job(request)).status == 200


@pytest.mark.parametrize("bytes_a_second", [None, 32_000])
def test_a_session_is_renewed_over_a_long_and_slow_line(network, tmp_path, monkeypatch, bytes_a_second):
    """A round trip of 400 ms, at 256 kbit/s too, leaves time for name, connection, TLS and answer."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example").configure_cert(context)
    network.link.delay, network.link.rate = 0.2, bytes_a_second
    quota = {"monthly_limit": 50, "used": 1, "remaining": 49, "resets_at": "2030-01-01T00:00:00Z"}
    license = {"valid": True, "license_type": "research", "features": [], "quota": quota}
    with (
        serving(
            answering(lambda _: json.dumps(license).encode()),
            lambda plain: context.wrap_socket(plain, server_side=True),
            listener=network.far.listen(SERVER, 443),
        ),
        network.names({"api.example": [SERVER]}),
    ):
        key = ApiKey.parse("nbci_test_" + "0" * 48)
        flow = endpoints.refresh("https://api.example", key, CACHED_TIMEOUT_SECONDS)
        entitlement, _ = network.near.run(lambda: run(Settings(), flow))
    assert entitlement.license_type == "research"
