"""The reference core decodes on a machine that knows it only from a bundle."""

from __future__ import annotations

import os

import pytest

from nimbus_sdk.account.session import current_session
from nimbus_sdk.core.bundle import install_bundle
from tests.core.bundle.conftest import PASSPHRASE


@pytest.mark.usefixtures("real_scrypt")
def test_a_machine_without_network_decodes_from_a_bundle(bundle, key, air_gapped, forked, isolated_home):
    """Core, session and key arrive, with not one network call, and a fresh process decodes with them."""
    air_gapped()
    session = install_bundle(bundle, PASSPHRASE)
    assert (session.license_type, session.key_source, session.stale) == ("research", "file", False)
    assert current_session().key_fingerprint == session.key_fingerprint
    said = forked(
        "import socket\n"
        "socket.socket.connect = None\n"
        "import nimbus_sdk\n"
        "model = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, 'motor_imagery_4class_v1')\n"
        "print(nimbus_sdk.current_session().license_type, bool(nimbus_sdk.check_installation()), model)\n"
    )
    assert said.stdout.startswith("research True <NimbusLDA 'motor_imagery_4class_v1'")
    assert key in (isolated_home / "elsewhere" / "config" / "credentials.json").read_text()
    assert os.listdir(isolated_home / "elsewhere" / "cache" / "downloads") == []
