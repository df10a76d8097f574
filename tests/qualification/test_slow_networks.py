"""Networks whose faults take seconds to show."""

import asyncio

import pytest

from nimbus_sdk.transport.deadline import Deadline
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
def test_two_dead_name_servers_cost_time_and_not_the_call(network, job):
    """The resolver asks the next one after five seconds each, and the call waits for it."""
    network.link.holes = [f"{DEAD}/31"]
    network.near.name_servers = ("198.51.100.54", "198.51.100.55")
    with (
        serving(answering(lambda _: b"{}"), listener=network.far.listen(SERVER, 80)),
        network.names({"api.example": [SERVER]}),
    ):
        request = Request(name="health", method="GET", url="http://api.example/")
        assert network.near.run(lambda: job(request)).status == 200
