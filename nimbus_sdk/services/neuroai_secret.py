"""Secrets of NeuroAI: one that was just issued is handed over whatever happens; none goes into a URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from nimbus_sdk.errors import NimbusError
from nimbus_sdk.keys import PREFIXES
from nimbus_sdk.services.neuroai_models import IssuedKey
from nimbus_sdk.services.service_key import ServiceKey
from nimbus_sdk.store.credentials import Choice
from nimbus_sdk.transport.flow import Flow, work

_FORM = re.compile(r"[A-Za-z]+[_-]")
_OF_OTHERS = (*PREFIXES, "eyJ")


def kept(issued: IssuedKey, save: Callable[[], Choice], *, replaced: str) -> Flow[IssuedKey]:
    """Store the secret; gives the key with what became of that, and never an error in its place.

    Args:
        issued: The key, with its secret.
        save: Stores it; blocking.
        replaced: What people may see of another key, in whose place it goes.
    """
    tried = False

    def store() -> IssuedKey:
        nonlocal tried
        tried = True
        try:
            return replace(issued, saved_in=save().store.name, replaced=replaced)
        except (NimbusError, OSError) as error:
            return replace(issued, not_saved=str(error))
        except KeyboardInterrupt:
            return replace(issued, not_saved="Ctrl-C was pressed meanwhile.")

    try:
        return (yield from work(store))
    except GeneratorExit:
        # Cancelled before a thread was free. Nobody hears the secret any more, so the store must have it.
        if not tried:
            store()
        raise


def is_secret(text: str, in_use: ServiceKey) -> bool:
    """Whether a text in the place of an id is a key: the one in use, one of its form, another system's.

    Example:
        >>> in_use = ServiceKey("nai_abcdefghij")
        >>> is_secret("nai_0123456789", in_use), is_secret("key_0123456789", in_use)
        (True, False)
    """
    secret = in_use.reveal()
    form = _FORM.match(secret)
    alike = form is not None and text.startswith(form[0]) and len(text) == len(secret)
    return alike or text == secret or text.startswith(_OF_OTHERS)
