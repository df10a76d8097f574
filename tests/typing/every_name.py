"""What a strict type checker sees after ``from nimbus_sdk import *``. It is checked and never run."""

from typing import assert_type

from nimbus_sdk import *  # noqa: F403


def names() -> None:
    """A function and classes of the SDK, and some of the core."""
    assert_type(current_session(), AuthSession)  # noqa: F405
    assert_type(check_installation(), InstallationStatus)  # noqa: F405
    assert_type(NimbusLDA(), NimbusLDA)  # noqa: F405
