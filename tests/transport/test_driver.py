"""The two loops that run a flow: the same promises, blocking and awaitable."""

import asyncio
import os
import threading
import time as real_time
from contextlib import closing

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import (
    ConfigurationError,
    KeyNotFoundError,
    NimbusConnectionError,
    NimbusTimeoutError,
    RateLimitError,
    ServerError,
)
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport import threads
from nimbus_sdk.transport.driver import AsyncDriver, Driver, run, run_async
from nimbus_sdk.transport.flow import run_blocking, send, sleep
from nimbus_sdk.transport.rate_limit import Limits
from nimbus_sdk.transport.retry import seconds_for_outage
from tests.support.examples import examples
from tests.transport.conftest import Stage, Time, said


def asking(step):
    """A flow of one request."""
    return (yield from send(step))


def test_a_flow_gets_the_answer_and_its_value_comes_back(stage, a_call):
    """What a flow returns is what run gives."""

    def flow():
        answer = yield from send(a_call())
        return answer.status, (yield from run_blocking(lambda: "local"))

    assert stage.run(flow(), stage.script(said(200))) == (200, "local")


def test_a_failing_service_is_tried_four_times_with_jittered_waits(stage, a_call):
    """After four answers of 500 the last one is raised, and it knows how many there were."""
    script = stage.script(said(500))
    with pytest.raises(ServerError) as caught:
        stage.run(asking(a_call()), script)
    assert (len(script.calls), caught.value.attempts, caught.value.answer_lost) == (4, 4, False)
    assert len(stage.time.slept) <= 3
    for wait, bound in zip(stage.time.slept, (0.5, 1.0, 2.0), strict=False):
        assert 0 <= wait <= bound


def test_a_passing_fault_is_not_seen(stage, a_call):
    """A lost answer, a 503 and a 429 later the fourth try gives the answer."""
    script = stage.script(
        NimbusTimeoutError("x"), said(503), said(429, headers={"retry-after": "2"}), said(200)
    )
    assert stage.run(asking(a_call()), script).status == 200
    assert len(script.calls) == 4
    assert 2.0 in stage.time.slept


def test_the_tries_of_one_request_have_one_request_id(stage, a_call):
    """Support finds all attempts by one id; another request has another; that of the caller stays."""

    def flow():
        yield from send(a_call())
        yield from send(a_call())
        yield from send(a_call(headers={"X-Request-ID": "mine"}))

    script = stage.script(said(500), said(200))
    stage.run(flow(), script)
    ids = [sent.headers["X-Request-ID"] for sent in script.calls]
    assert ids[0] == ids[1] != ids[2]
    assert ids[3] == "mine"


def test_retry_after_is_waited_for_to_the_second(stage, a_call):
    """The wait that the service asked for is the wait."""
    script = stage.script(said(429, headers={"retry-after": "7"}), said(200))
    stage.run(asking(a_call()), script)
    assert stage.time.slept == [7.0]


@pytest.mark.parametrize("asked", ["30", "3600", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_beyond_what_is_left_is_an_error_at_once(stage, a_call, asked):
    """No sleep that exceeds the deadline; the error has the wait."""
    script = stage.script(said(429, headers={"retry-after": asked}))
    with pytest.raises(RateLimitError) as caught:
        stage.run(asking(a_call()), script)
    assert len(script.calls) == 1
    assert not stage.time.slept
    assert caught.value.retry_after >= 30


def test_what_may_have_been_done_is_not_done_again(stage, a_call):
    """An event whose answer was lost is not sent twice; one that was turned away at the door is."""
    for lost in (NimbusTimeoutError("x"), said(500)):
        script = stage.script(lost, said(202))
        with pytest.raises((NimbusTimeoutError, ServerError)):
            stage.run(asking(a_call(repeatable=False)), script)
        assert len(script.calls) == 1
    script = stage.script(said(429, headers={"retry-after": "1"}), said(202))
    assert stage.run(asking(a_call(repeatable=False)), script).status == 202


def test_a_fault_that_stays_is_not_tried_again(stage, a_call):
    """A wrong certificate or an unknown host costs one try."""
    script = stage.script(NimbusConnectionError("x", passing=False), said(200))
    with pytest.raises(NimbusConnectionError):
        stage.run(asking(a_call()), script)
    assert len(script.calls) == 1


costs = st.floats(0, 20, allow_nan=False)
plays = st.lists(
    st.one_of(
        st.just(said(500)),
        st.builds(NimbusTimeoutError, st.just("x")),
        st.integers(0, 40).map(lambda wait: said(429, headers={"retry-after": str(wait)})),
        st.just(said(200)),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("kind", ["sync", "async"])
@examples(40)
@given(plays=plays, cost=costs, timeout=st.floats(0.5, 40))
def test_the_timeout_bounds_the_whole_conversation(clock, a_call, kind, plays, cost, timeout):
    """However slow, however often, whatever waits are asked for: it ends within the timeout."""
    started = clock.now
    stage = Stage(kind, clock)

    def flow():
        for _ in range(3):
            yield from send(a_call())

    script = stage.script(*plays, cost=cost)
    try:
        stage.run(flow(), script, timeout=timeout)
    except (ServerError, NimbusTimeoutError, RateLimitError):
        assert len(script.calls) >= 1
    assert clock.now - started <= timeout + 1e-6
    assert len(script.calls) <= 12


def test_a_call_with_patience_has_less_time_and_the_flow_keeps_the_rest(stage, a_call):
    """A refresh that the cache can replace gives up early, and what follows has the remaining time."""

    def flow():
        with pytest.raises(ServerError):
            yield from send(a_call(name="hurried", timeout=1.4))
        with pytest.raises(ServerError):
            yield from send(a_call(name="patient"))

    script = stage.script(said(500), cost=1.0)
    stage.run(flow(), script, timeout=30)
    left = [(sent.name, seconds) for sent, seconds in zip(script.calls, script.left, strict=True)]
    assert max(seconds for name, seconds in left if name == "hurried") <= 1.4
    assert max(seconds for name, seconds in left if name == "patient") > 28


@pytest.mark.parametrize("sink", [False, True])
@pytest.mark.parametrize(("refusals", "status"), [(1, 200), (2, 200), (3, 404)])
def test_a_response_that_may_change_within_seconds_is_requested_again(stage, a_call, sink, refusals, status):
    """Twice, after one and two seconds; then the response counts."""
    statuses = frozenset({401, 404})
    request = a_call(accept=statuses, settling=statuses, sink=CountingSink() if sink else None)
    script = stage.script(*[said(404)] * refusals, said(200))
    assert stage.run(asking(request), script, timeout=30).status == status
    assert stage.time.slept == [1.0, 2.0][:refusals]


def test_a_response_that_settles_no_more_in_time_counts(stage, a_call):
    """No wait exceeds the timeout."""
    statuses = frozenset({404})
    script = stage.script(said(404))
    assert stage.run(asking(a_call(accept=statuses, settling=statuses)), script, timeout=2).status == 404
    assert stage.time.slept == [1.0]


def test_other_failures_of_such_a_request_are_tried_again_as_usual(stage, a_call):
    """Four attempts in all, whatever went wrong."""
    statuses = frozenset({404})
    script = stage.script(said(404), said(500))
    with pytest.raises(ServerError):
        stage.run(asking(a_call(accept=statuses, settling=statuses)), script, timeout=30)
    assert len(script.calls) == 4


class CountingSink:
    """A sink of a file of which a part arrives with each request."""

    def __init__(self):
        self.progress = 0
        self.pauses = []

    def pause(self, seconds):
        """Note it."""
        self.pauses.append(seconds)


def arriving(error):
    """Return a play in which bytes arrive before the connection fails, as a real transport notes it."""

    def play(request, deadline):
        request.sink.progress += 1
        deadline.extend_to(seconds_for_outage(request.silence))
        raise error

    return play


def download(a_call, sink):
    """Return a flow of one download."""
    return asking(a_call(method="GET", sink=sink, silence=30.0))


LOST = NimbusConnectionError("lost")
NAMELESS = NimbusConnectionError("no name server", passing=False, sent=False)


def test_a_download_begins_its_tries_anew_whenever_bytes_have_arrived(stage, a_call):
    """Forty connections that bring a part each bring the whole, with a second or so between them."""
    sink = CountingSink()
    script = stage.script(*[arriving(LOST)] * 40, said(200))
    assert stage.run(download(a_call, sink), script, timeout=30).status == 200
    assert all(1.0 <= seconds <= 1.25 for seconds in stage.time.slept)
    assert stage.time.slept == sink.pauses


def test_a_download_of_which_no_byte_arrives_has_four_tries_and_longer_waits(stage, a_call):
    """A storage host that cannot be reached is reported after about seven seconds of waiting."""
    script = stage.script(LOST)
    with pytest.raises(NimbusConnectionError):
        stage.run(download(a_call, CountingSink()), script, timeout=30)
    assert len(script.calls) == 4
    for seconds, least in zip(stage.time.slept, (1.0, 2.0, 4.0), strict=True):
        assert least <= seconds <= least * 1.25


@pytest.mark.parametrize("fault", [LOST, NAMELESS, NimbusTimeoutError("x", sent=False), said(503), said(429)])
def test_a_download_outlasts_an_outage(stage, a_call, fault):
    """Once bytes have arrived, it goes on after a minute without a network, name server or healthy front."""
    failures = 0

    def play(request, deadline):
        nonlocal failures
        failures += 1
        if stage.time.now < began + 60:
            if isinstance(fault, Exception):
                raise fault
            return fault
        return said(200)

    script = stage.script(arriving(LOST), play)
    began = stage.time.now
    assert stage.run(download(a_call, CountingSink()), script, timeout=30).status == 200
    assert failures > 4
    assert max(stage.time.slept) <= 10.0


def test_a_download_without_progress_ends(stage, a_call):
    """What failed last is the error, 150 seconds after the last byte if the timeout is 30."""
    script = stage.script(arriving(LOST), NAMELESS)
    began = stage.time.now
    with pytest.raises(NimbusConnectionError, match="no name server"):
        stage.run(download(a_call, CountingSink()), script, timeout=30)
    assert 140 <= stage.time.now - began <= 150


def test_bytes_that_had_arrived_before_are_no_progress(stage, a_call):
    """A server that starts over with each connection, and never gets further, is given up in the end."""
    sink = CountingSink()

    def same_part(request, deadline):
        if not sink.progress:
            arriving(LOST)(request, deadline)
        raise LOST

    script = stage.script(same_part)
    with pytest.raises(NimbusConnectionError):
        stage.run(download(a_call, sink), script, timeout=30)
    assert len(script.calls) < 25


def test_a_download_waits_at_least_as_long_as_it_is_asked_to(stage, a_call):
    """``Retry-After`` lengthens a wait, and does not shorten it."""
    script = stage.script(
        said(503, headers={"retry-after": "0"}), said(503, headers={"retry-after": "20"}), said(200)
    )
    stage.run(download(a_call, CountingSink()), script, timeout=30)
    assert stage.time.slept[0] >= 1.0
    assert stage.time.slept[1] == 20.0


def test_waiting_for_another_process_takes_nothing_from_the_network(stage, a_call):
    """A pause, and local work, leave the time for the services as it was."""

    def flow():
        yield from sleep(500.0)
        yield from run_blocking(lambda: stage.time.sleep(500.0))
        yield from send(a_call())

    script = stage.script(said(200))
    stage.run(flow(), script, timeout=30)
    assert script.left == [30.0]
    assert stage.time.slept == [500.0, 500.0]


def test_an_error_is_thrown_into_the_flow_which_may_go_on(stage, a_call):
    """A flow handles an error where it asked, and can ask something else."""

    def flow():
        try:
            yield from send(a_call(name="first"))
        except KeyNotFoundError as error:
            return error.status, (yield from send(a_call(name="second"))).status

    script = stage.script(said(404, b'{"error": "no", "code": "KEY_NOT_FOUND"}'), said(200))
    assert stage.run(flow(), script) == (404, 200)
    assert [sent.name for sent in script.calls] == ["first", "second"]


def test_an_error_of_local_work_is_thrown_into_the_flow_too(stage):
    """A disk's error reaches the line that asked for the work."""

    def flow():
        with pytest.raises(OSError, match="full"):
            yield from run_blocking(lambda: (_ for _ in ()).throw(OSError("full")))
        return "went on"

    assert stage.run(flow(), stage.script(said())) == "went on"


def test_what_a_flow_does_not_handle_comes_out_and_its_finally_runs(stage, a_call):
    """The error of the flow is raised, and the flow releases its resources."""
    given_back = []

    def flow():
        try:
            yield from send(a_call())
        finally:
            given_back.append(True)

    with pytest.raises(ConfigurationError, match="mine"):
        stage.run(flow(), stage.script(ConfigurationError("mine")))
    assert given_back == [True]


def test_an_interrupt_gives_the_lock_back(stage, tmp_path):
    """Ctrl-C in the middle of local work runs the flow's finally blocks; nobody finds the lock taken."""
    lock = Lock(str(tmp_path / "lock"))

    def flow():
        try:
            assert (yield from run_blocking(lock.try_acquire))
            yield from run_blocking(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        finally:
            lock.release()

    with pytest.raises(KeyboardInterrupt):
        stage.run(flow(), stage.script(said()))
    with Lock(lock.path) as other:
        assert other.try_acquire()


def test_a_cancelled_task_gives_the_lock_back(clock, a_call, tmp_path):
    """Cancelling in the middle of a request closes the flow, which releases its resources."""
    lock = Lock(str(tmp_path / "lock"))
    waiting = asyncio.Event()

    class Hanging:
        async def send(self, call, deadline):
            waiting.set()
            await asyncio.sleep(60)

        async def aclose(self):
            pass

    def flow():
        try:
            yield from run_blocking(lock.try_acquire)
            yield from send(a_call())
        finally:
            lock.release()

    async def main():
        driver = AsyncDriver(Settings(), transport=Hanging(), limits=Limits())
        task = asyncio.create_task(driver.run(flow()))
        await waiting.wait()
        assert not Lock(lock.path).try_acquire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    with Lock(lock.path) as other:
        assert other.try_acquire()


@pytest.mark.parametrize("times", [1, 3])
def test_a_cancelled_task_lets_the_local_work_finish_first(times):
    """A file that is being written is whole before the flow is closed, however often one cancels."""
    steps, begun = [], threading.Event()

    def slow():
        begun.set()
        real_time.sleep(0.1)
        steps.append("written")

    def flow():
        try:
            yield from run_blocking(slow)
        finally:
            steps.append("closed")

    async def main():
        task = asyncio.create_task(AsyncDriver(Settings()).run(flow()))
        await asyncio.to_thread(begun.wait)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert steps == ["written", "closed"]


def test_a_cancelled_scope_lets_the_local_work_finish_first():
    """The same under anyio's own cancellation."""
    steps = []

    def flow():
        try:
            yield from run_blocking(lambda: (real_time.sleep(0.1), steps.append("written")))
            yield from run_blocking(lambda: steps.append("begun"))
        finally:
            steps.append("closed")

    async def main():
        with anyio.move_on_after(0.02) as scope:
            await AsyncDriver(Settings()).run(flow())
        assert scope.cancelled_caught

    asyncio.run(main())
    assert steps == ["written", "closed"]


def test_local_work_that_had_not_begun_is_not_begun_after_a_cancellation(monkeypatch):
    """While all threads are busy a cancelled task ends at once, and its work never runs."""
    steps, free = [], threading.Event()
    monkeypatch.setattr(threads, "MOST_THREADS", 1)

    async def main():
        busy = asyncio.create_task(run_async(Settings(), run_blocking(free.wait)))
        await asyncio.sleep(0.02)
        task = asyncio.create_task(run_async(Settings(), run_blocking(lambda: steps.append("begun"))))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        free.set()
        await busy

    asyncio.run(main())
    assert steps == []


def test_local_work_does_not_hold_up_the_loop():
    """While one flow works on the disk, others go on."""
    beats = []

    async def beating():
        while True:
            beats.append(1)
            await asyncio.sleep(0.005)

    async def main():
        heart = asyncio.create_task(beating())
        await run_async(Settings(), run_blocking(lambda: real_time.sleep(0.1)))
        heart.cancel()

    asyncio.run(main())
    assert len(beats) >= 5


@pytest.mark.parametrize("said_by", ["settings", "environment"])
def test_offline_mode_sends_nothing(stage, a_call, monkeypatch, said_by):
    """With offline mode on, no request leaves, whatever is asked; local work goes on."""
    if said_by == "environment":
        monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")

    def flow():
        assert (yield from run_blocking(lambda: 1)) == 1
        yield from send(a_call())

    script = stage.script(said(200))
    with pytest.raises(NimbusConnectionError, match="Offline mode") as caught:
        stage.run(flow(), script, offline=said_by == "settings")
    assert not script.calls
    assert caught.value.passing is False
    assert "offline" in caught.value.hint.lower()


@pytest.mark.parametrize("text", ["", "0", "false", "no", "off", "False", " 0 "])
def test_an_offline_variable_that_says_no_is_no(stage, a_call, monkeypatch, text):
    """What the settings read as no is not taken for yes when a request goes out."""
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", text)
    assert Settings.load().offline is False
    assert stage.run(asking(a_call()), stage.script(said(200))).status == 200


def test_a_client_keeps_to_the_limit_before_the_server_has_to_say_so(stage, a_call):
    """Of three requests at two a minute, the third waits until a minute is over."""

    def flow():
        for _ in range(3):
            yield from send(a_call(per_minute=2))

    script = stage.script(said(200))
    stage.run(flow(), script, timeout=70)
    assert stage.time.slept == [60.0]


def test_a_limit_that_is_used_up_for_longer_than_there_is_time_is_an_error_at_once(stage, a_call):
    """The request is not sent, the error has the wait, and the next request does not wait longer."""
    limits = Limits()

    def flow():
        yield from send(a_call(per_minute=1))
        for _ in range(3):
            with pytest.raises(RateLimitError) as caught:
                yield from send(a_call(per_minute=1))
            assert caught.value.status is None
            assert caught.value.retry_after == 60.0
            assert "validate" in caught.value.message

    script = stage.script(said(200))
    stage.run(flow(), script, limits=limits, timeout=30)
    assert len(script.calls) == 1
    assert not stage.time.slept


@pytest.mark.parametrize("first", [NimbusTimeoutError("no way there"), said(503)])
def test_a_used_up_limit_does_not_hide_why_the_request_failed(stage, a_call, first):
    """The limit allows no second attempt in time: the error is that of the first one."""
    script = stage.script(first, said(200))
    with pytest.raises((NimbusTimeoutError, ServerError)):
        stage.run(asking(a_call(per_minute=1)), script)
    assert len(script.calls) == 1


def test_the_servers_headers_slow_the_next_request(stage, a_call):
    """Nothing remains for 12 s by the server's clock: the next request goes out then."""
    server_now = stage.time.time() + 500
    headers = {
        "x-ratelimit-limit": "100",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(server_now + 12)),
    }

    def flow():
        yield from send(a_call(per_minute=100))
        yield from send(a_call(per_minute=100))

    stage.run(flow(), stage.script(said(200, headers=headers, clock_offset=500.0)))
    assert stage.time.slept == [12.0]


def test_drivers_close_the_transport_they_were_given():
    """A block ends with its connections given back; one that never asked has none."""
    script = Stage("sync", Time()).script(said())
    with closing(Driver(Settings(), transport=script)):
        assert not script.closed
    assert script.closed == 1
    Driver(Settings()).close()

    async def main():
        from tests.transport.conftest import AsyncScript

        await AsyncDriver(Settings(), transport=AsyncScript(script)).aclose()
        await AsyncDriver(Settings()).aclose()

    asyncio.run(main())
    assert script.closed == 2


def test_a_flow_without_requests_loads_no_network_library(fresh):
    """Flows without requests import neither httpcore nor tenacity."""
    fresh(
        "import sys\n"
        "from nimbus_sdk.config.settings import Settings\n"
        "from nimbus_sdk.transport.driver import run\n"
        "from nimbus_sdk.transport.flow import run_blocking\n"
        "assert run(Settings(), run_blocking(lambda: 5)) == 5\n"
        "assert not {'httpcore', 'tenacity', 'anyio', 'pydantic'} & set(sys.modules)\n"
    )


def test_one_flow_can_be_run_with_a_driver_of_its_own():
    """run and run_async run a single flow."""
    assert run(Settings(), run_blocking(os.getpid)) == os.getpid()
    assert asyncio.run(run_async(Settings(), run_blocking(lambda: 3))) == 3


def test_the_awaitable_driver_sleeps_without_blocking_the_loop():
    """Other tasks run, and a flow that sleeps can be cancelled."""

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(run_async, Settings(), sleep(3600))
            await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        return "went on"

    assert asyncio.run(main()) == "went on"
