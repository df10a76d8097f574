"""Jobs with a time limit: results and errors pass on, a job that hangs is abandoned, a notice is printed."""

import threading

import pytest

from nimbus_sdk.display.timeouts import TimeLimitError, run_with_timeout


def test_the_result_or_the_error_of_the_job_is_passed_on():
    """As if the job had run in the caller's own thread."""
    assert run_with_timeout(lambda: 5, 5) == 5
    with pytest.raises(ZeroDivisionError):
        run_with_timeout(lambda: 1 / 0, 5)
    with pytest.raises(KeyboardInterrupt):
        run_with_timeout(lambda: (_ for _ in ()).throw(KeyboardInterrupt), 5)


def test_a_job_that_exceeds_its_time_limit_is_abandoned(fresh):
    """The caller goes on, and the end of the interpreter does not wait for the job."""
    fresh(
        "import threading\n"
        "from nimbus_sdk.display.timeouts import TimeLimitError, run_with_timeout\n"
        "try:\n"
        "    run_with_timeout(threading.Event().wait, 0.05)\n"
        "except TimeLimitError:\n"
        "    pass\n"
        "else:\n"
        "    raise SystemExit('it was waited for')\n"
    )
    with pytest.raises(TimeLimitError):
        run_with_timeout(threading.Event().wait, 0.001)


def test_a_long_wait_is_announced_once(capsys):
    """A job that ends before prints nothing; afterwards the notice is printed and the wait goes on."""
    ended = threading.Event()
    assert run_with_timeout(lambda: 5, 60, notice="Waiting …", notice_after=30) == 5
    assert capsys.readouterr().err == ""
    with pytest.raises(TimeLimitError):
        run_with_timeout(ended.wait, 0.02, notice="Waiting …", notice_after=0.01)
    assert capsys.readouterr().err == "Waiting …\n"


def test_the_result_of_an_abandoned_job_is_handed_over():
    """What ends after the time limit does not get lost, and what ends before it is returned alone."""
    goes_on, discarded = threading.Event(), []
    handed_over = threading.Event()

    def discard(result):
        discarded.append(result)
        handed_over.set()

    with pytest.raises(TimeLimitError):
        run_with_timeout(lambda: goes_on.wait(10), 0.01, discard=discard)
    goes_on.set()
    assert handed_over.wait(10)
    assert discarded == [True]
    assert run_with_timeout(lambda: 5, 5, discard=discard) == 5
    assert discarded == [True]


def test_a_result_that_comes_with_the_time_limit_counts(monkeypatch):
    """It is returned and not discarded, which could take as long again in the caller's own thread."""

    class TooLate(threading.Event):
        def wait(self, timeout=None):
            super().wait()
            return False

    monkeypatch.setattr(threading, "Event", TooLate)
    discarded = []
    assert run_with_timeout(lambda: 5, 1.0, discard=discarded.append) == 5
    assert discarded == []
