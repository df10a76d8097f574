"""Lines that are slow, long, lossy or down for a while: an install comes to its end."""

from __future__ import annotations

import threading
import time

import pytest

from tests.qualification.networks.conftest import INSTALL, Service
from tests.support.networks import NAME_SERVER

pytestmark = pytest.mark.qualification
VERSION = "0.2.0"
DEAD = "198.51.100.99"


@pytest.mark.timeout(400)
def test_a_line_of_256_kbit_s_is_enough(service: Service) -> None:
    """The download takes longer than the timeout of a call, and makes progress all the time."""
    service.sandbox.publish(VERSION, padding=1_500_000)
    service.network.link.rate = 32_000
    service.network.link.delay = 0.05
    assert service.run(INSTALL).text.startswith("installed")


@pytest.mark.timeout(400)
def test_a_line_that_is_down_for_40_seconds_is_waited_for(service: Service) -> None:
    """In the middle of the download; what has arrived is not sent again."""
    service.sandbox.publish(VERSION, padding=1_000_000)
    link = service.network.link
    link.rate, link.delay = 100_000, 0.05
    process = service.start(INSTALL)
    while not any(one.endpoint == "storage" for one in service.sandbox.journal()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    time.sleep(2)
    link.is_down = True
    threading.Timer(40, lambda: setattr(link, "is_down", False)).start()
    text, _ = process.communicate(timeout=300)
    assert text.startswith("installed"), text


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
