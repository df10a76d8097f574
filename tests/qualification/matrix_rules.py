"""What must hold in every cell of the matrix, as rules over kinds of faults and not cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.qualification.matrix_stories import Step, Story
from tests.qualification.wire_faults import Fault

TRIES = 4
PATIENT_SECONDS = 25.0
HASTY_SECONDS = 3.0
"""Long enough for the steps before the slow one, with many cells at once on a busy machine."""

SLACK_SECONDS = 2.5
"""What a busy machine may add to a budget."""

Left = Literal["old", "new", "dead", "gone"]
"""What is on the disk then: what was before, what the story brings, no session for a key that is dead, or
neither session nor key where the key is no more."""

BY_CODE = {
    "MISSING_KEY": "MissingKeyError",
    "INVALID_FORMAT": "InvalidKeyFormatError",
    "MISSING_EVENT_TYPE": "MissingEventTypeError",
    "INVALID_KEY": "InvalidKeyError",
    "KEY_EXPIRED": "KeyExpiredError",
    "KEY_NOT_FOUND": "KeyNotFoundError",
    "METHOD_NOT_ALLOWED": "MethodNotAllowedError",
    "QUOTA_EXCEEDED": "QuotaExceededError",
    "RATE_LIMIT_EXCEEDED": "RateLimitError",
    "SERVER_ERROR": "ServerError",
    "NOT_CONFIGURED": "NotConfiguredError",
}
BY_STATUS = {
    401: "InvalidKeyError",
    403: "PermissionDeniedError",
    405: "MethodNotAllowedError",
    429: "RateLimitError",
    **dict.fromkeys((500, 502, 503, 504), "ServerError"),
}
BY_KIND = {
    "unknown": "NimbusConnectionError",
    "lost": "NimbusConnectionError",
    "slow": "NimbusTimeoutError",
    "garbled": "ResponseFormatError",
    "too much": "ResponseFormatError",
    "led away": "ApiError",
}
FAMILY = {
    "NimbusConnectionError": "connection",
    "NimbusTimeoutError": "connection",
    "ResponseFormatError": "format",
    "ServerError": "failure",
    "NotConfiguredError": "failure",
    "RateLimitError": "failure",
    "QuotaExceededError": "quota",
}


@dataclass(frozen=True)
class Expected:
    """What must come of one cell.

    Attributes:
        outcomes: ``done``, ``stale`` or names of error classes; the first is the usual one.
        tries: Fewest and most requests of the step.
        left: What is on the disk then.
        seconds: Within which time.
    """

    outcomes: tuple[str, ...]
    tries: tuple[int, int]
    left: Left
    seconds: float


def timeout_of(fault: Fault) -> float:
    """The budget that a cell is given: short where only its end can end the call."""
    return HASTY_SECONDS if fault.kind == "slow" else PATIENT_SECONDS


def befalls(fault: Fault, step: Step) -> bool:
    """Whether a step can meet a fault at all."""
    return fault.befalls in step.traits


def expected(story: Story, step: Step, fault: Fault) -> Expected:
    """What must come of a story one of whose steps meets a fault."""
    error = _error(step, fault)
    again = _sent_again(step, fault, error)
    seconds = timeout_of(fault) + SLACK_SECONDS
    if fault.once and again:
        return _recovered(story, seconds)
    most = _tries(step, fault, again)
    if not step.at_the_api:
        return Expected((_at_github(step, fault, error),), (most, most), "old", seconds)
    if _survived(story, fault, error):
        fewest, seconds = (most, seconds) if story.seconds is None else (1, story.seconds + SLACK_SECONDS)
        return Expected(("stale",), (fewest, most), "old", seconds)
    # What is no size shows itself by being too large to read, or by the file that comes then.
    errors = (
        (error, "CoreDownloadError") if step.name == "model_size" and fault.kind == "garbled" else (error,)
    )
    return Expected(errors, (most, most), _left(step, fault), seconds)


def _error(step: Step, fault: Fault) -> str:
    """The class of error that a fault stands for at the Nimbus API."""
    if fault.kind != "refused":
        return _of_file(fault) if step.name == "model_file" else BY_KIND.get(fault.kind, "")
    status = fault.status or 0
    if status == 407:
        # Not the service but a proxy on the way asks for a password.
        return "NimbusConnectionError"
    if fault.html and status < 500:
        # A page is no word of the service: nobody's key is called invalid by a hotel.
        return "RateLimitError" if status == 429 else "ApiError"
    return BY_CODE.get(fault.code or "") or BY_STATUS.get(status, "ApiError")


def _of_file(fault: Fault) -> str:
    """The same for the bytes of a file."""
    of_bytes = {
        "garbled": "CoreDownloadError",
        "too much": "CoreIntegrityError",
        "forged": "CoreIntegrityError",
    }
    return of_bytes.get(fault.kind) or BY_KIND[fault.kind]


def _sent_again(step: Step, fault: Fault, error: str) -> bool:
    """Whether trying again can help and can do no harm."""
    if error == "RateLimitError":
        return True
    if not step.repeatable:
        # Nothing was sent where the connection was refused.
        return fault.before == "refused"
    return fault.kind == "lost" or error == "ServerError"


def _recovered(story: Story, seconds: float) -> Expected:
    if story.seconds is None:
        return Expected(("done",), (2, 2), "new", seconds)
    # Where a kept session can stand in, patience may end before the second try does.
    return Expected(("done", "stale"), (1, 2), "new", story.seconds + SLACK_SECONDS)


def _tries(step: Step, fault: Fault, again: bool) -> int:
    if step.name in ("asset", "storage"):
        return _tries_for_file(step, fault, again)
    if not step.at_the_api and fault.status in (401, 403, 404):
        return 1
    waits_too_long = fault.wait is not None and fault.wait > PATIENT_SECONDS
    return TRIES if again and not waits_too_long else 1


def _tries_for_file(step: Step, fault: Fault, again: bool) -> int:
    if fault.kind == "led away":
        # The stranger has no such file; a signed address may have expired, so a new one is asked for, once.
        return 2 if step.name == "asset" else 4
    if fault.status == 416:
        # The part that is there fits no more: it is dropped and asked for anew, three rounds in all.
        return 3
    if fault.status in (401, 403, 404):
        return 2 if step.name == "storage" else 1
    waits_too_long = fault.wait is not None and fault.wait > PATIENT_SECONDS
    return TRIES if again and not waits_too_long else 1


def _at_github(step: Step, fault: Fault, error: str) -> str:
    """What a fault at GitHub is called: never a word about the key, and of the file what is kept of it."""
    if fault.kind == "forged" or (fault.kind == "too much" and step.name != "release"):
        return "CoreIntegrityError"
    if step.name == "release" and FAMILY.get(error) == "connection":
        return error
    return "CoreDownloadError"


def _survived(story: Story, fault: Fault, error: str) -> bool:
    """Whether a kept session serves in place of the answer."""
    nobody_spoke = error == "ApiError" and fault.code is None
    family = "failure" if nobody_spoke else FAMILY.get(error, "refusal")
    return family in story.stale_after and not _kills(fault)


def _kills(fault: Fault) -> bool:
    """Whether the service itself, in its own words, called the key dead."""
    return fault.status == 401 and fault.code in ("INVALID_KEY", "KEY_EXPIRED")


def _left(step: Step, fault: Fault) -> Left:
    if step.name == "revoke" and (fault.status, fault.code) == (404, "KEY_NOT_FOUND"):
        return "gone"
    return "dead" if _kills(fault) else "old"
