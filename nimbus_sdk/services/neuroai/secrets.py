"""Secrets of NeuroAI: one that was just issued is never lost, and none is sent in a URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from nimbus_sdk.config.keys import PREFIXES
from nimbus_sdk.errors import NimbusConnectionError, NimbusError
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.neuroai.models import IssuedKey
from nimbus_sdk.storage.credentials import StoreChoice
from nimbus_sdk.transport.flow import Flow, run_blocking

_PREFIX = re.compile(r"[A-Za-z]+[_-]")
_OTHER_PREFIXES = (*PREFIXES, "eyJ")


def save_secret(issued: IssuedKey, save: Callable[[], StoreChoice], *, replaced: str) -> Flow[IssuedKey]:
    """Store the secret and return the key with the result; an error of the store is part of the result."""
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
        return (yield from run_blocking(store))
    except GeneratorExit:
        # Cancelled before a thread was free. Nobody receives the secret any more, so it must be stored.
        if not tried:
            store()
        raise


def is_secret(text: str, in_use: ServiceKey) -> bool:
    """Whether a text that was given as an id is a key: the one in use, one like it, or another service's.

    Examples:
        >>> in_use = ServiceKey("nai_abcdefghij")
        >>> is_secret("nai_0123456789", in_use), is_secret("key_0123456789", in_use)
        (True, False)
    """
    secret = in_use.reveal()
    prefix = _PREFIX.match(secret)
    alike = prefix is not None and text.startswith(prefix[0]) and len(text) == len(secret)
    return alike or text == secret or text.startswith(_OTHER_PREFIXES)


def was_never_sent(error: NimbusError) -> bool:
    """Whether it is certain that a failed request was not carried out."""
    return isinstance(error, NimbusConnectionError) and not (error.passing and error.sent)
