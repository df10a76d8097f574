"""Limits on our own side: arithmetic that never asks for more than the service allows."""

from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.transport.rate_limit import MINUTE, Bucket, Limits

HOST = "https://api.nimbusbci.com:443"
gaps = st.lists(st.floats(0, 45, allow_nan=False), min_size=1, max_size=120)


def rate_headers(limit=None, remaining=None, reset=None):
    """The headers of an answer."""
    named = {"x-ratelimit-limit": limit, "x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset}
    return {name: str(value) for name, value in named.items() if value is not None}


@given(capacity=st.integers(1, 30), gaps=gaps)
def test_no_minute_holds_more_requests_than_the_limit(capacity, gaps):
    """Whenever requests are asked for, no 60 seconds see more of them go out than the limit says."""
    bucket, now, sent = Bucket(capacity), 0.0, []
    for gap in gaps:
        now += gap
        wait = bucket.reserve(now)
        assert wait >= 0
        sent.append(now + wait)
    for first in sent:
        assert sum(first <= other < first + MINUTE - 1e-6 for other in sent) <= capacity


@given(capacity=st.integers(1, 30), gaps=gaps)
def test_nobody_waits_who_keeps_to_the_limit(capacity, gaps):
    """A request waits only if as many as the limit went out in the minute before it, or others wait."""
    bucket, now, sent = Bucket(capacity), 0.0, []
    for gap in gaps:
        now += gap
        recent = sum(moment > now - MINUTE for moment in sent)
        queued = any(moment > now for moment in sent)
        wait = bucket.reserve(now)
        assert (wait > 0) == (recent >= capacity or queued)
        sent.append(now + wait)


numbers = st.one_of(st.none(), st.integers(-5, 5000).map(str), st.text(max_size=6), st.just("9" * 400))


@given(st.lists(st.tuples(st.floats(0, 90), numbers, numbers, numbers), max_size=40))
def test_whatever_the_server_says_a_wait_is_a_sensible_number(answers):
    """No header, however mad, makes a wait negative, endless or longer than the queue before it explains."""
    limits, now = Limits(), 0.0
    for count, (gap, limit, remaining, reset) in enumerate(answers, start=1):
        now += gap
        wait = limits.reserve(HOST, "validate", 100, now)
        assert 0 <= wait <= 2 * MINUTE * count
        limits.observe(HOST, "validate", rate_headers(limit, remaining, reset), now, now)


def test_the_documented_limit_holds_until_the_server_says_another():
    """Ten a minute until an answer says two."""
    limits = Limits()
    assert [limits.reserve(HOST, "refresh", 10, 0.0) for _ in range(10)] == [0.0] * 10
    assert limits.reserve(HOST, "refresh", 10, 0.0) == 60.0
    limits = Limits()
    assert limits.reserve(HOST, "refresh", 10, 0.0) == 0.0
    limits.observe(HOST, "refresh", rate_headers(limit=2), 0.0, 0.0)
    assert limits.reserve(HOST, "refresh", 10, 0.0) == 0.0
    assert limits.reserve(HOST, "refresh", 10, 0.0) == 60.0


def test_when_nothing_remains_the_next_request_waits_for_the_servers_reset():
    """Other processes may have used up the limit: the server's word counts for this one too."""
    limits = Limits()
    limits.observe(HOST, "validate", rate_headers(limit=100, remaining=0, reset=5017), 5000.0, 80.0)
    assert limits.reserve(HOST, "validate", 100, 80.0) == 17.0
    assert limits.reserve(HOST, "validate", 100, 97.5) == 0.0


def test_only_as_many_requests_go_out_before_the_reset_as_the_server_has_left():
    """Two remain: two go at once, the third waits."""
    limits = Limits()
    limits.observe(HOST, "validate", rate_headers(limit=100, remaining=2, reset=5030), 5000.0, 0.0)
    assert [limits.reserve(HOST, "validate", 100, 0.0) for _ in range(3)] == [0.0, 0.0, 30.0]


def test_a_later_answer_with_more_left_lifts_the_wait():
    """The newest answer counts: a window that was reset early is used."""
    limits = Limits()
    limits.observe(HOST, "validate", rate_headers(limit=100, remaining=0, reset=5060), 5000.0, 0.0)
    limits.observe(HOST, "validate", rate_headers(limit=100, remaining=50, reset=5060), 5001.0, 1.0)
    assert limits.reserve(HOST, "validate", 100, 1.0) == 0.0


def test_a_reset_far_away_blocks_for_a_minute_at_most():
    """A server whose clock or unit is wrong cannot lock a client out for hours."""
    limits = Limits()
    limits.observe(HOST, "validate", rate_headers(limit=100, remaining=0, reset=10**12), 5000.0, 0.0)
    assert limits.reserve(HOST, "validate", 100, 0.0) == MINUTE


def test_without_a_reset_nothing_is_known_to_wait_for():
    """Nothing remains, but there is no reset time: the count of the client decides."""
    limits = Limits()
    limits.observe(HOST, "validate", rate_headers(limit=100, remaining=0), 5000.0, 0.0)
    assert limits.reserve(HOST, "validate", 100, 0.0) == 0.0


def test_an_endpoint_without_a_documented_limit_is_free_until_a_header_has_one():
    """Health has no documented limit; one in a header is adopted."""
    limits = Limits()
    assert [limits.reserve(HOST, "health", None, 0.0) for _ in range(200)] == [0.0] * 200
    limits.observe(HOST, "health", rate_headers(remaining=0), 0.0, 0.0)
    assert limits.reserve(HOST, "health", None, 0.0) == 0.0
    limits.observe(HOST, "health", rate_headers(limit=1, remaining=0, reset=20), 0.0, 0.0)
    assert limits.reserve(HOST, "health", None, 0.0) == 20.0


def test_a_request_that_was_not_sent_gives_its_place_back():
    """Who gives up while waiting does not make the next one wait longer."""
    limits = Limits()
    assert limits.reserve(HOST, "refresh", 1, 0.0) == 0.0
    assert limits.reserve(HOST, "refresh", 1, 0.0) == 60.0
    limits.release(HOST, "refresh")
    assert limits.reserve(HOST, "refresh", 1, 0.0) == 60.0
    limits.release(HOST, "unheard of")


def test_hosts_and_endpoints_are_counted_apart():
    """The limit of one endpoint or host does not slow another."""
    limits = Limits()
    assert limits.reserve(HOST, "refresh", 1, 0.0) == 0.0
    assert limits.reserve(HOST, "revoke", 1, 0.0) == 0.0
    assert limits.reserve("https://elsewhere:443", "refresh", 1, 0.0) == 0.0
    assert limits.reserve(HOST, "refresh", 1, 0.0) == 60.0


def test_many_threads_share_one_count():
    """Twenty threads that ask for two requests each get what one thread would get."""
    import threading

    limits, waits = Limits(), []

    def ask():
        waits.extend(limits.reserve(HOST, "validate", 30, 0.0) for _ in range(2))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [0.0] * 30 + [60.0] * 10
