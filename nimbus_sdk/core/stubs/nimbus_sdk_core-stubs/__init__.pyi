"""Types and docstrings of the core for editors and type checkers: those of the open reference core."""

from nimbus_sdk.reference_core.src.nimbus_sdk_core import *  # noqa: F403 - a stub lists what it imports in __all__
from nimbus_sdk.reference_core.src.nimbus_sdk_core import __all__ as __all__
from nimbus_sdk.reference_core.src.nimbus_sdk_core import __version__ as __version__
