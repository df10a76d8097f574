"""Reading of MNE's Epochs and of similar objects."""

import inspect

import mne
import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    CoreDataError,
    ModelMismatchError,
    NimbusLDA,
    predict_batch,
    train_model,
)
from nimbus_sdk_core.data.csp import fit_csp
from nimbus_sdk_core.data.mne_epochs import Transformer

from tests.reference_core.support import N_CHANNELS, EpochsLookalike, simulate_epochs


def test_bad_channels_are_named_and_rejected(training: mne.EpochsArray) -> None:
    """Neither features nor filters are made of what was marked as bad; what the hint says helps."""
    marked = training.copy()
    marked.info["bads"] = ["C4", "C1"]
    for use in (fit_csp, lambda epochs: BCIData.from_epochs(epochs, paradigm="motor_imagery")):
        with pytest.raises(CoreDataError, match=r"marked as bad: C1, C4\. .*pick\('eeg', exclude='bads'\)"):
            use(marked)
    remaining = BCIData.from_epochs(marked.copy().pick("eeg", exclude="bads"), paradigm="motor_imagery")
    assert remaining.n_features == N_CHANNELS - 2


def test_dropping_all_epochs_is_reported(training: mne.EpochsArray) -> None:
    """With their number, and where MNE says why; never as a wrong number of classes."""
    empty = training.copy().drop_bad(reject={"eeg": 1e-12}, verbose="error")
    for use in (fit_csp, lambda epochs: BCIData.from_epochs(epochs, paradigm="motor_imagery", n_classes=2)):
        with pytest.raises(
            CoreDataError, match=r"No epochs are left \(all 60 were dropped: see epochs.drop_log"
        ):
            use(empty)
    with pytest.raises(CoreDataError, match=r"No epochs are left\. "):
        BCIData.from_epochs(training[:0], paradigm="motor_imagery")


def test_parts_and_unnamed_events_are_read(training: mne.EpochsArray) -> None:
    """One kind of event needs the number of classes; events without names are labelled by their codes."""
    part = training["left"]
    with pytest.raises(CoreDataError, match=r"hold 1 kind\(s\) of event.* Give n_classes"):
        BCIData.from_epochs(part, paradigm="motor_imagery")
    data = BCIData.from_epochs(part, paradigm="motor_imagery", n_classes=2)
    assert set(data.labels.tolist()) == {"left"}
    nameless = training.copy()
    nameless.event_id = {}
    assert BCIData.from_epochs(nameless, paradigm="motor_imagery").labels.tolist() == [7, 8] * 30


def test_lookalikes_are_accepted_if_complete() -> None:
    """MNE is not needed; a mismatch of epochs and events is reported."""
    data = BCIData.from_epochs(EpochsLookalike(4), paradigm="p300", temporal_aggregation="mean")
    assert (data.n_features, data.labels.tolist()) == (2, ["a", "b", "a", "b"])
    with pytest.raises(CoreDataError, match=r"shape \(4, 2, 10\) and 5 events"):
        BCIData.from_epochs(EpochsLookalike(5), paradigm="p300")


def test_channels_rate_and_unit_are_read(training: mne.EpochsArray) -> None:
    """MNE's epochs are in volts; magnetic fields, or units that differ, have none that is known."""
    about = BCIData.from_epochs(training, paradigm="motor_imagery").metadata
    assert (about.channel_names, about.unit, about.sampling_rate) == (tuple(training.ch_names), "V", 100.0)
    micro = training.copy()
    for channel in micro.info["chs"]:
        channel["unit_mul"] = -6
    assert BCIData.from_epochs(micro, paradigm="motor_imagery").metadata.unit == "uV"
    kinds = dict.fromkeys(training.ch_names, "mag")
    magnetic = training.copy().set_channel_types(kinds, on_unit_change="ignore")
    assert BCIData.from_epochs(magnetic, paradigm="motor_imagery").metadata.unit is None
    lookalike = BCIData.from_epochs(EpochsLookalike(4), paradigm="p300", temporal_aggregation="mean").metadata
    assert (lookalike.channel_names, lookalike.unit) == (("Fz", "Cz"), None)


def test_the_band_of_the_filter_is_read(training: mne.EpochsArray) -> None:
    """As MNE has it; epochs that were not filtered have none."""
    for highpass, lowpass, band in ((8.0, 30.0, (8.0, 30.0)), (0.0, 50.0, None), (1.0, 50.0, (1.0, 50.0))):
        filtered = training.copy()
        with filtered.info._unlock():
            filtered.info["highpass"], filtered.info["lowpass"] = highpass, lowpass
        assert BCIData.from_epochs(filtered, paradigm="motor_imagery").metadata.band == band


def test_a_continuous_recording_is_to_be_cut_into_epochs_first() -> None:
    """The error names how."""
    info = mne.create_info(["C3", "C4"], 100.0, "eeg")
    raw = mne.io.RawArray(np.zeros((2, 100)), info, verbose="error")
    with pytest.raises(CoreDataError, match=r"epochs is a RawArray, a continuous .*mne\.Epochs\(raw, events"):
        BCIData.from_epochs(raw, paradigm="motor_imagery")  # type: ignore[arg-type]


def test_type_checkers_accept_transformers_whatever_they_call_their_argument() -> None:
    """MNE's Xdawn calls it ``inst``, scikit-learn's classes ``X``."""
    _, argument = inspect.signature(Transformer.transform).parameters.values()
    assert argument.kind is inspect.Parameter.POSITIONAL_ONLY


def test_reordered_epochs_are_refused_by_a_model(training: mne.EpochsArray) -> None:
    """The channels of the training are part of the model, without filters too."""
    model = train_model(NimbusLDA, BCIData.from_epochs(training, paradigm="motor_imagery"), name="mine")
    turned = training.copy().reorder_channels(training.ch_names[::-1])
    with pytest.raises(
        ModelMismatchError, match=r"another order .* 'mine': channel 0.* is C5 in place of C0"
    ):
        predict_batch(model, BCIData.from_epochs(turned, paradigm="motor_imagery"))
    renamed = training.copy().rename_channels({"C5": "Oz"})
    with pytest.raises(ModelMismatchError, match="missing is C5 and additional is Oz"):
        predict_batch(model, BCIData.from_epochs(renamed, paradigm="motor_imagery"))


def test_events_are_mapped_onto_labels(training: mne.EpochsArray) -> None:
    """By name or by code; what has no label is named, and a mapping may have labels that no epoch has."""
    data = BCIData.from_epochs(training, paradigm="motor_imagery", labels={"left": 1, "right": 2, "feet": 3})
    assert data.labels is not None
    assert (data.labels.tolist(), data.metadata.n_classes) == ([1, 2] * 30, 3)
    by_code = BCIData.from_epochs(training, paradigm="motor_imagery", labels={7: "l", 8: "r"})
    assert by_code.labels is not None
    assert by_code.labels.tolist() == ["l", "r"] * 30
    one = BCIData.from_epochs(training["left"], paradigm="motor_imagery", labels={"left": 1, "right": 2})
    assert one.metadata.n_classes == 2
    with pytest.raises(CoreDataError, match=r"labels have no entry for the events right\."):
        BCIData.from_epochs(training, paradigm="motor_imagery", labels={"left": 1})
    with pytest.raises(CoreDataError, match="labels is a list, not a mapping"):
        BCIData.from_epochs(training, paradigm="motor_imagery", labels=[1, 2])  # type: ignore[arg-type]
    with pytest.raises(CoreDataError, match="labels mix values"):
        BCIData.from_epochs(training, paradigm="motor_imagery", labels={"left": 1, "right": "b"})


def test_mapped_epochs_fit_a_model_with_other_labels(training: mne.EpochsArray) -> None:
    """A model whose classes are numbers decodes epochs whose events have names."""
    mapped = {"left": 1, "right": 2}
    model = train_model(NimbusLDA, BCIData.from_epochs(training, paradigm="motor_imagery", labels=mapped))
    later = BCIData.from_epochs(simulate_epochs(2), paradigm="motor_imagery", labels=mapped)
    assert predict_batch(model, later).accuracy > 0.7


def test_spectra_are_refused(training: mne.EpochsArray) -> None:
    """Their frequencies are not samples."""
    spectra = (
        training.compute_psd(verbose="error"),
        training.compute_tfr("morlet", freqs=[10.0], n_cycles=2, average=False, verbose="error"),
    )
    for spectrum in spectra:
        for use in (fit_csp, lambda each: BCIData.from_epochs(each, paradigm="motor_imagery")):
            with pytest.raises(CoreDataError, match=f"{type(spectrum).__name__}, whose axis of frequencies"):
                use(spectrum)  # type: ignore[arg-type]


def test_epochs_that_are_rejected_while_they_are_read_are_reported() -> None:
    """Epochs that are not loaded yet are dropped when MNE reads them; if none is left, that is said."""
    info = mne.create_info(["C3", "C4"], 100.0, "eeg")
    raw = mne.io.RawArray(1e-5 * np.random.default_rng(0).normal(size=(2, 3_000)), info, verbose="error")
    events = np.column_stack([np.arange(100, 2_500, 200), np.zeros(12, int), np.arange(12) % 2 + 1])
    for limit, left in ((1e-9, 0), (1.0, 12)):
        lazy = mne.Epochs(
            raw, events, {"a": 1, "b": 2}, 0.0, 1.0, baseline=None, reject={"eeg": limit}, verbose="error"
        )
        if left:
            assert BCIData.from_epochs(lazy, paradigm="motor_imagery").n_trials == left
        else:
            with (
                pytest.warns(RuntimeWarning, match="All epochs were dropped"),
                pytest.raises(CoreDataError, match=r"No epochs are left \(all 12 were dropped"),
            ):
                BCIData.from_epochs(lazy, paradigm="motor_imagery")


class StreamLookalike:
    """An object with the interface of mne-lsl's EpochsStream: a buffer that is filled from its end."""

    def __init__(self, info: mne.Info, codes: list[int], arrivals: int = 0) -> None:
        self.info = info
        self.codes = codes
        self.arrivals = arrivals
        self.n_new_epochs = 0
        self._event_id = {"left": 1, "right": 2}

    @property
    def events(self) -> np.ndarray:
        """Codes only."""
        return np.array(self.codes, dtype=np.int16)

    def get_data(self) -> np.ndarray:
        """Each epoch holds its code; another one may arrive right afterwards."""
        noise = np.random.default_rng(1).normal(size=(len(self.codes), 2, 30))
        signals = np.array(self.codes)[:, None, None] + noise
        if self.arrivals:
            self.arrivals -= 1
            self.codes = [*self.codes[1:], 3 - self.codes[-1]]
        return signals


@pytest.mark.parametrize("arrivals", [0, 1, 3])
def test_a_stream_of_epochs_is_read(arrivals: int) -> None:
    """What was received so far, with the events' names; an epoch that arrives meanwhile mixes nothing up."""
    info = mne.create_info(["C3", "C4"], 100.0, "eeg")
    for channel in info["chs"]:
        channel["unit_mul"] = -6
    stream = StreamLookalike(info, [0, 0, 0, 0, 1, 2, 2, 1], arrivals)
    data = BCIData.from_epochs(stream, paradigm="p300", temporal_aggregation="mean")  # type: ignore[arg-type]
    assert data.labels is not None
    assert data.n_trials == 4 + arrivals
    assert (data.metadata.channel_names, data.metadata.unit) == (("C3", "C4"), "uV")
    read = np.rint(data.features.mean(axis=(0, 1))).astype(int)
    assert [{"left": 1, "right": 2}[label] for label in data.labels.tolist()] == read.tolist()
    nothing = StreamLookalike(info, [0, 0])
    with pytest.raises(CoreDataError, match="No epochs are left"):
        BCIData.from_epochs(nothing, paradigm="p300", temporal_aggregation="mean")  # type: ignore[arg-type]
