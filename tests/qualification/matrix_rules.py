"""What must be true in every cell of the matrix, as rules for kinds of faults and not cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nimbus_sdk.transport.retry import seconds_for_outage
from tests.qualification.matrix_use_cases import Step, UseCase
from tests.qualification.wire_faults import DRIP_SECONDS, DRIPS, Fault

ATTEMPTS = 4
LONG_TIMEOUT = 25.0
SHORT_TIMEOUT = 3.0
"""Long enough for the steps before the slow one, with many cells at once on a busy machine."""

SLACK_SECONDS = 2.5
"""What a busy machine may add to a timeout."""

Left = Literal["old", "new", "rejected", "gone"]
"""What is on the disk afterwards: the old state, the new one, no session if the key was rejected, or neither
session nor key if the key no longer exists."""

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
    "redirected away": "ApiError",
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
    """The result that a cell must have.

    Attributes:
        outcomes: ``done``, ``stale`` or names of error classes; the first is the usual one.
        attempts: Smallest and largest number of requests of the step.
        left: What is on the disk afterwards.
        seconds: How long it may take.
    """

    outcomes: tuple[str, ...]
    attempts: tuple[int, int]
    left: Left
    seconds: float


def timeout_of(step: Step, fault: Fault) -> float:
    """Return the timeout of a cell: short if only the timeout can end the request."""
    return SHORT_TIMEOUT if fault.kind == "slow" or _makes_progress(step, fault) else LONG_TIMEOUT


def _makes_progress(step: Step, fault: Fault) -> bool:
    """Whether a download goes on in spite of the fault; the model's file is too small for progress."""
    return step.name == "storage" and fault.brings_bytes and not fault.once


def applies_to(fault: Fault, step: Step) -> bool:
    """Whether a fault applies to a step."""
    return fault.applies_to in step.traits


def expected(use_case: UseCase, step: Step, fault: Fault) -> Expected:
    """Return the result that a use case with a fault at one step must have."""
    error = _api_error(step, fault)
    again = _sent_again(step, fault, error)
    seconds = timeout_of(step, fault) + SLACK_SECONDS
    if _makes_progress(step, fault):
        return _expect_end_of_progress(fault)
    if fault.once and again:
        return _expect_recovery(use_case, seconds)
    most = _attempts(step, fault, again)
    if not step.at_the_api:
        return Expected((_github_error(step, fault, error),), (most, most), "old", seconds)
    if _is_stale_session_used(use_case, fault, error):
        fewest, seconds = (
            (most, seconds) if use_case.seconds is None else (1, use_case.seconds + SLACK_SECONDS)
        )
        return Expected(("stale",), (fewest, most), "old", seconds)
    # A wrong size is noticed because it is too large, or by the file that follows.
    errors = (
        (error, "CoreDownloadError") if step.name == "model_size" and fault.kind == "garbled" else (error,)
    )
    return Expected(errors, (most, most), _state_left(step, fault), seconds)


def _api_error(step: Step, fault: Fault) -> str:
    """Return the class of error for a fault at the Nimbus API."""
    if fault.kind != "refused":
        return _file_error(fault) if step.name == "model_file" else BY_KIND.get(fault.kind, "")
    status = fault.status or 0
    if status == 407:
        # Not the service but a proxy asks for a password.
        return "NimbusConnectionError"
    if fault.html and status < 500:
        # A web page is not from the service: a hotel's network cannot reject a key.
        return "RateLimitError" if status == 429 else "ApiError"
    return BY_CODE.get(fault.code or "") or BY_STATUS.get(status, "ApiError")


def _file_error(fault: Fault) -> str:
    """Return the class of error for a fault in the bytes of a file."""
    of_bytes = {
        "garbled": "CoreDownloadError",
        "too much": "CoreIntegrityError",
        "forged": "CoreIntegrityError",
    }
    return of_bytes.get(fault.kind) or BY_KIND[fault.kind]


def _sent_again(step: Step, fault: Fault, error: str) -> bool:
    """Whether another attempt can help and does no harm."""
    if error == "RateLimitError":
        return True
    if not step.repeatable:
        # Nothing was sent if the connection was refused.
        return fault.before == "refused"
    return fault.kind == "lost" or error == "ServerError"


def _expect_end_of_progress(fault: Fault) -> Expected:
    """Return the result if each attempt brings a part of the file: all of it, or ever less."""
    if fault.name == "slow drip":
        return Expected(("done",), (1, 1), "new", DRIPS * DRIP_SECONDS + 6 * SLACK_SECONDS)
    most = 3 * seconds_for_outage(SHORT_TIMEOUT) + SLACK_SECONDS
    return Expected(("CoreDownloadError",), (ATTEMPTS + 1, 20), "old", most)


def _expect_recovery(use_case: UseCase, seconds: float) -> Expected:
    if use_case.seconds is None:
        return Expected(("done",), (2, 2), "new", seconds)
    # If the stored session can be used instead, the time for the refresh may end before the second attempt.
    return Expected(("done", "stale"), (1, 2), "new", use_case.seconds + SLACK_SECONDS)


def _attempts(step: Step, fault: Fault, again: bool) -> int:
    if step.name in ("asset", "storage"):
        return _attempts_for_file(step, fault, again)
    if not step.at_the_api and fault.status in (401, 403, 404):
        return _attempts_for_new_token(fault)
    waits_too_long = fault.wait is not None and fault.wait > LONG_TIMEOUT
    return ATTEMPTS if again and not waits_too_long else 1


def _attempts_for_file(step: Step, fault: Fault, again: bool) -> int:
    if fault.kind == "redirected away":
        # The other host has no such file; a signed URL may have expired, so a new one is requested, once.
        return 2 if step.name == "asset" else 4
    if fault.status == 416:
        # The partial file does not match any more: it is deleted and requested again, three times in all.
        return 3
    if fault.status in (401, 403, 404):
        return 2 if step.name == "storage" else _attempts_for_new_token(fault)
    waits_too_long = fault.wait is not None and fault.wait > LONG_TIMEOUT
    return ATTEMPTS if again and not waits_too_long else 1


def _attempts_for_new_token(fault: Fault) -> int:
    """Return the attempts for a refusal by GitHub, whose servers may not know the token yet."""
    return 1 if fault.status == 403 else 3


def _github_error(step: Step, fault: Fault, error: str) -> str:
    """Return the class of error for a fault at GitHub: it is never about the key."""
    if fault.kind == "forged" or (fault.kind == "too much" and step.name != "release"):
        return "CoreIntegrityError"
    # A limit on requests is reported as such; a lost request for the release has no file to resume.
    if error == "RateLimitError" or (step.name == "release" and FAMILY.get(error) == "connection"):
        return error
    return "CoreDownloadError"


def _is_stale_session_used(use_case: UseCase, fault: Fault, error: str) -> bool:
    """Whether the stored session is used instead of a response."""
    not_from_service = error == "ApiError" and fault.code is None
    family = "failure" if not_from_service else FAMILY.get(error, "refusal")
    return family in use_case.stale_after and not _is_key_rejected(fault)


def _is_key_rejected(fault: Fault) -> bool:
    """Whether the service itself rejected the key."""
    return fault.status == 401 and fault.code in ("INVALID_KEY", "KEY_EXPIRED")


def _state_left(step: Step, fault: Fault) -> Left:
    if step.name == "revoke" and (fault.status, fault.code) == (404, "KEY_NOT_FOUND"):
        return "gone"
    return "rejected" if _is_key_rejected(fault) else "old"
