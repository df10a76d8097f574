"""The exceptions of the SDK.

::

    NimbusError
    ├── ConfigurationError            a setting or an argument is invalid
    │   └── MissingLibraryError       an optional library is not installed (also an ImportError)
    ├── ApiError                      the service refused the request
    │   ├── MissingKeyError           400 MISSING_KEY, or there is no key
    │   ├── InvalidKeyFormatError     400 INVALID_FORMAT, or rejected locally (also a ValueError)
    │   ├── MissingEventTypeError     400 MISSING_EVENT_TYPE
    │   ├── InvalidKeyError           401 INVALID_KEY
    │   ├── KeyExpiredError           401 KEY_EXPIRED
    │   ├── PermissionDeniedError     403
    │   ├── KeyNotFoundError          404 KEY_NOT_FOUND
    │   ├── MethodNotAllowedError     405 METHOD_NOT_ALLOWED
    │   ├── QuotaExceededError        429 QUOTA_EXCEEDED
    │   ├── RateLimitError            429 RATE_LIMIT_EXCEEDED
    │   ├── ServerError               500, 502, 503, 504
    │   └── NotConfiguredError        503 NOT_CONFIGURED
    ├── NimbusConnectionError         no response: DNS, refused, reset, TLS, offline mode
    │   ├── NimbusTimeoutError        no response in time
    │   └── AnswerLostError           the request may have been carried out
    ├── ResponseFormatError           a success whose body differs from the documentation
    ├── SessionError                  the cached session cannot be used
    │   ├── SessionNotFoundError
    │   ├── SessionExpiredError
    │   ├── SessionTamperedError
    │   ├── ClockRollbackError
    │   └── NewerSessionError
    ├── FeatureNotLicensedError       the license tier lacks the feature
    ├── CoreError                     the proprietary core
    │   ├── CoreNotInstalledError
    │   ├── CoreDownloadError
    │   ├── CoreIntegrityError        (``issues``: every fault, not only the first)
    │   ├── CoreInstallError
    │   └── CoreIncompatibleError
    ├── CredentialStoreError          keyring or credentials file
    └── AuditTrailError               the audit trail cannot be written

Each class has a ``hint`` (what to do next, part of the printed message) and an ``exit_code`` for the
command line. Source of codes and statuses: the error table of the Nimbus API documentation.
"""

from __future__ import annotations

from nimbus_sdk.errors.printable import printable

SUPPORT = "hello@nimbusbci.com"


class NimbusError(Exception):
    """Base class of all errors of the SDK.

    Args:
        message: What happened, without secrets.
        hint: What to do next; the ``advice`` of the class if omitted.

    Examples:
        >>> str(NimbusError("The disk is full.", hint="Free some space and run it again."))
        'The disk is full. Free some space and run it again.'
    """

    exit_code = 1
    advice = ""
    _separator = " "

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = message
        self.hint = self.advice if hint is None else hint
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.message} {self.hint}".rstrip()
        return printable(f"{text}{self._separator}{self._facts()}".rstrip())

    def __repr__(self) -> str:
        return printable(super().__repr__())

    def paragraphs(self) -> list[str]:
        """Return what happened, what to do next, and further facts, as paragraphs for people."""
        return [self.message, self.hint, self._facts()]

    def _facts(self) -> str:
        return ""

    def _render_traceback_(self) -> list[str]:
        from nimbus_sdk.errors.notebook_traceback import render

        return render(self)


class ConfigurationError(NimbusError):
    """A setting, an argument or an environment variable is invalid."""

    exit_code = 2
    advice = "Correct it and run it again."


class MissingLibraryError(ConfigurationError, ImportError):
    """An optional library that this needs is not installed in this environment."""

    advice = "Install it in this environment, then try again."


class ApiError(NimbusError):
    """The service refused a request.

    Attributes:
        status: HTTP status, or None for a local refusal.
        code: The service's error code, such as ``INVALID_KEY``, or None.
        request_id: ``X-Request-ID`` of the request, for support.
        retry_after: Seconds that the service asks to wait, or None.
        attempts: How many times the request was sent.
        answer_lost: Whether an earlier attempt may have been carried out although its response was lost.
        clock_offset: Seconds by which the service's clock is ahead of this machine's, or None.
    """

    exit_code = 3
    default_code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code if code is not None else self.default_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = 1
        self.answer_lost = False
        self.clock_offset: float | None = None

    def _facts(self) -> str:
        marks = [str(part) for part in (self.status, self.code) if part is not None]
        if self.request_id is not None:
            marks.append(f"request {self.request_id}")
        return f"[{', '.join(marks)}]" if marks else ""


class MissingKeyError(ApiError):
    """No API key was given or found."""

    exit_code = 4
    default_code = "MISSING_KEY"
    advice = (
        "Pass a key, set NIMBUS_API_KEY, or run `nimbus-sdk install` in a terminal; "
        "`nimbus-sdk explain` shows every place that was searched."
    )


class InvalidKeyFormatError(ApiError, ValueError):
    """The text is not a Nimbus API key; no request is sent."""

    exit_code = 4
    default_code = "INVALID_FORMAT"
    advice = "A key is nbci_live_ or nbci_test_ followed by exactly 48 hexadecimal characters: copy it again."


class MissingEventTypeError(ApiError):
    """An analytics event has no type."""

    default_code = "MISSING_EVENT_TYPE"
    advice = "Give event_type: inference, model_load or error."


class InvalidKeyError(ApiError):
    """The service does not know the key, or the key was revoked."""

    exit_code = 4
    default_code = "INVALID_KEY"
    advice = f"Check the key with `nimbus-sdk explain`; for a new one, write to {SUPPORT}."


class KeyExpiredError(ApiError):
    """The key has expired."""

    exit_code = 4
    default_code = "KEY_EXPIRED"
    advice = f"Ask {SUPPORT} for a new key, then run `nimbus-sdk install`."


class PermissionDeniedError(ApiError):
    """The key is valid, but its license does not cover the request (HTTP 403)."""

    exit_code = 5
    advice = f"A higher license tier covers it: write to {SUPPORT}."


class KeyNotFoundError(ApiError):
    """The key to revoke does not exist, or is revoked already."""

    exit_code = 4
    default_code = "KEY_NOT_FOUND"
    advice = "There is nothing to revoke; check that this is the right key."


class MethodNotAllowedError(ApiError):
    """The endpoint does not accept this HTTP method."""

    default_code = "METHOD_NOT_ALLOWED"
    advice = "Check NIMBUS_SDK_API_URL, and update the SDK."


class QuotaExceededError(ApiError):
    """The monthly quota is used up."""

    exit_code = 6
    default_code = "QUOTA_EXCEEDED"
    advice = f"Wait for the reset (`nimbus-sdk quota` shows when), or write to {SUPPORT} for a higher tier."


class RateLimitError(ApiError):
    """Too many requests, and the requested wait is longer than the time left."""

    exit_code = 7
    default_code = "RATE_LIMIT_EXCEEDED"
    advice = "Wait for retry_after seconds, then try again."


class ServerError(ApiError):
    """The service failed (500, 502, 503, 504) at every attempt."""

    exit_code = 8
    default_code = "SERVER_ERROR"
    advice = "The service has a problem, which usually passes: try again in a few minutes."


class NotConfiguredError(ApiError):
    """The service has no GitHub token, so the core cannot be downloaded."""

    exit_code = 8
    default_code = "NOT_CONFIGURED"
    advice = f"Trying again will not help: write to {SUPPORT}."


class NimbusConnectionError(NimbusError):
    """There was no response: name resolution, connection, TLS, or offline mode.

    Attributes:
        passing: Whether the fault may pass within seconds, so that another attempt makes sense.
        sent: Whether the request may have reached the service.
    """

    exit_code = 9
    advice = "Check the network, proxy and firewall (HTTPS to the host named above), then try again."

    def __init__(
        self, message: str, *, passing: bool = True, sent: bool = True, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing
        self.sent = sent


class NimbusTimeoutError(NimbusConnectionError):
    """There was no response in time."""

    advice = "Try again, or allow more time: timeout=…, or NIMBUS_SDK_TIMEOUT in seconds."


class AnswerLostError(NimbusConnectionError):
    """The response to a request that must not be repeated was lost; it may have been carried out.

    Attributes:
        left_behind: Ids of what the request created at the service, as far as they are known.
    """

    advice = "Check the list at the service before you try again."

    def __init__(self, message: str, *, left_behind: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, passing=False, hint=hint)
        self.left_behind = left_behind


class ResponseFormatError(NimbusError):
    """A success whose body differs from the documentation of the API."""

    exit_code = 8
    advice = "A captive portal or a proxy may have answered instead of the service; if not, update the SDK."


class SessionError(NimbusError):
    """Base class of errors of the cached session."""

    exit_code = 10
    advice = "Run `nimbus-sdk install` (or nimbus_sdk.authenticate()) once, online."


class SessionNotFoundError(SessionError):
    """There is no cached session for this profile and key."""


class SessionExpiredError(SessionError):
    """The cached session is past its expiry."""

    advice = "Go online once and run `nimbus-sdk refresh` (or nimbus_sdk.refresh_quota())."


class SessionTamperedError(SessionError):
    """The session file was edited, truncated, or copied from another machine; it was renamed and not used."""


class ClockRollbackError(SessionError):
    """The clock is more than 5 minutes before the last time at which this installation was used."""

    advice = "Correct the clock, or go online once and run `nimbus-sdk refresh`."


class NewerSessionError(SessionError):
    """The session was written by a newer version of the SDK; it is left as it is."""

    advice = "Update the SDK, use another profile or NIMBUS_SDK_HOME, or remove it with `nimbus-sdk logout`."


class FeatureNotLicensedError(NimbusError):
    """The session's license does not include a feature.

    Attributes:
        feature: Name of the missing feature.
    """

    exit_code = 5
    advice = f"For a tier that includes it, write to {SUPPORT}, then run `nimbus-sdk refresh`."

    def __init__(self, message: str, *, feature: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.feature = feature


class CoreError(NimbusError):
    """Base class of errors of the proprietary core."""

    exit_code = 11


class CoreNotInstalledError(CoreError):
    """The core is not installed on this machine."""

    advice = 'Run nimbus_sdk.install_core("nbci_live_…") or `nimbus-sdk install` once.'


class CoreDownloadError(CoreError):
    """The core could not be downloaded completely."""

    advice = "Run it again: an interrupted download continues where it stopped."


class CoreIntegrityError(CoreError):
    """The downloaded or installed core differs from the published one; it is not used.

    Attributes:
        issues: Every fault, one line each.
    """

    advice = "Run `nimbus-sdk install --force`; if it fails again, a proxy or mirror changes the file."
    _separator = "\n"

    def __init__(self, message: str, *, issues: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.issues = issues

    def _facts(self) -> str:
        return "\n".join(f"  - {issue}" for issue in self.issues)


class CoreInstallError(CoreError):
    """The core could not be written or does not load; the previous version stays in use."""

    advice = "Check the free space and the permissions of the folder named above, then run it again."


class CoreIncompatibleError(CoreError):
    """No published core fits this interpreter, or one of its requirements is missing."""

    advice = "Run `nimbus-sdk core list` to see what is installed for this interpreter."


class CredentialStoreError(NimbusError):
    """The keyring or the credentials file could not be read or written."""

    exit_code = 12
    advice = "`nimbus-sdk doctor` says which store works; NIMBUS_API_KEY gives a key that is not stored."


class AuditTrailError(NimbusError):
    """The audit trail cannot be written; a call that cannot be recorded is not sent."""

    exit_code = 13
    advice = "Check the free space and the permissions of the folder named above, then run it again."
