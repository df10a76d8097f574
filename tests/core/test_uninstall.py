"""Removing the core."""

from tests.support.flows import FIRST_INSTALL, TINY_CORE

pytestmark = TINY_CORE


def test_uninstalling_removes_every_version_and_nothing_else(sdk, key, publish, asked):
    """Session and key stay, so that installing again needs no key."""
    sdk.install_core(key)
    publish("0.2.0")
    sdk.install_core(key, force=True)
    assert set(sdk.uninstall_core()) == {"0.1.0", "0.2.0"}
    assert sdk.uninstall_core() == ()
    assert not sdk.check_installation()
    assert sdk.current_session()
    asked()
    sdk.install_core()
    assert asked() == FIRST_INSTALL
