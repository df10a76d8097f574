"""Lines that are long or lossy, name servers and addresses that are dead: a call comes to its end."""

from __future__ import annotations

import pytest

from tests.qualification.networks.conftest import API, INSTALL, SERVICE, VALIDATE, Service
from tests.support.networks import NAME_SERVER, NameServer

pytestmark = pytest.mark.qualification
DEAD, OTHER_NAME_SERVER = "198.51.100.99", "198.51.100.54"
AWAITED = VALIDATE.replace(
    "nimbus_sdk.authenticate()", "__import__('asyncio').run(__import__('nimbus_sdk.aio').aio.authenticate())"
)


@pytest.mark.timeout(300)
def test_a_line_that_loses_packets_is_enough(service: Service) -> None:
    """Five of a hundred, in both directions."""
    service.network.link.loss, service.network.link.delay = 0.05, 0.03
    assert service.run(INSTALL).text.startswith("installed")


@pytest.mark.timeout(300)
def test_a_session_is_renewed_over_a_satellite(service: Service) -> None:
    """A round trip of 400 ms: the renewal that could fall back to the stored session gets its answer."""
    assert service.run(INSTALL).text.startswith("installed")
    age = """
from datetime import UTC, datetime, timedelta
from dataclasses import replace
from nimbus_sdk.account.session_lookup import stored_session
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import sealed
paths = Settings.load().paths
session = replace(stored_session(paths), validated_at=datetime.now(UTC) - timedelta(hours=3))
sealed.write_session(paths, session.to_dict())
"""
    assert service.run(age).code == 0
    service.network.link.delay = 0.2
    assert service.run(INSTALL).text.startswith("installed")


@pytest.mark.timeout(300)
def test_a_dead_first_name_server_costs_seconds_and_no_more(service: Service) -> None:
    """The second one is asked after five seconds, as by curl and pip."""
    service.network.link.holes = [f"{DEAD}/32"]
    service.network.near.name_servers = (DEAD, NAME_SERVER)
    assert service.run(INSTALL).text.startswith("installed")


@pytest.mark.timeout(300)
def test_a_name_server_that_ignores_ipv6_costs_seconds_and_no_more(service: Service) -> None:
    """Some routers drop questions for AAAA records; the resolver waits for them, and the call for it."""
    network = service.network
    with NameServer(network.far, OTHER_NAME_SERVER, {API: [SERVICE]}) as names:
        names.ignored = frozenset({28})
        network.near.name_servers = (OTHER_NAME_SERVER,)
        assert service.run(VALIDATE).text.startswith("installed")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("code", [VALIDATE, AWAITED], ids=["sync", "async"])
def test_dead_addresses_before_one_that_answers_cost_a_fraction_of_a_second_each(
    service: Service, code: str
) -> None:
    """Seven of IPv4 and one of IPv6: the next one is tried while the others are silent."""
    network = service.network
    dead = [f"198.51.100.{number}" for number in range(97, 104)]
    network.link.holes = ["198.51.100.96/28", "2001:db8:2::/64"]
    with NameServer(network.far, OTHER_NAME_SERVER, {API: [*dead, SERVICE, "2001:db8:2::7"]}):
        network.near.name_servers = (OTHER_NAME_SERVER,)
        done = service.run(code, NIMBUS_SDK_TIMEOUT="8")
    assert done.text.startswith("installed"), done.text
