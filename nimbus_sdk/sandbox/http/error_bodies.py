"""Error bodies as each system writes them: for faults, and for the sandbox's own failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from nimbus_sdk.sandbox.http.refusals import REFUSALS, USUAL_CODES
from nimbus_sdk.sandbox.http.responses import Reply, json_reply
from nimbus_sdk.sandbox.neuroai.errors import NEUROAI_REFUSALS, neuroai_error
from nimbus_sdk.sandbox.nexus.errors import NEXUS_REFUSALS, nexus_error
from nimbus_sdk.sandbox.nimbus_os.errors import NIMBUS_OS_REFUSALS, nimbus_os_error

LIKE_NIMBUS = (
    "validate",
    "refresh",
    "revoke",
    "github_token",
    "models",
    "analytics",
    "health",
    "storage",
    "model_file",
)
LIKE_GITHUB = ("release", "asset")
LIKE_NIMBUS_OS = ("nimbus_os",)
LIKE_NEUROAI = (
    "neuroai_keys",
    "neuroai_key",
    "neuroai_rotate",
    "neuroai_verify",
    "neuroai_audit",
    "neuroai_agents",
    "neuroai",
)
LIKE_NEXUS = ("nexus_thread", "nexus")
ENDPOINTS = (*LIKE_NIMBUS, *LIKE_GITHUB, *LIKE_NIMBUS_OS, *LIKE_NEUROAI, *LIKE_NEXUS)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one system writes its refusals.

    Attributes:
        refusals: Status and wording by code.
        usual: The code that a bare status stands for.
        otherwise: The code of any other status.
        body: The JSON body from status, code, wording and request id.
    """

    refusals: Mapping[str, tuple[int, str]]
    usual: Mapping[int, str]
    otherwise: str
    body: Callable[[int, str, str, str], object]


_NIMBUS = Dialect(
    REFUSALS, USUAL_CODES, "SERVER_ERROR", lambda _, code, text, __: {"error": text, "code": code}
)
_REVOKE = replace(_NIMBUS, usual={**USUAL_CODES, 404: "KEY_NOT_FOUND"})
_GITHUB = Dialect({}, {}, "", lambda status, _, text, __: {"message": text, "status": str(status)})
_NIMBUS_OS = Dialect(
    NIMBUS_OS_REFUSALS,
    {status: code for code, (status, _) in NIMBUS_OS_REFUSALS.items()},
    "internal_error",
    lambda _, code, text, request_id: nimbus_os_error(code, text, request_id),
)
_NEUROAI = Dialect(
    NEUROAI_REFUSALS,
    # The first code of a status is its plain one; key_expired and referrer_denied are special cases.
    {status: code for code, (status, _) in reversed(list(NEUROAI_REFUSALS.items()))},
    "internal_error",
    lambda _, code, text, __: neuroai_error(code, text),
)
_NEXUS = Dialect(
    NEXUS_REFUSALS,
    {status: code for code, (status, _) in NEXUS_REFUSALS.items()},
    "Internal Server Error",
    lambda status, code, text, _: nexus_error(status, code, text),
)
_DIALECTS = {
    "revoke": _REVOKE,
    **dict.fromkeys(LIKE_GITHUB, _GITHUB),
    **dict.fromkeys(LIKE_NIMBUS_OS, _NIMBUS_OS),
    **dict.fromkeys(LIKE_NEUROAI, _NEUROAI),
    **dict.fromkeys(LIKE_NEXUS, _NEXUS),
}


def error_reply(endpoint: str, status: int | None, code: str | None, request_id: str) -> Reply:
    """The refusal an endpoint would send, in its system's own form.

    Args:
        endpoint: The endpoint's name.
        status: HTTP status; None takes the code's own.
        code: Error code; None takes the usual one of the status.
        request_id: ``X-Request-ID`` of the exchange, for bodies that repeat it.

    Example:
        >>> error_reply("nexus_thread", 403, None, "req_1").body
        b'{"statusCode":403,"message":"Insufficient permissions","error":"Forbidden"}'
        >>> error_reply("nimbus_os", None, "unauthorized", "req_1").status
        401
    """
    dialect = _DIALECTS.get(endpoint, _NIMBUS)
    if status is None:
        status = dialect.refusals.get(code or "", (500, ""))[0]
    if code is None:
        code = dialect.usual.get(status, dialect.otherwise)
    text = dialect.refusals[code][1] if code in dialect.refusals else _phrase(status)
    return json_reply(status, dialect.body(status, code, text, request_id))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
