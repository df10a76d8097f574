"""The two environments of Nimbus OS, each with keys and orders of its own.

Source: "Use Different Keys Per Environment" of the Nimbus OS authentication page.
"""

from __future__ import annotations

from typing import Literal

from nimbus_sdk.errors import ConfigurationError

Environment = Literal["sandbox", "production"]
ENVIRONMENTS: tuple[Environment, ...] = ("sandbox", "production")


def checked_environment(name: str) -> Environment:
    """The name of an environment.

    Raises:
        ConfigurationError: It is none.
    """
    for environment in ENVIRONMENTS:
        if environment == name:
            return environment
    raise ConfigurationError(
        f"Nimbus OS has no environment {name!r}.", hint=f"Take one of {', '.join(ENVIRONMENTS)}."
    )
