"""MNE's epochs become data: labels by name, features by filters that were learned once."""

import importlib.util
import pickle
import sys

import mne
import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError, MissingLibraryError, NimbusLDA, predict_batch, train_model
from nimbus_sdk_core.data.csp import SpatialFilters, fit_csp
from nimbus_sdk_core.decoding.streaming import finalize_trial, init_streaming, process_chunk

RATE, N_CHANNELS = 100.0, 6


def recording(seed: int, n_epochs: int = 60, kinds: tuple[str, ...] = ("left", "right")) -> mne.EpochsArray:
    """Simulated EEG of 1 s: each kind of event has a rhythm over another place of the head."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(N_CHANNELS, N_CHANNELS))
    codes = np.arange(n_epochs) % len(kinds)
    sources = random.normal(size=(n_epochs, N_CHANNELS, int(RATE)))
    sources[np.arange(n_epochs), codes] *= 2.5
    events = np.column_stack([np.arange(n_epochs) * 200, np.zeros(n_epochs, int), codes + 7])
    info = mne.create_info([f"C{k}" for k in range(N_CHANNELS)], RATE, "eeg")
    named = {name: code + 7 for code, name in enumerate(kinds)}
    return mne.EpochsArray(1e-5 * mixing @ sources, info, events, event_id=named, verbose="error")


@pytest.fixture(scope="module")
def training() -> mne.EpochsArray:
    """Epochs to learn from."""
    return recording(1)


@pytest.fixture(scope="module")
def later() -> mne.EpochsArray:
    """Epochs of another day."""
    return recording(2)


def test_channels_become_features_and_events_labels(training: mne.EpochsArray) -> None:
    """Axes turn from (epochs, channels, times) to (features, samples, trials); nothing is scaled."""
    data = BCIData.from_epochs(training, paradigm="motor_imagery", chunk_size=50)
    np.testing.assert_array_equal(data.features, training.get_data(verbose="error").transpose(1, 2, 0))
    assert data.labels.tolist() == ["left", "right"] * 30
    about = data.metadata
    assert (about.sampling_rate, about.n_features, about.n_classes, about.chunk_size) == (100.0, 6, 2, 50)
    assert (about.feature_type, about.temporal_aggregation) == ("raw_filtered", "logvar")


def test_rhythms_of_plain_channels_are_decoded(training: mne.EpochsArray, later: mne.EpochsArray) -> None:
    """Motor imagery without filters is far above chance, since its power is what counts."""
    train, test = (BCIData.from_epochs(each, paradigm="motor_imagery") for each in (training, later))
    assert predict_batch(train_model(NimbusLDA, train), test).accuracy > 0.7


def test_how_samples_become_a_vector_is_never_guessed(training: mne.EpochsArray) -> None:
    """Where no way is usual, the person chooses one, and what is chosen counts."""
    with pytest.raises(
        CoreDataError, match=r"the 100 samples of an epoch.* Give temporal_aggregation"
    ) as told:
        BCIData.from_epochs(training, paradigm="p300")
    assert "a transformer such as mne.decoding.Vectorizer()" in told.value.hint
    data = BCIData.from_epochs(training, paradigm="p300", temporal_aggregation="median")
    assert data.metadata.temporal_aggregation == "median"


def test_bad_channels_are_named_and_refused(training: mne.EpochsArray) -> None:
    """Neither features nor filters are made of what was marked as bad; what the hint says helps."""
    marked = training.copy()
    marked.info["bads"] = ["C4", "C1"]
    for use in (fit_csp, lambda epochs: BCIData.from_epochs(epochs, paradigm="motor_imagery")):
        with pytest.raises(CoreDataError, match=r"marked as bad: C1, C4\. .*pick\('eeg', exclude='bads'\)"):
            use(marked)
    kept = BCIData.from_epochs(marked.copy().pick("eeg", exclude="bads"), paradigm="motor_imagery")
    assert kept.n_features == N_CHANNELS - 2


def test_when_all_epochs_were_dropped_that_is_said(training: mne.EpochsArray) -> None:
    """With their number, and where MNE says why; never as a wrong number of classes."""
    empty = training.copy().drop_bad(reject={"eeg": 1e-12}, verbose="error")
    for use in (fit_csp, lambda epochs: BCIData.from_epochs(epochs, paradigm="motor_imagery", n_classes=2)):
        with pytest.raises(
            CoreDataError, match=r"No epochs are left \(all 60 were dropped: see epochs.drop_log"
        ):
            use(empty)
    with pytest.raises(CoreDataError, match=r"No epochs are left\. "):
        BCIData.from_epochs(training[:0], paradigm="motor_imagery")


@pytest.mark.parametrize("library", ["mne", "pyriemann"])
def test_filters_learned_once_decode_another_day(
    library: str, training: mne.EpochsArray, later: mne.EpochsArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both libraries' filters tell the classes apart on epochs that they have not seen."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "nimbus_sdk_core.data.csp.find_spec", lambda name: real(name) if name == library else None
    )
    filters = fit_csp(training, n_components=4)
    assert (filters.filters.shape, filters.learned_by) == ((4, 6), library)
    train, test = (
        BCIData.from_epochs(epochs, paradigm="motor_imagery", transformer=filters)
        for epochs in (training, later)
    )
    assert (train.metadata.feature_type, train.metadata.temporal_aggregation) == ("csp", "logvar")
    model = train_model(NimbusLDA, train)
    assert predict_batch(model, test).accuracy > 0.9


def test_filters_are_those_of_mne(training: mne.EpochsArray, later: mne.EpochsArray) -> None:
    """Applying them gives what MNE's own transformer gives."""
    expected = mne.decoding.CSP(n_components=4, transform_into="csp_space")
    with mne.use_log_level("error"):
        expected.fit(training.get_data(), training.events[:, 2])
        theirs = expected.transform(later.get_data())
    found = BCIData.from_epochs(
        later, paradigm="motor_imagery", transformer=fit_csp(training, n_components=4)
    )
    np.testing.assert_allclose(found.features.transpose(2, 0, 1), theirs, rtol=1e-9, atol=1e-18)


def test_the_same_filters_serve_a_stream(training: mne.EpochsArray, later: mne.EpochsArray) -> None:
    """Chunks of raw channels go through the filters into a session; unpickled filters need no MNE."""
    filters = pickle.loads(pickle.dumps(fit_csp(training, n_components=4)))
    data = BCIData.from_epochs(training, paradigm="motor_imagery", transformer=filters, chunk_size=25)
    session = init_streaming(train_model(NimbusLDA, data), data.metadata)
    right = []
    for epoch, label in zip(later.get_data(verbose="error")[:20], ["left", "right"] * 10, strict=True):
        for start in range(0, 100, 25):
            process_chunk(session, filters.transform(epoch[:, start : start + 25]))
        right.append(finalize_trial(session).prediction == label)
    assert np.mean(right) >= 0.9


@pytest.mark.parametrize(
    ("transformer", "shape", "way"),
    [
        (mne.decoding.CSP(n_components=3), (3, 1, 60), "none"),
        (mne.decoding.Vectorizer(), (600, 1, 60), "none"),
        (mne.decoding.CSP(n_components=3, transform_into="csp_space"), (3, 100, 60), "logvar"),
    ],
)
def test_mnes_own_transformers_are_taken(transformer, shape: tuple, way: str, training) -> None:
    """Features with and without samples; the person names what they are."""
    with mne.use_log_level("error"):
        transformer.fit(training.get_data(), training.events[:, 2])
    data = BCIData.from_epochs(
        training,
        paradigm="erp",
        feature_type="time_domain",
        transformer=transformer,
        temporal_aggregation=None if way == "none" else way,
    )
    assert data.features.shape == shape
    assert data.metadata.temporal_aggregation == way
    with pytest.raises(CoreDataError, match=f"that a {type(transformer).__name__} makes is not known"):
        BCIData.from_epochs(training, paradigm="erp", transformer=transformer)


def test_parts_and_unnamed_events_are_read(training: mne.EpochsArray) -> None:
    """One kind of event needs the number of classes; events without names keep their codes."""
    part = training["left"]
    with pytest.raises(CoreDataError, match=r"hold 1 kind\(s\) of event.* Give n_classes"):
        BCIData.from_epochs(part, paradigm="motor_imagery")
    data = BCIData.from_epochs(part, paradigm="motor_imagery", n_classes=2)
    assert set(data.labels.tolist()) == {"left"}
    nameless = training.copy()
    nameless.event_id = {}
    assert BCIData.from_epochs(nameless, paradigm="motor_imagery").labels.tolist() == [7, 8] * 30


def test_other_channels_are_refused(training: mne.EpochsArray) -> None:
    """Filters know their channels by name and order, and what is no brain signal is named."""
    filters = fit_csp(training, n_components=2)
    for other in (
        training.copy().drop_channels(["C0"]),
        training.copy().reorder_channels(["C1", "C0", "C2", "C3", "C4", "C5"]),
    ):
        with pytest.raises(CoreDataError, match="the filters were learned on C0, C1, C2"):
            BCIData.from_epochs(other, paradigm="motor_imagery", transformer=filters)
    with mne.use_log_level("error"):
        eye = training.copy().set_channel_types({"C5": "eog"})
    with pytest.raises(CoreDataError, match=r"of the kinds eog.*pick\('eeg'\)"):
        BCIData.from_epochs(eye, paradigm="motor_imagery")
    for wrong in (np.zeros((3, 5, 10)), np.zeros(6)):
        with pytest.raises(CoreDataError, match="expected 6 channels before the last axis"):
            filters.transform(wrong)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda epochs: epochs["left"], "one kind of event"),
        (
            lambda epochs: epochs.get_data(verbose="error"),
            "epochs is a ndarray, which is not like mne.Epochs",
        ),
    ],
)
def test_filters_cannot_be_learned_from_everything(change, words: str, training) -> None:
    """Two kinds of events are needed, as epochs."""
    with pytest.raises(CoreDataError, match=words):
        fit_csp(change(training), n_components=2)


def test_more_filters_than_channels_and_broken_epochs_are_refused(training: mne.EpochsArray) -> None:
    """Before any library is asked."""
    with pytest.raises(CoreDataError, match="n_components is 9"):
        fit_csp(training, n_components=9)
    broken = recording(1)
    broken._data[0, 0, 0] = np.nan
    with pytest.raises(CoreDataError, match="not finite"):
        fit_csp(broken, n_components=2)


def test_a_transformer_that_loses_epochs_is_refused(training: mne.EpochsArray) -> None:
    """What it gives must have one entry an epoch."""

    class Lossy:
        def transform(self, recording: np.ndarray) -> np.ndarray:
            return recording[1:, :, 0]

    with pytest.raises(CoreDataError, match=r"made an array of shape \(59, 6, 1\) of 60 epochs"):
        BCIData.from_epochs(training, paradigm="erp", feature_type="erp", transformer=Lossy())


def test_without_mne_the_way_to_it_is_told(
    training: mne.EpochsArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only learning filters needs a library; reading epochs does not import one."""
    monkeypatch.setattr("nimbus_sdk_core.data.csp.find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'nimbusbci-sdk\[mne\]'"):
        fit_csp(training, n_components=2)
    for name in [name for name in sys.modules if name.split(".")[0] == "mne"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert BCIData.from_epochs(Lookalike(4), paradigm="motor_imagery").n_trials == 4


class Lookalike:
    """What offers the same names as mne.Epochs."""

    info = {"sfreq": 128}
    ch_names = ["Fz", "Cz"]
    event_id = {"a": 1, "b": 2}

    def __init__(self, n_events: int) -> None:
        self.events = np.array([[k, 0, 1 + k % 2] for k in range(n_events)])

    def get_data(self) -> np.ndarray:
        """The same for every epoch."""
        return np.ones((4, 2, 10))


def test_lookalikes_are_taken_and_must_be_whole() -> None:
    """No MNE is needed; a mismatch of epochs and events is told."""
    data = BCIData.from_epochs(Lookalike(4), paradigm="p300", temporal_aggregation="mean")
    assert (data.n_features, data.labels.tolist()) == (2, ["a", "b", "a", "b"])
    with pytest.raises(CoreDataError, match=r"shape \(4, 2, 10\) and 5 events"):
        BCIData.from_epochs(Lookalike(5), paradigm="p300")


def test_filters_show_themselves_escaped() -> None:
    """As text and as a table."""
    filters = SpatialFilters(np.ones((1, 2)), ("<b>", "C4"), "<i>hand</i>")
    assert "components 1, channels 2" in repr(filters)
    assert "&lt;i&gt;hand" in filters._repr_html_()
