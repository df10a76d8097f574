"""A key of NeuroAI as the commands tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nimbus_sdk.cli import render

if TYPE_CHECKING:
    from nimbus_sdk.services import IssuedKey, KeyInfo

LISTED = ("id", "name", "type", "role", "expires_at", "last_used_at")


def told(key: KeyInfo) -> dict[str, object]:
    """What is known of a key, as plain values."""
    return key.model_dump(mode="json")


def show_issued(issued: IssuedKey, *, as_json: bool, rotated: bool = False) -> None:
    """Print a key that was issued, and its secret where it is stored nowhere.

    Raises:
        CredentialStoreError: It was to be stored, and is not; the secret was printed.
    """
    from nimbus_sdk.errors import CredentialStoreError

    secret = None if issued.saved_in is not None else issued.secret.get_secret_value()
    if as_json:
        marks = {"rotated": True} if rotated else {}
        issue = {"secret": secret, "saved_in": issued.saved_in, "notice": issued.notice}
        render.document({**marks, "key": told(issued.info), **issue})
    else:
        render.facts([(name.replace("_", " "), getattr(issued.info, name)) for name in LISTED])
        render.say(issued.notice, *([] if secret is None else [secret]))
    if issued.not_saved:
        raise CredentialStoreError(
            f"The secret was printed, and not stored: {issued.not_saved}",
            hint="Keep what was printed; `nimbus-sdk neuroai save-key` stores it.",
        )
