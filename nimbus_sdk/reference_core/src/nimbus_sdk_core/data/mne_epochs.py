"""Reading of MNE's Epochs and of anything with the same interface; MNE itself is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, LabelArray
from ..errors import CoreDataError

_BRAIN_CHANNELS = {"eeg", "mag", "grad", "ref_meg", "seeg", "ecog", "dbs", "csd", "hbo", "hbr"}


@runtime_checkable
class EpochsLike(Protocol):
    """The part of ``mne.Epochs`` that is used; the data have shape (n_epochs × n_channels × n_times)."""

    @property
    def events(self) -> npt.NDArray[np.integer]:
        """One row an epoch; the last column holds the code of the event."""
        ...

    @property
    def event_id(self) -> Mapping[str, int]:
        """Codes of the events by name."""
        ...

    @property
    def info(self) -> Mapping[str, object]:
        """``info["sfreq"]`` is the sampling rate in Hz."""
        ...

    @property
    def ch_names(self) -> Sequence[str]:
        """Names of the channels."""
        ...

    def get_data(self) -> FloatArray:
        """The recording."""
        ...


class Transformer(Protocol):
    """Anything fitted that makes features of epochs, as scikit-learn's and MNE's transformers do."""

    def transform(self, X: FloatArray) -> npt.ArrayLike:  # noqa: N803
        """From (n_epochs × n_channels × n_times) to features, with or without a last axis of samples."""
        ...


def read_epochs(epochs: EpochsLike) -> tuple[FloatArray, LabelArray]:
    """Return the recording, (n_epochs × n_channels × n_times), and the event name of each epoch.

    If an event has no name, the codes of the events are the labels.

    Raises:
        CoreDataError: Not epochs, no epochs left, or channels that are marked as bad or are not signals of
            the brain.
    """
    if not isinstance(epochs, EpochsLike):
        raise CoreDataError(
            f"epochs is a {type(epochs).__name__}, which is not like mne.Epochs.",
            "Arrays of features go into BCIData(features, metadata, labels).",
        )
    _check_channel_types(epochs)
    _check_bad_channels(epochs)
    if not len(epochs.events):
        raise CoreDataError(
            f"No epochs are left{_describe_dropped(epochs)}.",
            "Look at the events, and at the limits for rejection.",
        )
    recording = np.asarray(epochs.get_data())
    codes = np.asarray(epochs.events)[:, -1]
    if recording.ndim != 3 or len(recording) != len(codes):
        raise CoreDataError(
            f"The epochs hold data of shape {recording.shape} and {len(codes)} events.",
            "Call epochs.drop_bad() first, so that every event has its epoch.",
        )
    names = {code: name for name, code in epochs.event_id.items()}
    kinds = codes.tolist()
    if all(code in names for code in kinds):
        return recording, np.array([names[code] for code in kinds], dtype=np.str_)
    return recording, codes.astype(np.int64)


def read_sampling_rate(epochs: EpochsLike) -> float:
    """Return the sampling rate of epochs in Hz."""
    return float(epochs.info["sfreq"])  # type: ignore[arg-type]


def _check_channel_types(epochs: EpochsLike) -> None:
    kinds = getattr(epochs, "get_channel_types", None)
    if kinds is None:
        return
    others = sorted(set(kinds()) - _BRAIN_CHANNELS)
    if others:
        raise CoreDataError(
            f"The epochs hold channels of the kinds {', '.join(others)}, which are not signals of the brain.",
            "Choose first, for instance with epochs.copy().pick('eeg').",
        )


def _check_bad_channels(epochs: EpochsLike) -> None:
    bads = cast(Sequence[str], epochs.info.get("bads", ()))
    included = [name for name in epochs.ch_names if name in bads]
    if included:
        raise CoreDataError(
            f"The epochs hold channels that are marked as bad: {', '.join(included)}.",
            "Leave them out with epochs.copy().pick('eeg', exclude='bads'), "
            "or repair them with epochs.copy().interpolate_bads().",
        )


def _describe_dropped(epochs: EpochsLike) -> str:
    """Describe how many epochs were dropped, if known; ignored events do not count."""
    log: Sequence[Sequence[str]] = getattr(epochs, "drop_log", ())
    n_dropped = sum(bool(reasons) and "IGNORED" not in reasons for reasons in log)
    return f" (all {n_dropped} were dropped: see epochs.drop_log)" if n_dropped else ""
