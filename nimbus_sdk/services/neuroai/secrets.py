"""Secrets of NeuroAI: one that was just issued is handed over whatever happens; none goes into a URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from nimbus_sdk.config.keys import PREFIXES
from nimbus_sdk.errors import AnswerLostError, NimbusConnectionError, NimbusError
from nimbus_sdk.services.base.service_key import ServiceKey
from nimbus_sdk.services.neuroai.models import IssuedKey
from nimbus_sdk.storage.credentials import StoreChoice
from nimbus_sdk.transport.flow import Flow, run_blocking

_FORM = re.compile(r"[A-Za-z]+[_-]")
_OF_OTHERS = (*PREFIXES, "eyJ")


def kept(issued: IssuedKey, save: Callable[[], StoreChoice], *, replaced: str) -> Flow[IssuedKey]:
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
        return (yield from run_blocking(store))
    except GeneratorExit:
        # Cancelled before a thread was free. Nobody hears the secret any more, so the store must have it.
        if not tried:
            store()
        raise


def is_secret(text: str, in_use: ServiceKey) -> bool:
    """Whether a text in the place of an id is a key: the one in use, one of its form, another service's.

    Example:
        >>> in_use = ServiceKey("nai_abcdefghij")
        >>> is_secret("nai_0123456789", in_use), is_secret("key_0123456789", in_use)
        (True, False)
    """
    secret = in_use.reveal()
    form = _FORM.match(secret)
    alike = form is not None and text.startswith(form[0]) and len(text) == len(secret)
    return alike or text == secret or text.startswith(_OF_OTHERS)


def never_arrived(error: NimbusError) -> bool:
    """Whether a request that failed has certainly not been carried out."""
    return isinstance(error, NimbusConnectionError) and not (error.passing and error.sent)


def unresolved(name: str, made: tuple[str, ...], lost: NimbusError) -> AnswerLostError:
    """The error for a creation of which the list does not say enough.

    Args:
        name: The key's name.
        made: Ids of the keys in the list that may be it.
        lost: What came in place of the answer.
    """
    if not made:
        return AnswerLostError(
            f"NeuroAI did not answer the creation of {name!r} in time. It is not in the list so far, and may "
            f"still be made ({lost.message}).",
            hint="Look at the list in a minute, before you try again.",
        )
    listed = " or ".join(made)
    return AnswerLostError(
        f"The answer to the creation of {name!r} was lost ({lost.message}), and with it the secret. The list "
        f"has a key of that name that is as new: {listed}.",
        left_behind=made,
        hint=f"If it is yours, rotate it for a new secret, rotate_key({made[0]!r}), or delete it.",
    )
