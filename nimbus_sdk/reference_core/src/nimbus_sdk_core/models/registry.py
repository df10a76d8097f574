"""The model kinds and their names."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from ..data.argument_checks import list_choices
from ..errors import ModelMismatchError
from .gaussian import NimbusLDA, NimbusQDA
from .probit import NimbusProbit
from .protocol import Decoder

KINDS: dict[str, type[NimbusLDA] | type[NimbusQDA] | type[NimbusProbit]] = {
    "NimbusLDA": NimbusLDA,
    "NimbusQDA": NimbusQDA,
    "NimbusProbit": NimbusProbit,
}

KindName: TypeAlias = Literal[
    "NimbusLDA", "NimbusQDA", "NimbusProbit", "RxLDAModel", "RxGMMModel", "RxPolyaModel"
]
_OLDER_NAMES = {"RxLDAModel": "NimbusLDA", "RxGMMModel": "NimbusQDA", "RxPolyaModel": "NimbusProbit"}


def find_kind_name(kind: type[Decoder] | str, *, further: str = "") -> str:
    """Return the name of a kind in model files.

    Args:
        kind: The class, its name, or its name in older Nimbus documentation.
        further: A name that the caller takes besides, for the message.

    Raises:
        ModelMismatchError: There is no such kind.

    Examples:
        >>> find_kind_name("RxLDAModel"), find_kind_name(NimbusQDA)
        ('NimbusLDA', 'NimbusQDA')
    """
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", repr(kind))
    name = _OLDER_NAMES.get(name, name)
    if name not in KINDS or not (isinstance(kind, str) or kind is KINDS[name]):
        known = (*get_args(KindName), *filter(None, [further]))
        raise ModelMismatchError(f"There is no model kind {name!r}.", list_choices(name, known))
    return name
