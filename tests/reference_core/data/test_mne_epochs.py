"""Reading of MNE's Epochs and of similar objects."""

import mne
import pytest
from nimbus_sdk_core import BCIData, CoreDataError
from nimbus_sdk_core.data.csp import fit_csp

from tests.reference_core.support import N_CHANNELS, EpochsLookalike, simulate_epochs


@pytest.fixture(scope="module")
def training() -> mne.EpochsArray:
    """Epochs to learn from."""
    return simulate_epochs(1)


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
