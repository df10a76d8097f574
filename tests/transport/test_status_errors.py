"""From a response to its error, in which every text from outside is sanitized."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk import errors
from nimbus_sdk.config.settings import origin
from nimbus_sdk.errors import ApiError, NimbusConnectionError, NimbusError
from nimbus_sdk.transport.flow import HeaderAuth, Request, Response
from nimbus_sdk.transport.status_errors import raise_for_status
from tests.support.raw_server import saying, serving

API = "https://api.nimbusbci.com"
KEY = "nbci_live_" + "0123456789ab" * 4
DIGITS = KEY[10:]
OPAQUE = "0pen-5esame-opaque-token"


def call_with(secret=KEY, **fields):
    """A call that carries a secret in its header."""
    auth = HeaderAuth("X-API-Key", secret, origin(API))
    return Request(
        **{"name": "models", "method": "GET", "url": f"{API}/v1/models/list", "auth": auth, **fields}
    )


def refusal(status, body, headers=None, step=None):
    """The error that an answer becomes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Response(status=status, headers=headers or {}, body=content, request_id="req_1")
    with pytest.raises(NimbusError) as caught:
        raise_for_status(step or call_with(), answer)
    return caught.value


# The error table of the Nimbus API documentation.
DOCUMENTED = [
    (400, "MISSING_KEY", errors.MissingKeyError),
    (400, "INVALID_FORMAT", errors.InvalidKeyFormatError),
    (400, "MISSING_EVENT_TYPE", errors.MissingEventTypeError),
    (401, "INVALID_KEY", errors.InvalidKeyError),
    (401, "KEY_EXPIRED", errors.KeyExpiredError),
    (404, "KEY_NOT_FOUND", errors.KeyNotFoundError),
    (405, "METHOD_NOT_ALLOWED", errors.MethodNotAllowedError),
    (429, "QUOTA_EXCEEDED", errors.QuotaExceededError),
    (429, "RATE_LIMIT_EXCEEDED", errors.RateLimitError),
    (500, "SERVER_ERROR", errors.ServerError),
    (503, "NOT_CONFIGURED", errors.NotConfiguredError),
]


@pytest.mark.parametrize(("status", "code", "kind"), DOCUMENTED)
def test_every_documented_code_is_an_error_of_its_own(status, code, kind):
    """Class, status, code, text, request id: all that the answer says is in the error."""
    error = refusal(status, {"error": "Plain words", "code": code})
    assert type(error) is kind
    assert (error.status, error.code, error.request_id) == (status, code, "req_1")
    assert "api.nimbusbci.com refused models" in error.message
    assert "Plain words" in error.message
    assert error.hint
    assert f"[{status}, {code}, request req_1]" in str(error)


BY_STATUS_ALONE = [
    (400, ApiError),
    (401, errors.InvalidKeyError),
    (403, errors.PermissionDeniedError),
    (404, ApiError),
    (405, errors.MethodNotAllowedError),
    (418, ApiError),
    (429, errors.RateLimitError),
    (500, errors.ServerError),
    (501, ApiError),
    (502, errors.ServerError),
    (503, errors.ServerError),
    (504, errors.ServerError),
    (599, ApiError),
    (199, ApiError),
    (999, ApiError),
]


@pytest.mark.parametrize("body", [{}, {"error": "no"}, {"error": "no", "code": "NEW_CODE"}, {"code": 7}])
def test_an_unknown_code_goes_by_its_status(body):
    """What a later service may say is still an error of the right kind, with the code as it was said."""
    for status, kind in BY_STATUS_ALONE:
        error = refusal(status, body)
        assert type(error) is kind
        assert error.status == status
        assert error.code == (body.get("code") if isinstance(body.get("code"), str) else None)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
def test_a_code_that_was_not_said_is_not_made_up(status):
    """A key is rejected only by a code from the service, so the class sets no code."""
    assert refusal(status, {"error": "no"}).code is None


@pytest.mark.parametrize(
    ("body", "message", "code", "request_id"),
    [
        (
            {"error": {"code": "unauthorized", "message": "Bad key", "requestId": "r-9"}},
            "Bad key",
            "unauthorized",
            "r-9",
        ),
        ({"statusCode": 401, "message": "Bad key", "error": "Unauthorized"}, "Bad key", None, "req_1"),
        ({"error": "Bad key", "request_id": "r-8"}, "Bad key", None, "r-8"),
        ({"error": "Short", "code": "X", "message": "Bad key"}, "Bad key", "X", "req_1"),
        ({"error": {"message": ["Bad", "key"]}}, None, None, "req_1"),
        ({"error": 5, "code": None, "message": {"a": 1}}, None, None, "req_1"),
        ({"message": "", "code": "  "}, None, None, "req_1"),
    ],
)
def test_an_error_body_is_read_in_every_shape_in_use(body, message, code, request_id):
    """Flat, nested and doubled bodies give text, code and request id; other types give none."""
    error = refusal(401, body)
    assert (error.code, error.request_id) == (code, request_id)
    if message is not None:
        assert f": {message}." in error.message
    else:
        assert error.message.endswith("with status 401.")


NOT_JSON_OBJECTS = [
    b"<html><body>Please log in</body></html>",
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe\x00",
    b'{"error": "cut',
    b'{"a": 1, "a": 2}',
    b"[" * 100_000,
    b"9" * 5000,
]


@pytest.mark.parametrize("body", NOT_JSON_OBJECTS, ids=lambda body: repr(body[:20]))
def test_what_is_no_answer_of_the_service_is_not_taken_for_its_word(body):
    """The 401 of a captive portal rejects no key, and the hint says what it may be."""
    error = refusal(401, body)
    assert type(error) is ApiError
    assert error.code is None
    assert "captive portal" in error.hint
    assert type(refusal(403, body)) is ApiError
    assert type(refusal(404, body)) is ApiError
    assert type(refusal(429, body)) is errors.RateLimitError
    assert type(refusal(502, body)) is errors.ServerError
    assert type(refusal(503, body)) is errors.ServerError


@pytest.mark.parametrize(
    "page", [b"<h1>400 No required SSL certificate was sent</h1>", b"Client Certificate"]
)
def test_a_page_that_asks_for_a_client_certificate_is_said_to(page):
    """As nginx and IIS do after the handshake."""
    error = refusal(400, page)
    assert type(error) is ApiError
    assert "asks for a client certificate" in error.hint


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://login.hotel.example/portal?next=x", "login.hotel.example"),
        ("/login", "an unnamed place"),
        ("", "an unnamed place"),
        ("http://[::1", "an unnamed place"),
        ("https://user:pa55@evil.example/", "evil.example"),
        (f"https://{KEY}/", "nbci_live_…"),
        (f"https://{KEY}@evil.example/", "evil.example"),
        ("https://evil\x1bc\x07.example/", "evilc.example"),
        ("https://" + "a" * 500 + "/", "aaa"),
    ],
)
def test_the_error_for_a_redirect_names_its_host(location, named):
    """The message names the other host, without the rest of the address."""
    for status in (300, 301, 302, 303, 304, 307, 308):
        error = refusal(status, b"", {"location": location})
        assert type(error) is ApiError
        assert error.status == status
        assert named in error.message
        assert not [part for part in (KEY, "pa55", "next=x", "\x1b", "a" * 200) if part in str(error)]


def test_a_proxy_that_asks_for_a_password_is_a_connection_error():
    """407 is the proxy's, not the service's."""
    error = refusal(407, b"")
    assert type(error) is NimbusConnectionError
    assert error.passing is False
    assert "HTTPS_PROXY" in error.hint


def test_the_clock_of_the_service_is_on_the_error():
    """As on a response, so that no caller has to accept a refusal for it."""
    response = Response(status=401, headers={}, body=b"{}", clock_offset=7.0)
    with pytest.raises(ApiError) as caught:
        raise_for_status(call_with(), response)
    assert caught.value.clock_offset == 7.0
    assert ApiError("local").clock_offset is None


def test_the_requested_wait_is_on_the_error():
    """retry_after is on every refusal with such a header."""
    assert refusal(429, {"code": "RATE_LIMIT_EXCEEDED"}, {"retry-after": "17"}).retry_after == 17.0
    assert refusal(503, {}, {"retry-after": "17"}).retry_after == 17.0
    assert refusal(503, {}).retry_after is None


SECONDARY = {"message": "You have exceeded a secondary rate limit.", "documentation_url": "https://docs"}


@pytest.mark.parametrize(
    ("body", "headers", "wait"),
    [
        (SECONDARY, {"retry-after": "7", "x-ratelimit-remaining": "4999"}, 7.0),
        ({}, {"retry-after": "7"}, 7.0),
        (b"", {"retry-after": "Thu, 01 Jan 2026 00:00:07 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 7.0),
        (SECONDARY, {}, 60.0),
        (SECONDARY, {"retry-after": "soon"}, 60.0),
        (
            {"message": "API rate limit exceeded for user ID 1."},
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1767225607",
                "date": "Thu, 01 Jan 2026 00:00:00 GMT",
            },
            7.0,
        ),
        ({"message": "no"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, 60.0),
    ],
)
@pytest.mark.parametrize("accept", [frozenset(), frozenset({403})])
def test_a_403_that_asks_to_wait_is_a_rate_limit(body, headers, wait, accept):
    """As GitHub sends it, also to who accepts a 403; the message has the wait and the words."""
    error = refusal(403, body, headers, call_with(accept=accept))
    assert type(error) is errors.RateLimitError
    assert error.retry_after == wait
    assert f"It asks to wait {wait:.0f} s." in error.message
    if isinstance(body, dict) and "message" in body:
        assert body["message"].rstrip(".") in error.message


@pytest.mark.parametrize(
    ("body", "headers", "fields"),
    [
        ({"error": "above your tier"}, {}, {}),
        ({"error": "above your tier"}, {"x-ratelimit-remaining": "12"}, {}),
        ({"error": "above your tier"}, {"x-ratelimit-remaining": "0"}, {"per_minute": 60}),
    ],
)
def test_any_other_403_is_a_refusal_for_good(body, headers, fields):
    """Also the one that comes with the last request of a documented limit."""
    assert type(refusal(403, body, headers, call_with(**fields))) is errors.PermissionDeniedError


@pytest.mark.parametrize("secret", [KEY, OPAQUE])
@pytest.mark.parametrize(
    "body",
    [
        {"error": "The key {} is bad", "code": "INVALID_KEY"},
        {"error": "no", "code": "{}"},
        {"error": "no", "request_id": "{}"},
        {"error": {"message": "x{}x", "code": "{}", "requestId": "{}"}},
        {"message": "{}"},
    ],
)
def test_a_hostile_service_cannot_have_the_key_printed(body, secret):
    """What was sent in the header is masked wherever the answer repeats it, whatever it looks like."""
    echoed = json.loads(json.dumps(body).replace("{}", secret))
    error = refusal(401, echoed, {"x-request-id": secret}, call_with(secret))
    assert secret not in f"{error} {error!r} {error.code} {error.request_id} {error.message}"


IN_BODY = {"auth": None, "json": {"api_key": KEY}, "secrets": (KEY,)}


@pytest.mark.parametrize("carried", [{}, IN_BODY], ids=["header", "body"])
@pytest.mark.parametrize(
    "echo", [DIGITS, DIGITS.upper(), f"key {KEY} / {DIGITS}", f"{DIGITS[:9]}\u200b{DIGITS[9:]}"]
)
def test_the_bare_digits_of_the_key_are_masked_wherever_the_key_travelled(echo, carried):
    """Text, code, request id and redirect, for a key in the header and one in the body."""
    body = {"error": {"message": echo, "code": echo, "requestId": echo}}
    headers = {"location": f"https://{DIGITS}.example/"}
    bodies = (body, {"error": echo, "code": echo}, {"message": echo})
    for status, said in itertools.product((302, 400, 401, 404, 429, 500, 503), bodies):
        content = json.dumps(said).encode()
        answer = Response(status=status, headers=headers, body=content, request_id=echo)
        with pytest.raises(ApiError) as caught:
            raise_for_status(call_with(**carried), answer)
        text = f"{caught.value} {caught.value!r} {vars(caught.value)}".lower()
        assert DIGITS not in text
        assert "…" in text


def test_a_call_does_not_show_the_secrets_it_carries():
    """Neither its repr nor that of its response contains them."""
    step = call_with(**IN_BODY)
    assert DIGITS not in f"{step!r} {Response(status=200, headers={}, body=b'', secrets=step.maskable)!r}"


def test_a_service_cannot_steer_the_terminal_or_flood_it():
    """Escapes and line breaks are gone, and no text is longer than a few lines."""
    error = refusal(400, {"error": "a\x1b[2J\r\nb" + "x" * 10_000, "code": "C\x1b[31m" + "y" * 10_000})
    assert not {"\x1b", "\r", "\n"} & set(str(error))
    assert len(str(error)) < 800
    assert "\ud83d" not in str(refusal(400, b'{"error": "\\ud83d"}'))


@given(
    st.integers(100, 999), st.binary(max_size=60), st.dictionaries(st.text(max_size=8), st.text(max_size=8))
)
def test_every_answer_is_an_answer_or_an_error_of_the_sdk(status, body, headers):
    """Whatever the status, the body and the headers, nothing else is raised."""
    try:
        answer = raise_for_status(call_with(), Response(status=status, headers=headers, body=body))
    except NimbusError:
        assert not 200 <= status < 300
    else:
        assert 200 <= answer.status < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["error", "code", "message", "requestId", "request_id"])


@given(st.sampled_from([400, 401, 404, 429, 500, 503]), st.dictionaries(FIELDS, json_values))
def test_no_shape_of_an_error_body_breaks_the_reading(status, body):
    """Any JSON under the known names gives an API error that can be printed."""
    error = refusal(status, body)
    assert isinstance(error, ApiError)
    assert str(error).encode("utf-8")


def test_a_call_may_accept_what_others_refuse():
    """A status that a call expects is its answer."""
    answer = Response(status=503, headers={}, body=b"")
    assert raise_for_status(call_with(accept=frozenset({503})), answer) is answer


def test_a_real_echo_of_the_key_does_not_come_through(send):
    """Over a socket: a server that repeats all it received."""

    def echo(connection, request):
        text = json.dumps({"error": request.headers["x-api-key"], "code": "INVALID_KEY"}).encode()
        saying(text, "401 Unauthorized", f"X-Request-ID: {request.headers['x-api-key']}")(connection, request)

    with serving(echo) as server:
        step = Request(
            name="models",
            method="GET",
            url=f"{server.url}/v1",
            auth=HeaderAuth("X-API-Key", KEY, origin(server.url)),
        )
        answer = send(step)
        with pytest.raises(errors.InvalidKeyError) as caught:
            raise_for_status(step, answer)
    assert KEY not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
