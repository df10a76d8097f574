"""The API key: what is one, what people see of it, and that it gets out in one way only."""

import pickle
import sys
from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nimbus_sdk.config.keys import ApiKey, parse_key, raise_if_invalid
from nimbus_sdk.errors import ApiError, InvalidKeyFormatError, NimbusError

HEX = "a1b2c3d4e5f6" * 4
LIVE, TEST = "nbci_live_" + HEX, "nbci_test_" + HEX
WHOLE = st.from_regex(r"nbci_(live|test)_[0-9a-fA-F]{48}", fullmatch=True)
WHITE = "".join(filter(str.isspace, map(chr, range(sys.maxunicode + 1))))
AROUND = st.text(f"{WHITE}\ufeff\u200b\"'`", max_size=6)


@pytest.mark.parametrize(("text", "environment"), [(LIVE, "live"), (TEST, "test")])
def test_a_key_is_a_prefix_and_48_hexadecimal_digits(text, environment):
    """Both kinds are accepted, and have their environment."""
    key = ApiKey.parse(text)
    assert (key.reveal(), key.environment) == (text, environment)


def test_upper_case_digits_are_not_changed():
    """The service decides what they mean; nothing is rewritten."""
    assert ApiKey.parse("nbci_live_" + HEX.upper()).reveal() == "nbci_live_" + HEX.upper()


@given(text=WHOLE, before=AROUND, after=AROUND)
def test_what_was_pasted_around_a_key_is_dropped(text, before, after):
    """White space, line ends, quotes and byte order marks around it do no harm."""
    assert ApiKey.parse(before + text + after).reveal() == text


@pytest.mark.parametrize("white", WHITE, ids=lambda sign: f"U+{ord(sign):04X}")
def test_every_white_space_of_unicode_around_a_key_is_dropped(white):
    """Word processors, web pages and mails paste wide, narrow and line-ending ones; between quotes too."""
    assert ApiKey.parse(f"{white}'{white}{LIVE}{white}'{white}").reveal() == LIVE
    with pytest.raises(InvalidKeyFormatError):
        ApiKey.parse(f"{LIVE[:30]}{white}{LIVE[30:]}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ('""', "it is empty"),
        ("nbci_live_a1b2c3d4e5f678901234567890abcdef12345678901234567890", "52 characters, not 48"),
        (LIVE + "0", "49 characters, not 48"),
        (LIVE[:-1], "47 characters, not 48"),
        ("nbci_live_", "0 characters, not 48"),
        (LIVE[:-1] + "g", "not hexadecimal"),
        (LIVE[:-2] + "\n0", "not hexadecimal"),
        (LIVE[:-1] + "\u0661", "not hexadecimal"),
        (LIVE[:-1] + "\uff11", "not hexadecimal"),
        ("NBCI_LIVE_" + HEX, "neither nbci_live_ nor nbci_test_"),
        ("nbci_prod_" + HEX, "neither nbci_live_ nor nbci_test_ (58 characters)"),
        ("Bearer " + LIVE, "it starts with 'Bearer '"),
        ("nbci_live_your_key_here", "13 characters, not 48"),
        (LIVE + "\0", "49 characters"),
    ],
)
def test_anything_else_is_refused_before_it_goes_anywhere(text, fault):
    """The message names the fault by lengths and prefixes."""
    with pytest.raises(InvalidKeyFormatError, match=fault.replace("(", r"\(").replace(")", r"\)")) as caught:
        ApiKey.parse(text)
    assert isinstance(caught.value, (ValueError, ApiError))
    assert caught.value.code == "INVALID_FORMAT"
    assert caught.value.status is None
    assert "48 hexadecimal characters" in caught.value.hint


@given(digits=st.text("0123456789abcdef", max_size=80).filter(lambda digits: len(digits) != 48))
def test_every_other_length_is_refused(digits):
    """52 digits, as in the documentation's example, are no key either."""
    with pytest.raises(InvalidKeyFormatError, match=f"followed by {len(digits)} characters"):
        ApiKey.parse("nbci_test_" + digits)


@given(text=st.text(min_size=8, max_size=90))
def test_a_refusal_never_repeats_the_text(text):
    """The text may be another secret."""
    outcome = parse_key(text)
    if isinstance(outcome, ApiKey):
        assert outcome.reveal() in text
    else:
        # What the message says of any text as long, such as "Nimbus A", is no repetition of this one.
        assume(text not in str(parse_key("\0" * len(text))))
        assert text not in str(outcome)
        assert outcome.__traceback__ is None


@given(text=WHOLE)
def test_people_see_prefix_four_and_four(text):
    """repr, str, format and the mask show 18 of 58 characters; the fingerprint is 12 digits of SHA-256."""
    key = ApiKey.parse(text)
    assert key.masked == f"{text[:14]}…{text[-4:]}"
    assert f"{key!r}" == f"{key}" == f"ApiKey('{key.masked}')"
    assert key.fingerprint == sha256(text.encode()).hexdigest()[:12]
    assert text not in f"{key!r} {key} {[key]} {key.fingerprint}"


def test_keys_compare_by_their_text():
    """The same key is the same, in sets too; no other thing is a key."""
    one, same, other = ApiKey.parse(LIVE), ApiKey.parse(f" {LIVE} "), ApiKey.parse(TEST)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != LIVE
    assert len({one, same, other}) == 2


def test_a_key_is_not_pickled():
    """A pickle would write the whole key to disks and other processes."""
    with pytest.raises(TypeError, match="is not pickled") as caught:
        pickle.dumps(ApiKey.parse(LIVE))
    assert LIVE not in str(caught.value)


def test_what_was_received_is_a_key_a_fault_or_nothing():
    """The error is returned, and raised after the text is deleted."""
    assert parse_key(None) is None
    assert raise_if_invalid(parse_key(None)) is None
    assert raise_if_invalid(parse_key(LIVE)) == ApiKey.parse(LIVE)
    fault = parse_key("nothing like it")
    assert isinstance(fault, NimbusError)
    with pytest.raises(InvalidKeyFormatError):
        raise_if_invalid(fault)
