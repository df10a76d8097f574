"""Who asks: the three places an API key may stand in, and the limit that counts for its holder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nimbus_sdk.sandbox.http.endpoint import Visit, check_method, refusal_reply
from nimbus_sdk.sandbox.http.refusals import Refused
from nimbus_sdk.sandbox.http.responses import Reply

FindKey = Callable[[Visit], str]


def key_in_body(visit: Visit) -> str:
    """The ``api_key`` of a JSON body.

    Raises:
        Refused: MISSING_KEY, or INVALID_FORMAT where it is no text.
    """
    body = visit.json_object()
    if body is None:
        raise Refused("MISSING_KEY", "The body must be a JSON object, sent as application/json.")
    return _given(body.get("api_key"))


def key_in_header(visit: Visit) -> str:
    """The ``X-API-Key`` header.

    Raises:
        Refused: MISSING_KEY.
    """
    return _given(visit.headers.get("x-api-key"))


def key_anywhere(visit: Visit) -> str:
    """The header, or else the JSON body of a POST, or else the query of a GET.

    Raises:
        Refused: MISSING_KEY, or INVALID_FORMAT where it is no text.
    """
    if "x-api-key" in visit.headers:
        return key_in_header(visit)
    if visit.request.method == "POST":
        return key_in_body(visit)
    return _given(visit.request.query_params.get("api_key"))


def _given(key: object) -> str:
    if key is None or key == "":
        raise Refused("MISSING_KEY")
    if not isinstance(key, str):
        raise Refused("INVALID_FORMAT")
    return key


@dataclass(frozen=True, slots=True)
class Limited:
    """An endpoint of the API behind its rate limit.

    Attributes:
        endpoint: The endpoint's name.
        methods: Methods it takes, as in the ``Allow`` header.
        find_key: Where its key stands.
        answer: Makes the answer from the request and the key as presented.
    """

    endpoint: str
    methods: str
    find_key: FindKey
    answer: Callable[[Visit, str], Reply]

    async def __call__(self, visit: Visit) -> Reply:
        """Answer, with the limit's headers whatever the answer is."""
        key, refusal = "", None
        try:
            check_method(visit, self.methods)
            key = self.find_key(visit)
        except Refused as fault:
            refusal = fault
        allowance = visit.state.limits.take(self.endpoint, key or visit.caller)
        try:
            if allowance is not None and allowance.wait:
                raise Refused("RATE_LIMIT_EXCEEDED")
            if refusal is not None:
                raise refusal
            reply = self.answer(visit, key)
        except Refused as fault:
            reply = refusal_reply(fault)
        return reply if allowance is None else reply.with_headers(allowance.headers())
