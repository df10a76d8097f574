"""What a strict type checker sees after a star import. It is checked and never run."""

from typing import assert_type

from nimbus_sdk import *  # noqa: F403
from nimbus_sdk import sandbox, services
from nimbus_sdk.sandbox import *  # noqa: F403
from nimbus_sdk.services import *  # noqa: F403


def names() -> None:
    """A function and classes of the SDK, and some of the core."""
    assert_type(current_session(), AuthSession)  # noqa: F405
    assert_type(check_installation(), InstallationStatus)  # noqa: F405
    assert_type(NimbusLDA(), NimbusLDA)  # noqa: F405


def further_names() -> None:
    """Classes of the services and the sandbox, and that a misspelt name is an error."""
    assert_type(NeuroAI(), NeuroAI)  # noqa: F405
    assert_type(Sandbox(), Sandbox)  # noqa: F405
    services.NeuroAl  # type: ignore[attr-defined]  # noqa: B018
    sandbox.Sandbax  # type: ignore[attr-defined]  # noqa: B018
