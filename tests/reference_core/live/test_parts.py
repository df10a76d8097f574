"""The parts of a live stream: clock, filter, windows."""

import numpy as np
import pytest
from nimbus_sdk_core.live.causal_filter import CausalFilter
from nimbus_sdk_core.live.sliding_windows import SlidingWindows
from nimbus_sdk_core.live.stream_clock import StreamClock
from scipy import signal


def gaps(stamps: np.ndarray, sizes: int, rate: float = 250.0) -> list[float]:
    """The gaps that a clock finds in chunks of this size."""
    clock = StreamClock(rate)
    found = []
    for start in range(0, len(stamps), sizes):
        part = stamps[start : start + sizes]
        found += [segment.gap for segment in clock.place(part, len(part)) if segment.gap is not None]
    return found


@pytest.mark.parametrize("sizes", [10, 64])
@pytest.mark.parametrize("kind", ["regular", "jitter", "bursts", "slow clock", "fast clock"])
def test_clocks_that_are_not_exact_show_no_gaps(kind: str, sizes: int) -> None:
    """Stamps that jitter, of chunks that arrive in one burst, or of a rate that is off by half a percent."""
    regular = np.arange(5000) / 250.0
    stamps = {
        "regular": regular,
        "jitter": regular + np.random.default_rng(1).exponential(0.005, 5000),
        "bursts": np.ceil((np.arange(5000) + 1) / 10) * 10 / 250.0,
        "slow clock": regular * 1.005,
        "fast clock": regular / 1.005,
    }[kind]
    assert gaps(1e6 + stamps, sizes) == []


@pytest.mark.parametrize("sizes", [10, 64, 5000])
@pytest.mark.parametrize("lost", [25, 250, 25000])
def test_missing_samples_are_found_among_stamps_that_jitter(sizes: int, lost: int) -> None:
    """Once, with about the time that is missing."""
    stamps = np.delete(np.arange(5000 + lost) / 250.0, slice(3000, 3000 + lost))
    found = gaps(stamps + np.random.default_rng(1).exponential(0.002, 5000), sizes)
    assert found == [pytest.approx(lost / 250.0, abs=0.03)]


def test_a_clock_that_goes_back_starts_anew() -> None:
    """How much is missing is then not known."""
    assert gaps(np.concatenate([100.0 + np.arange(500) / 250.0, np.arange(500) / 250.0]), 10) == [0.0]


@pytest.mark.parametrize(
    ("band", "kind", "limits"),
    [
        ((8.0, 30.0), "bandpass", [8.0, 30.0]),
        ((0.0, 30.0), "lowpass", 30.0),
        ((1.0, 125.0), "highpass", 1.0),
    ],
)
def test_the_filter_is_that_of_scipy_and_goes_on_from_chunk_to_chunk(
    band: tuple[float, float], kind: str, limits: object
) -> None:
    """After it has settled, from the steady state of the first sample."""
    samples = 1e3 + np.random.default_rng(1).normal(size=(2, 4000))
    sections = signal.butter(4, limits, kind, output="sos", fs=250.0)
    state = signal.sosfilt_zi(sections)[:, None, :] * samples[None, :, :1]
    expected = signal.sosfilt(sections, samples, axis=1, zi=state)[0]
    causal = CausalFilter(band, 250.0)
    for _ in range(2):
        found = np.concatenate([causal.apply(samples[:, k : k + 7]) for k in range(0, 4000, 7)], axis=1)
        assert 0 < causal.n_settling < 1500
        np.testing.assert_allclose(found, expected[:, causal.n_settling :], atol=1e-9)
        causal.restart()


def test_a_band_without_limits_filters_nothing() -> None:
    """Nor is anything dropped."""
    causal = CausalFilter((0.0, 125.0), 250.0)
    assert causal.n_settling == 0
    assert causal.apply(np.ones((1, 5))).shape == (1, 5)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_windows_start_every_step_without_drifting(size: int) -> None:
    """Steps of a fraction of samples do not add up; a pause counts from the end of the last window."""
    windows = SlidingWindows(50, 0.1, 256.0)
    starts: list[tuple[float, float]] = []
    for start in range(0, 1000, size):
        part = np.arange(start, min(start + size, 1000), dtype=float)[None]
        windows.add(part, (start + part.shape[1]) / 256.0)
        while (window := windows.take()) is not None:
            starts.append((window.samples[0, 0], window.time))
            np.testing.assert_array_equal(np.diff(window.samples), 1.0)
            if len(starts) == 5:
                windows.pause(0.5)
    expected = [round(k * 25.6) for k in range(5)]
    expected += [expected[-1] + 50 + 128 + round(k * 25.6) for k in range(len(starts) - 5)]
    assert [start for start, _ in starts] == expected
    np.testing.assert_allclose([time for _, time in starts], np.array(expected) / 256.0)
    assert expected[-1] + 26 + 50 > 1000


def test_a_pause_goes_on_after_a_gap() -> None:
    """Only what is left of it."""
    windows = SlidingWindows(10, 0.1, 100.0)
    windows.add(np.zeros((1, 10)), 0.1)
    assert windows.take() is not None
    windows.pause(0.3)
    windows.add(np.zeros((1, 10)), 0.2)
    windows.restart()
    windows.add(np.arange(40.0)[None], 5.0)
    window = windows.take()
    assert window is not None
    assert window.samples[0, 0] == 20.0
