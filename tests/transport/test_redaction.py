"""What leaves in a message or a log has no secret in it, and nothing that steers a terminal."""

import logging
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nimbus_sdk.transport.redaction import MASK, RedactingFilter, guard_loggers, redact, sanitize

HEX = st.text("0123456789abcdefABCDEF", min_size=48, max_size=48)
WORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
keys = st.builds("nbci_{}_{}".format, st.sampled_from(["live", "test"]), HEX)
gh_tokens = st.one_of(
    st.builds("gh{}_{}".format, st.sampled_from("pousr"), st.text(WORD, min_size=36, max_size=36)),
    st.builds("github_pat_{}".format, st.text(WORD + "_", min_size=40, max_size=82)),
)
part = st.text(WORD + "-_", min_size=12, max_size=60)
jwts = st.builds("eyJ{}.eyJ{}.{}".format, part, part, part)
around = st.text(max_size=40)


@given(around, st.one_of(keys, gh_tokens, jwts), around)
def test_a_key_or_token_is_masked_wherever_it_occurs(before, secret, after):
    """Keys, GitHub tokens and JWTs are masked inside any text, also right after a letter."""
    assume(secret[12:] not in f"{before} {after}")
    assert secret[12:] not in redact(f"{before}{secret}{after}")


opaque = st.text(WORD + "-._~+/", min_size=12, max_size=60).map(lambda text: text + "==")


@given(around, st.sampled_from(["Bearer", "bearer", "BEARER", "Basic"]), opaque)
@example("BEARER ", "Bearer", "000000000000==")
def test_what_follows_bearer_is_gone(before, scheme, secret):
    """A bearer or basic credential of any shape is masked."""
    assert secret not in redact(f"{before}{scheme} {secret}")


@given(
    st.sampled_from(["X-API-Key", "x-api-key", "api-key", "api_key", "authorization", "github_token"]),
    st.sampled_from(
        ["{}: {}", "'{}': '{}'", "(b'{}', b'{}')", '("{}", "{}")', "{}={}", '"{}":"{}"', "{!r}: {!r}"]
    ),
    opaque.filter(lambda text: len(text) > 12),
)
def test_the_value_of_a_secret_header_or_field_is_gone(name, shape, secret):
    """The value under the name of a secret in a header, a JSON field or a query is masked."""
    assert secret not in redact(shape.format(name, secret))


names = st.sampled_from(["API_KEY", "x-api-key", "authorization", "github_token", "Bearer", "basic"])
assignments = st.builds("{}{}{}{}".format, st.text(WORD, max_size=4), names, st.sampled_from("=:,"), jwts)


@given(st.one_of(keys, gh_tokens, opaque.map(lambda text: text.replace("/", "_")), assignments))
@example("000API_KEY=000==")
def test_a_secret_in_a_url_is_gone_and_the_place_is_not(secret):
    """User information and query of a URL are masked; host and path stay, so that it can be debugged."""
    found = redact(f"GET https://user:{secret}@host.example/path/x?sig={secret}&b=1 failed")
    assert secret not in found
    assert "host.example/path/x" in found
    assert found.endswith(" failed")


@pytest.mark.parametrize("scheme", ["http", "HTTPS", "socks5h"])
@pytest.mark.parametrize("secret", ["api_key=0123456789", "authorization:0123456789", "x-api-key,0123456789"])
def test_a_secret_that_looks_like_a_field_takes_no_host_with_it(scheme, secret):
    """As the user, as the password, and in a fragment of text around the URL."""
    for user in (secret, f"user:{secret}", f"{secret}:word"):
        found = redact(f"proxy {scheme}://{user}@proxy.example:3128/ refused")
        assert found == f"proxy {scheme}://{MASK}@proxy.example:3128/ refused"


def test_a_secret_that_is_known_is_gone_though_it_looks_like_nothing():
    """A value that was named is masked wherever it occurs; an empty one masks nothing."""
    assert redact("the horse battery staple", ["battery", ""]) == f"the horse {MASK} staple"


def test_a_secret_is_known_in_capitals_too():
    """Hexadecimal digits mean the same in both, and host names are printed in lower case."""
    assert redact("a1B2c3 and A1b2C3", ["A1B2C3"]) == f"{MASK} and {MASK}"
    assert redact("a+b", ["A.B"]) == "a+b"


def test_ordinary_text_is_left_alone():
    """Nothing is masked in what people write about keys."""
    text = "A key is nbci_live_ or nbci_test_ and 48 digits; see https://docs.nimbusbci.com/authentication."
    assert redact(text) == text


odd = st.sampled_from(
    "\x00\x07\t\n\r\x1b\x7f\x85\x9b\xad\u061c\u200b\u200f\u2028\u202e\u2066\ufeff\ud83d\U000e0041"
)


@given(st.text(st.one_of(odd, st.characters()), max_size=600), st.integers(1, 400))
def test_what_a_server_wrote_becomes_one_harmless_line(text, limit):
    """No control, format, surrogate or line character is left, and the length is bounded."""
    line = sanitize(text, limit=limit)
    assert len(line) <= limit + len(MASK)
    assert not [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    line.encode("utf-8")


def test_colours_and_cursor_movements_are_gone():
    """An answer cannot rewrite the line above it or hide its own."""
    assert "\x1b" not in sanitize("\x1b[2K\x1b[1A\x1b[31mAll good\x1b[0m\x9b31m\r\nSecond\tline")
    assert sanitize("one\r\n  two\tthree") == "one two three"
    assert sanitize("abc\u202edcba\u2066\u200b") == "abcdcba"


@given(keys, st.integers(11, 50), st.sampled_from("\u200b\x00\x1b\u00ad\ufeff\u2060\u061c"))
def test_a_key_that_was_broken_up_by_invisible_characters_is_gone_too(key, where, invisible):
    """What is masked is what would be read, not what was sent."""
    broken = f"{key[:where]}{invisible}{key[where:]}"
    assert key not in sanitize(f"your key {broken} is bad")


def test_a_log_record_is_redacted_with_its_arguments():
    """The message, its arguments and a mapping of them are joined first, then redacted."""
    key = "nbci_live_" + "0123456789ab" * 4
    record = logging.LogRecord("x", logging.INFO, "f", 1, "%s with %r", ("GET", key), None)
    assert RedactingFilter().filter(record) is True
    assert key not in record.getMessage()
    assert record.getMessage().startswith("GET with 'nbci_live_")


@pytest.mark.parametrize("password", [b"pa55", b"a)b, c('d", b"\xff\n"])
def test_the_password_of_a_socks_proxy_is_not_logged(password):
    """httpcore logs it together with the user."""
    pair = (b"someone", password)
    found = redact(f"setup_socks5_connection.started host='api.example' port=443 auth={pair!r}")
    assert found == "setup_socks5_connection.started host='api.example' port=443 auth=…"


def test_loggers_are_guarded_once():
    """Every transport asks for it; the filters do not pile up."""
    guard_loggers()
    guard_loggers()
    for name in ("httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        filters = [one for one in logging.getLogger(name).filters if isinstance(one, RedactingFilter)]
        assert len(filters) == 1


@pytest.mark.parametrize("text", ["", "   ", "\n", "\x00"])
def test_nothing_stays_nothing(text):
    """An empty answer gives an empty line."""
    assert sanitize(text) == ""
