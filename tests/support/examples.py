"""How many examples property tests try: a part of them in the default run, all in the long one."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

VARIABLE = "EXAMPLES_OF_TESTS"
"""``all`` in the environment lets property tests try all examples."""

_DEFAULT = 100
_PART = 5


def examples(number: int) -> settings:
    """Return the settings of a property test that tries so many examples in the long run, and a fifth now."""
    return settings(max_examples=number if os.environ.get(VARIABLE) == "all" else max(5, number // _PART))


def load_profile() -> None:
    """Set what holds for every property test: an example may take any time, on a busy machine."""
    settings.register_profile(
        "tests",
        deadline=None,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.function_scoped_fixture,
        ],
    )
    settings.load_profile("tests")
    settings.register_profile("tests in part", examples(_DEFAULT))
    settings.load_profile("tests in part")
