"""Streams of the Lab Streaming Layer, by their names and as they are."""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nimbus_sdk_core import (
    CoreDataError,
    MissingLibraryError,
    ModelMismatchError,
    StreamError,
    decode_stream,
    save_model,
)

from tests.reference_core.live.recording import CHANNELS, RATE, make_pipeline, read_recording
from tests.support import fake_lsl
from tests.support.fake_lsl import Amplifier
from tests.support.lsl import LoopbackLsl

OPTIONS = {"window": 1.0, "step": 0.5, "min_chunks": 9, "timeout": 0.02}


@pytest.fixture(autouse=True)
def _recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of the real recording."""
    monkeypatch.setattr(Amplifier, "samples", read_recording(3, 3)[0][:, :1000])
    monkeypatch.setattr(Amplifier, "channels", CHANNELS)
    monkeypatch.setattr(Amplifier, "rate", RATE)
    monkeypatch.setattr(Amplifier, "opened", [])


@pytest.fixture
def amplifier() -> Amplifier:
    """A stream that is connected."""
    return Amplifier()


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """A library like mne-lsl, with two streams."""
    return fake_lsl.install(monkeypatch, "amplifier", "other")


def fail_to_tell(amplifier: Amplifier) -> bool:
    """As the real one says whether it is connected while it is being disconnected."""
    raise AssertionError


def decode_all(stream: object, **options: object) -> list:
    """The results until the stream falls silent."""
    results: list = []
    with pytest.raises(StreamError, match="The stream 'amplifier' has sent no samples"):
        collect(decode_stream(make_pipeline(), stream, **{**OPTIONS, **options}), results)
    return results


def collect(found: Iterable[object], results: list) -> None:
    """Add what is found, also if an error ends it."""
    for result in found:
        results.append(result)


@pytest.mark.parametrize("is_automatic", [False, True])
def test_a_connected_stream_is_read_and_stays_connected(amplifier: Amplifier, is_automatic: bool) -> None:
    """Whether a thread reads it or nobody; afterwards its chunks are no longer collected."""
    amplifier.is_automatic = is_automatic
    assert len(decode_all(amplifier)) == 4
    assert amplifier.connected
    samples, stamps = np.zeros((100, 4)), np.arange(100) / RATE
    assert amplifier.callbacks[0](samples, stamps, amplifier.info)[0] is samples


def test_a_stream_is_found_by_its_name_and_closed_at_the_end(library: list[SimpleNamespace]) -> None:
    """Also if the loop is left."""
    results = decode_stream(make_pipeline(), "amplifier", **OPTIONS)
    assert not Amplifier.opened
    next(results)
    assert Amplifier.opened[0].connected
    results.close()
    assert not Amplifier.opened[0].connected


def test_a_stream_that_ends_by_itself_is_not_closed_twice(library: list[SimpleNamespace]) -> None:
    """The error is that of the stream."""
    results = decode_stream(make_pipeline(), "amplifier", **OPTIONS)
    next(results)
    Amplifier.opened[0].disconnect()
    with pytest.raises(StreamError, match="was closed"):
        collect(results, [])


def test_streams_that_cannot_be_opened_are_explained(
    library: list[SimpleNamespace], amplifier: Amplifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which others there are, and what to do."""
    cases: list[tuple[object, type[Exception], str]] = [
        (
            "amplifer",
            StreamError,
            r"No LSL stream is called 'amplifer'.*here: 'amplifier', 'other'",
        ),
        ("amplifier", StreamError, r"2 streams are called 'amplifier', .*'id 0', 'id 2'.*source_id="),
        ("other", StreamError, "'other' is there, but cannot be read"),
    ]
    library.append(SimpleNamespace(name="amplifier", source_id="id 2"))
    monkeypatch.setattr(Amplifier, "connect", fake_lsl.refuse)
    amplifier.disconnect()
    cases.append((amplifier, StreamError, r"not connected. Call stream.connect\(\)"))
    markers = Amplifier()
    markers.info["sfreq"] = 0.0
    cases.append((markers, CoreDataError, "no regular sampling rate"))
    for stream, error, words in cases:
        with pytest.raises(error, match=words):
            next(decode_stream(make_pipeline(), stream, **OPTIONS))
    closing = Amplifier()
    closing.add_callback(lambda *chunk: closing.disconnect())
    with pytest.raises(StreamError, match="was closed"):
        list(decode_stream(make_pipeline(), closing, **OPTIONS))
    monkeypatch.setattr(Amplifier, "connected", property(fail_to_tell), raising=False)
    with pytest.raises(StreamError, match="not connected"):
        list(decode_stream(make_pipeline(), markers, **OPTIONS))


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And all other streams need no such library."""
    for name in ("mne_lsl", "mne_lsl.lsl", "mne_lsl.stream"):
        monkeypatch.setitem(sys.modules, name, None)
    recorded = [(read_recording(3, 3)[0][:, :1000], None)]
    about = {"channel_names": CHANNELS, "unit": "uV", "sampling_rate": RATE}
    assert list(decode_stream(make_pipeline(), recorded, **OPTIONS, **about))
    with pytest.raises(MissingLibraryError, match="pip install mne-lsl"):
        next(decode_stream(make_pipeline(), "amplifier", **OPTIONS))


def test_a_stream_knows_how_many_names_it_needs(amplifier: Amplifier) -> None:
    """Names that are given for its channels are compared with them."""
    with pytest.raises(CoreDataError, match="has the channels TP9, AF7, AF8, TP10; 1 are named"):
        next(decode_stream(make_pipeline(), amplifier, channel_names=["Cz"], **OPTIONS))


def test_the_unit_of_the_stream_is_converted_or_asked_for(amplifier: Amplifier) -> None:
    """One that says no unit looks like one in volts, and is not taken for it."""
    expected = decode_all(amplifier)
    volts = Amplifier()
    volts.set_units(0, "Volts")
    found = decode_all(volts, max_outlier_score=1e9)
    assert expected[0].outlier_score < 10.0 < found[0].outlier_score
    renamed = Amplifier()
    renamed.ch_names = ["tp9", "af7", "af8", "tp10"]
    renamed.set_units(0, "Volts")
    renamed.ch_names = list(CHANNELS)
    assert decode_all(renamed, max_outlier_score=1e9)[0].confidence == found[0].confidence
    for unknown in ((0, None), (0, "fT"), (0, "volts", 112)):
        stream = Amplifier()
        stream.set_units(*unknown)
        with pytest.raises(ModelMismatchError, match=r"unit of TP9, AF7, AF8, TP10.*unit='uV'"):
            next(decode_stream(make_pipeline(), stream, **OPTIONS))
        assert decode_all(stream, unit="uV")[0].confidence == expected[0].confidence


@pytest.mark.qualification
def test_a_real_stream_has_the_results_of_the_same_samples_offline(tmp_path: Path) -> None:
    """Sent by another process, in another order, in volts, in uneven chunks, with a second that is lost."""
    pytest.importorskip("mne_lsl", reason="mne-lsl is not installed: pip install mne-lsl")
    samples = read_recording(3, 3)[0][:, : int(7 * RATE)]
    lsl = LoopbackLsl(tmp_path)
    options = {"window": 1.0, "step": 0.25, "min_chunks": 5, "max_chunks": 5, "pause": 0, "timeout": 3.0}
    model = save_model(make_pipeline(), tmp_path / "flicker.nimbus")
    with lsl.play(
        1e-6 * samples[::-1], channels=CHANNELS[::-1], unit="volts", rate=RATE, speed=1.5, lost=(3.0, 4.0)
    ):
        *found, last = lsl.decode(model, **options)
    assert last["error"] == "StreamError"
    gap = sum(result["gap"] for result in found if result["chunk"])
    assert gap == pytest.approx(1.0, abs=0.3)
    assert len(found) > 6
    split = next(k for k, result in enumerate(found) if result["gap"])
    offline = list(
        decode_stream(
            make_pipeline(),
            [(samples, None)],
            **options,
            channel_names=CHANNELS,
            unit="uV",
            sampling_rate=RATE,
        )
    )
    assert split > 2
    for result, expected in zip(found[:split], offline[:split], strict=True):
        np.testing.assert_allclose(result["posterior"], expected.posterior, rtol=0, atol=1e-6)
