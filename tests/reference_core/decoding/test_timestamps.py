"""Time stamps of chunks show gaps."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import (
    CoreDataError,
    NimbusLDA,
    finalize_trial,
    init_streaming,
    process_chunk,
    train_model,
)
from nimbus_sdk_core.decoding.streaming import StreamingSession

from tests.reference_core.support import simulated


@pytest.fixture
def session() -> StreamingSession:
    """A session of chunks at 128 samples a second."""
    trials = simulated("p300", n_trials=60, seed=1)
    return init_streaming(train_model(NimbusLDA, trials), trials.metadata)


CHUNK = simulated("p300", n_trials=1, seed=2).features[:, :4, 0]


@pytest.mark.parametrize("stamp_all", [True, False])
def test_missing_time_is_measured(session: StreamingSession, stamp_all: bool) -> None:
    """Between chunks, by the stamps of all samples or of the first ones; a trial may begin at any time."""
    for starts, missing in (((0, 4, 8), 0), ((100, 104, 118), 10), ((0, 9, 17), 9)):
        gaps = []
        for start in starts:
            stamps = 1000.0 + (start + np.arange(4)) / 128.0
            gaps.append(process_chunk(session, CHUNK, timestamps=stamps if stamp_all else stamps[0]).gap)
        result = finalize_trial(session)
        assert result.gap == pytest.approx(missing / 128.0, abs=1e-6)
        assert sum(gaps) == pytest.approx(result.gap)
        assert ("missing" in repr(result)) == (missing > 0)


def test_samples_that_are_missing_within_a_chunk_count(session: StreamingSession) -> None:
    """As do those between chunks."""
    stamps = np.array([0.0, 1.0, 5.0, 6.0]) / 128.0
    assert process_chunk(session, CHUNK, timestamps=stamps).gap == pytest.approx(3.0 / 128.0)


def test_samples_of_two_chunks_count_once(session: StreamingSession) -> None:
    """Time stamps say which they are; without, every chunk counts as new."""
    process_chunk(session, CHUNK, timestamps=10.0)
    once = session.posterior
    process_chunk(session, CHUNK, timestamps=10.0)
    np.testing.assert_array_equal(session.posterior, once)
    assert process_chunk(session, CHUNK, timestamps=10.0 + 2 / 128.0).timestamp == pytest.approx(
        10.0 + 5 / 128.0
    )
    session.reset()
    process_chunk(session, CHUNK)
    assert np.isnan(process_chunk(session, CHUNK).timestamp)


def test_chunks_above_the_limit_do_not_count(session: StreamingSession) -> None:
    """They are returned as rejected."""
    rejected = process_chunk(session, 1e3 * CHUNK, max_outlier_score=10.0)
    assert rejected.rejected
    assert not session.chunk_history
    assert not process_chunk(session, CHUNK, max_outlier_score=1e9).rejected
    with pytest.raises(CoreDataError, match="max_outlier_score is 0"):
        process_chunk(session, CHUNK, max_outlier_score=0)


def test_jitter_and_overlap_are_no_gaps(session: StreamingSession) -> None:
    """Clocks are never exact, and windows may overlap; without stamps nothing is measured."""
    random = np.random.default_rng(1)
    for start in (0, 4, 6, 8, 12):
        stamps = (start + np.arange(4) + random.uniform(-0.2, 0.2, 4)) / 128.0
        assert process_chunk(session, CHUNK, timestamps=stamps).gap == 0.0
    assert process_chunk(session, CHUNK).gap == 0.0


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        ([0.0, 0.1], "timestamps have shape (2,), and the chunk has 4 sample(s)"),
        ([0.0, 0.1, 0.1, 0.2], "do not rise"),
        ([0.0, 0.1, np.nan, 0.2], "not finite"),
        (["a", "b", "c", "d"], "not a number"),
        (["0.0", "0.1", "0.2", "0.3"], "not a number"),
        (np.datetime64("2026-01-01T00:00:00.5"), "not a number"),
        (np.array([np.datetime64("2026-01-01")], dtype=object), "not a number"),
        (np.array(["1.5"], dtype=object), "not a number"),
        (np.array([0, 4, 8, 12], "timedelta64[ms]"), "not a number"),
        (np.arange(4) * 1j, "not a number"),
    ],
)
def test_time_stamps_are_checked(session: StreamingSession, stamps: object, words: str) -> None:
    """One for each sample, rising, or one for the first; the session stays as it was."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        process_chunk(session, CHUNK, timestamps=stamps)  # type: ignore[arg-type]
    assert session.chunk_history == []
