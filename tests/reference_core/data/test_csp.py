"""Common spatial patterns: filters are learned once and applied everywhere."""

import importlib.util
import pickle
import sys

import mne
import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError, MissingLibraryError, NimbusLDA, predict_batch, train_model
from nimbus_sdk_core.data.csp import SpatialFilters, fit_csp
from nimbus_sdk_core.decoding.streaming import finalize_trial, init_streaming, process_chunk

from tests.reference_core.support import EpochsLookalike, simulate_epochs


@pytest.mark.parametrize("library", ["mne", "pyriemann"])
def test_filters_learned_once_decode_another_session(
    library: str, training: mne.EpochsArray, later: mne.EpochsArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filters of both libraries separate the classes on new epochs."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "nimbus_sdk_core.data.csp.find_spec", lambda name: real(name) if name == library else None
    )
    filters = fit_csp(training, n_components=4)
    assert (filters.filters.shape, filters.learned_by) == ((4, 6), f"{library} CSP")
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


def test_other_channels_are_rejected(training: mne.EpochsArray) -> None:
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
            "epochs is an ndarray, which does not behave like mne.Epochs",
        ),
    ],
)
def test_filters_need_two_kinds_of_events(change, words: str, training) -> None:
    """Two kinds of events are needed, as epochs."""
    with pytest.raises(CoreDataError, match=words):
        fit_csp(change(training), n_components=2)


def test_more_filters_than_channels_and_broken_epochs_are_rejected(training: mne.EpochsArray) -> None:
    """Before any library is used; without a number there are as many as the channels allow."""
    with pytest.raises(CoreDataError, match="n_components is 9"):
        fit_csp(training, n_components=9)
    few = training.copy().pick(training.ch_names[:4])
    assert [len(fit_csp(each).filters) for each in (few, training)] == [4, 6]
    broken = simulate_epochs(1)
    broken._data[0, 0, 0] = np.nan
    with pytest.raises(CoreDataError, match="not finite"):
        fit_csp(broken, n_components=2)


def test_without_mne_the_error_says_how_to_install_it(
    training: mne.EpochsArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only learning filters needs a library; reading epochs does not import one."""
    monkeypatch.setattr("nimbus_sdk_core.data.csp.find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match="pip install mne"):
        fit_csp(training, n_components=2)
    for name in [name for name in sys.modules if name.split(".")[0] == "mne"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert BCIData.from_epochs(EpochsLookalike(4), paradigm="motor_imagery").n_trials == 4


def test_filters_are_displayed_escaped() -> None:
    """As text and as a table."""
    filters = SpatialFilters(np.ones((1, 2)), ("<b>", "C4"), "<i>hand</i>")
    assert "components 1, channels 2" in repr(filters)
    assert "&lt;i&gt;hand" in filters._repr_html_()


@pytest.mark.parametrize("library", ["mne", "pyriemann"])
@pytest.mark.parametrize("n_channels", [4, 6])
def test_channels_that_depend_on_each_other_have_fewer_filters(
    library: str, n_channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an average reference the patterns are those of the space that the channels span; none is null."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "nimbus_sdk_core.data.csp.find_spec", lambda name: real(name) if name == library else None
    )

    def referenced(seed: int) -> mne.EpochsArray:
        epochs = simulate_epochs(seed).pick([f"C{k}" for k in range(n_channels)])
        return epochs.set_eeg_reference("average", verbose="error")

    filters = fit_csp(referenced(1), n_components=n_channels)
    assert filters.filters.shape == (n_channels - 1, n_channels)
    train, test = (
        BCIData.from_epochs(referenced(seed), paradigm="motor_imagery", transformer=filters)
        for seed in (1, 2)
    )
    powers = train.features.var(axis=(1, 2))
    assert powers.min() > 1e-3 * powers.max()
    assert predict_batch(train_model(NimbusLDA, train), test).accuracy > 0.8
    fewer = fit_csp(referenced(1), n_components=2)
    np.testing.assert_allclose(fewer.filters, filters.filters[:2])


@pytest.mark.parametrize(
    ("filters", "channels", "words"),
    [
        (np.ones((2, 3)), ("C3", "C4"), r"filters have shape \(2, 3\), and there are 2 names"),
        (np.ones(2), ("C3", "C4"), r"filters have shape \(2,\)"),
        (np.empty((0, 2)), ("C3", "C4"), r"filters have shape \(0, 2\)"),
        ([[np.nan, 1.0]], ("C3", "C4"), "not finite"),
        ([["a", "b"]], ("C3", "C4"), "not a number"),
    ],
)
def test_filters_are_checked(filters: object, channels: tuple[str, ...], words: str) -> None:
    """One row for each component, one column for each channel, finite."""
    with pytest.raises(CoreDataError, match=words):
        SpatialFilters(filters, channels)  # type: ignore[arg-type]
