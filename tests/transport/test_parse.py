"""The error for a body that differs from the documentation names fields and never values."""

import itertools
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.api.schemas import Entitlement, EventReceipt, GithubToken, Health, ModelList, Revocation
from nimbus_sdk.errors import ResponseFormatError
from nimbus_sdk.transport.flow import Response
from nimbus_sdk.transport.parse import parse_fields, parse_response
from tests.support.evidence import everything_in, strangers_in

KEY = "nbci_live_" + "0123456789ab" * 4
QUOTA = {"monthly_limit": 50000, "used": 1234, "remaining": 48766, "resets_at": "2025-11-01T00:00:00Z"}
ENTITLEMENT = {
    "valid": True,
    "user_id": "usr_1",
    "email": "a@b.example",
    "name": "A",
    "organization": "B",
    "license_type": "research",
    "features": ["batch_inference"],
    "quota": QUOTA,
    "expires_at": "2026-01-01T00:00:00Z",
}
MODEL = {
    "name": "motor_imagery_4class_v1",
    "version": "1.0",
    "type": "NimbusLDA",
    "paradigm": "motor_imagery",
    "n_features": 16,
    "n_classes": 4,
    "size_mb": 0.5,
    "download_url": "https://x.example/m",
    "checksum": "sha256:00",
    "requires_license": "free",
    "metadata": {},
}
TOKEN = {"success": True, "github_token": "ghp_" + "a" * 36, "expires_at": None, "message": "ok"}
WHOLE = [
    (Entitlement, ENTITLEMENT),
    (Revocation, {"revoked": True, "message": "done"}),
    (GithubToken, TOKEN),
    (ModelList, {"models": [MODEL], "total": 1}),
    (EventReceipt, {"logged": True, "event_id": "evt_1", "quota": {"used": 1, "remaining": 2}}),
    (Health, {"status": "healthy", "timestamp": "2025-10-31T12:00:00Z", "version": "1.1.0"}),
]


def answer(body, **more):
    """An answer with a body."""
    return Response(**{"status": 200, "headers": {"content-type": "application/json"}, "body": body, **more})


def fault(kind, body):
    """Return the error for a body, which must contain no part of the body."""
    with pytest.raises(ResponseFormatError) as caught:
        parse_response(kind, answer(body if isinstance(body, bytes) else json.dumps(body).encode()))
    assert strangers_in(caught.value) == []
    assert caught.value.__cause__ is None
    return caught.value


def outcome(kind, body):
    """The error for a body, or None where it can be read; anything else comes out."""
    try:
        parse_response(kind, answer(body))
    except ResponseFormatError as error:
        return error
    return None


@pytest.mark.parametrize(("kind", "body"), WHOLE)
def test_what_is_documented_is_read(kind, body):
    """Every answer as the documentation shows it, with a field that is not known here yet."""
    assert isinstance(parse_response(kind, answer(json.dumps({**body, "brand_new": [1]}).encode())), kind)


@pytest.mark.parametrize(("kind", "body"), WHOLE)
def test_a_wrong_type_in_any_field_is_valid_or_the_error_names_the_field(kind, body):
    """With another value in each field in turn, the message names the field, or the value is valid."""
    values = [None, 5, -1, 1.5, "x", [], {}, True, [None], {"a": None}, "9" * 5000]
    for field, wrong in itertools.product(body, values):
        error = outcome(kind, json.dumps({**body, field: wrong}).encode())
        if error is None:
            assert wrong != -1
        else:
            assert field in error.message
            assert strangers_in(error) == []


@pytest.mark.parametrize(("kind", "body"), WHOLE)
def test_null_everywhere_is_an_error(kind, body):
    """An answer of nothing but nulls is not an answer."""
    fault(kind, dict.fromkeys(body))


@pytest.mark.parametrize(("kind", "body"), WHOLE)
def test_a_missing_required_field_is_named(kind, body):
    """An empty object names what it lacks."""
    error = fault(kind, {})
    assert "missing" in error.message
    assert any(field in error.message for field in body)


BROKEN = [
    b"",
    b"null",
    b"[]",
    b"true",
    b"<html></html>",
    b"\xff\xfe",
    b'{"valid": true, "valid": false}',
    b'{"valid": tru',
    b"[" * 200_000,
    b'{"a":' * 200_000,
    b"9" * 5000,
    json.dumps(ENTITLEMENT).encode("utf-16"),
    b'{"license_type": "\\ud800"}',
]


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: repr(body[:16]))
def test_what_is_no_object_of_the_service_is_an_error(body):
    """Nothing, HTML, doubled fields, half a body, depth without end, other encodings."""
    for kind, _ in WHOLE:
        fault(kind, body)


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "yesterday",
        "",
        1e300,
        -1e300,
        {"$date": 1},
    ],
)
def test_a_moment_that_does_not_exist_is_an_error(moment):
    """Neither a calendar's end nor nonsense breaks the reading."""
    assert "expires_at" in fault(Entitlement, {**ENTITLEMENT, "expires_at": moment}).message


def test_moments_are_read_in_utc():
    """An offset is taken into account; without one UTC is meant."""
    read = parse_response(
        Entitlement, answer(json.dumps({**ENTITLEMENT, "expires_at": "2026-01-01T02:00:00+02:00"}).encode())
    )
    assert read.expires_at.isoformat() == "2026-01-01T00:00:00+00:00"
    read = parse_response(
        Entitlement, answer(json.dumps({**ENTITLEMENT, "expires_at": "2026-01-01T00:00:00"}).encode())
    )
    assert read.expires_at.isoformat() == "2026-01-01T00:00:00+00:00"


def test_null_in_the_quota_is_unlimited():
    """Enterprise has no limit, and an answer says so with null."""
    quota = {"monthly_limit": None, "used": 5, "remaining": None}
    read = parse_response(Entitlement, answer(json.dumps({**ENTITLEMENT, "quota": quota}).encode()))
    assert (read.quota.monthly_limit, read.quota.remaining) == (None, None)


@pytest.mark.parametrize("missing", ["monthly_limit", "remaining"])
def test_silence_about_the_quota_is_not_unlimited(missing):
    """Only null is; an absent number is a fault, in an entitlement and in a receipt."""
    quota = {name: value for name, value in QUOTA.items() if name != missing}
    assert f"quota.{missing}: missing" in fault(Entitlement, {**ENTITLEMENT, "quota": quota}).message
    assert "quota.remaining: missing" in fault(EventReceipt, {"logged": True, "quota": {}}).message
    assert "quota: missing" in fault(EventReceipt, {"logged": True}).message


@pytest.mark.parametrize("success", [False, None, 0, 1, "true"])
def test_a_token_without_success_is_none(success):
    """What the service itself calls a failure is not used, whatever else it contains."""
    assert "success" in fault(GithubToken, {**TOKEN, "success": success}).message


DIGITS = KEY[10:]
ECHOES = [KEY, DIGITS, DIGITS.upper(), f"{DIGITS[:7]}\x1c{DIGITS[7:]}", f"{DIGITS[:7]}\u200b{DIGITS[7:]}"]


@pytest.mark.parametrize("echo", ECHOES, ids=ascii)
@pytest.mark.parametrize(("kind", "body"), WHOLE)
def test_what_the_call_carried_is_masked_in_every_text(kind, body, echo):
    """A service that repeats the key in a success, also broken up, does not get it into the model."""
    texts = [name for name, value in body.items() if isinstance(value, str) and ":00Z" not in value]
    said = {**body, **{name: f"my {echo}!" for name in texts if name != "github_token"}}
    if kind is ModelList:
        said = {**body, "models": [{**MODEL, "name": echo, "metadata": {echo: [{"a": echo}, 1]}}]}
    if kind is Entitlement:
        said["features"] = [echo]
    read = parse_response(kind, answer(json.dumps(said).encode(), secrets=(DIGITS, KEY)))
    text = f"{read!r} {read.model_dump()}".lower().replace("\\u200b", "")
    assert DIGITS not in text
    assert "…" in text


def test_a_text_without_a_secret_is_left_as_it_is():
    """A joiner inside a name is part of the name."""
    said = {**ENTITLEMENT, "name": "\u0915\u094d\u200d\u0937"}
    read = parse_response(Entitlement, answer(json.dumps(said).encode(), secrets=(DIGITS, KEY)))
    assert read.name == said["name"]


def test_the_content_type_in_an_error_does_not_contain_the_key():
    """The message quotes the content type, which the service may fill as it likes."""
    strange = answer(b"<", headers={"content-type": f"text/{DIGITS}\x1b[2J"}, secrets=(DIGITS, KEY))
    with pytest.raises(ResponseFormatError, match="text/…") as caught:
        parse_response(Revocation, strange)
    assert DIGITS not in everything_in(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("number", [-1, 2**63, 10**400, 1.5, "5", True])
def test_a_count_that_is_none_is_an_error(number):
    """A quota is a whole number from 0 to the largest 64-bit one."""
    assert "remaining" in fault(Entitlement, {**ENTITLEMENT, "quota": {**QUOTA, "remaining": number}}).message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "1e999"])
def test_a_size_that_is_none_is_an_error(number):
    """A model's size is a finite number."""
    body = json.dumps({"models": [MODEL], "total": 1}).replace("0.5", number)
    assert "size_mb" in fault(ModelList, body.encode()).message


def test_a_token_that_is_mistyped_is_not_shown():
    """pydantic prints the value of a faulty field; nothing of it is in the error or behind it."""
    secret = "ghp_" + "a1B2" * 9
    for body in (
        {**TOKEN, "success": secret},
        {**TOKEN, "github_token": [secret]},
        {**TOKEN, "message": {secret: 1}},
    ):
        error = fault(GithubToken, body)
        assert secret not in f"{error} {error!r} {error.args} {vars(error)}"
        texts = everything_in(error)
        assert secret not in texts


def test_a_token_does_not_show_itself():
    """Its repr and its dump are masked."""
    token = parse_response(GithubToken, answer(json.dumps(TOKEN).encode()))
    assert TOKEN["github_token"] not in f"{token!r} {token} {token.model_dump_json()}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(token)


def test_a_part_of_an_answer_is_read_as_strictly():
    """The error for fields that were decoded before is the same."""
    assert parse_fields(Revocation, {"revoked": True}).revoked is True
    with pytest.raises(ResponseFormatError, match="revoked") as caught:
        parse_fields(Revocation, {"revoked": KEY})
    assert KEY not in everything_in(caught.value)
    assert strangers_in(caught.value) == []


def test_an_endless_list_is_refused():
    """Two thousand features are no license."""
    assert "features" in fault(Entitlement, {**ENTITLEMENT, "features": ["x"] * 2000}).message


@pytest.mark.qualification
def test_an_endless_list_of_models_is_refused():
    """Eleven thousand models are no catalogue."""
    assert "too_long" in fault(ModelList, {"models": [MODEL] * 11_000, "total": 11_000}).message


def test_a_long_list_of_faults_is_cut():
    """The message names the first faults and stays readable."""
    assert len(fault(ModelList, {"models": [{}] * 500, "total": -1}).message) < 600


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(KEY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(WHOLE), st.data())
def test_nothing_but_an_answer_or_an_error_of_the_sdk_comes_out(whole, data):
    """Any JSON in any fields: no pydantic error, and no value of the body in the message."""
    kind, body = whole
    changed = {**body, **data.draw(st.dictionaries(st.sampled_from(list(body)), values))}
    error = outcome(kind, json.dumps(changed).encode())
    if error is not None:
        assert KEY not in str(error)
        assert strangers_in(error) == []


@given(st.binary(max_size=80))
def test_no_bytes_break_the_reading(body):
    """Whatever comes, it is a model or an error of the SDK."""
    for kind, _ in WHOLE:
        error = outcome(kind, body)
        assert error is None or strangers_in(error) == []
