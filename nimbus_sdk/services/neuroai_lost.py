"""An answer of NeuroAI that was lost: what that means, in words."""

from __future__ import annotations

from nimbus_sdk.errors import AnswerLostError, NimbusConnectionError, NimbusError


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
