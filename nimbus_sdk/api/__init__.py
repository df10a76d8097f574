"""The Nimbus API: response models, endpoints and clients."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pydantic import SecretStr as SecretStr

    from nimbus_sdk.api.schemas import ModelInfo as ModelInfo

# Types that signatures elsewhere name: pydantic is loaded if somebody resolves them, and not before.
_MODULES = {"ModelInfo": "nimbus_sdk.api.schemas", "SecretStr": "pydantic"}


def _resolve(name: str) -> object:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES[name]), name)
    return value


if not TYPE_CHECKING:
    # Hidden from type checkers, which would accept any misspelt name.
    __getattr__ = _resolve
