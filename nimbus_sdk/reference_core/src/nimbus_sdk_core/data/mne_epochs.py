"""Reading of MNE's Epochs, mne-lsl's EpochsStream, and of anything similar; neither library is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, IndexArray, LabelArray
from ..errors import CoreDataError
from .argument_checks import describe_kind
from .labels import read_labels
from .metadata import Unit

_BRAIN_CHANNELS = {"eeg", "mag", "grad", "ref_meg", "seeg", "ecog", "dbs", "csd", "hbo", "hbr"}

# MNE's codes in ``info["chs"]``: volts, and the powers of ten of the units that `BCIMetadata` knows.
_VOLTS = 107
_UNITS: dict[int, Unit] = {0: "V", -6: "uV"}

_MOST_ATTEMPTS = 10

EventLabels: TypeAlias = Mapping[str, int | str | bool] | Mapping[int, int | str | bool]
"""The label of each kind of event, by its name or its code."""


@runtime_checkable
class EpochsLike(Protocol):
    """The part of ``mne.Epochs`` that is used; the data have shape (n_epochs × n_channels × n_times).

    ``ch_names`` (or ``info["ch_names"]``) are read too, and ``event_id``, codes of the events by name, where
    there is one.
    """

    @property
    def events(self) -> npt.NDArray[np.integer]:
        """The code of the event of each epoch; of several columns the last holds it."""
        ...

    @property
    def info(self) -> Mapping[str, object]:
        """``info["sfreq"]`` is the sampling rate in Hz."""
        ...

    def get_data(self) -> FloatArray:
        """The recording."""
        ...


class Transformer(Protocol):
    """Anything fitted that makes features of epochs, as scikit-learn's and MNE's transformers do."""

    def transform(self, X: FloatArray, /) -> npt.ArrayLike:  # noqa: N803
        """From (n_epochs × n_channels × n_times) to features, with or without a last axis of samples."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What epochs hold.

    Attributes:
        signals: Shape (n_epochs × n_channels × n_times).
        labels: Label of each epoch: the name of its event, its code, or what names or codes were mapped to.
        n_classes: Number of different labels, also of those that a mapping has and no epoch.
        channel_names: Names of the channels.
        sampling_rate: In Hz.
        unit: Of the signals, if it is volt or microvolt for all channels.
        band: Of the filter of the recording, in Hz, if there was one.
    """

    signals: FloatArray
    labels: LabelArray
    n_classes: int
    channel_names: tuple[str, ...]
    sampling_rate: float
    unit: Unit | None
    band: tuple[float, float] | None


def read_epochs(epochs: EpochsLike, labels: EventLabels | None = None) -> Recording:
    """Read signals and labels of epochs.

    Args:
        epochs: ``mne.Epochs``, ``mne_lsl.stream.EpochsStream``, or what looks like one of them.
        labels: The label of each kind of event, by its name or its code. By default the names of the events,
            or, if one has none, their codes.

    Raises:
        CoreDataError: Not epochs, no epochs left, channels that are marked as bad or are not signals of the
            brain, or a kind of event that has no label.
    """
    _check_kind(epochs)
    _check_channel_types(epochs)
    names = _read_channel_names(epochs)
    _check_bad_channels(epochs, names)
    signals, codes = _read_signals(epochs)
    read, n_classes = _label(codes, _event_names(epochs), labels)
    return Recording(
        signals=signals,
        labels=read,
        n_classes=n_classes,
        channel_names=names,
        sampling_rate=float(cast(float, epochs.info["sfreq"])),
        unit=_read_unit(epochs),
        band=_read_band(epochs),
    )


def _check_kind(epochs: EpochsLike) -> None:
    if hasattr(epochs, "freqs"):
        raise CoreDataError(
            f"epochs is {describe_kind(epochs)}, whose axis of frequencies would be read as samples.",
            "Give the epochs themselves; or power in a band as features: "
            "BCIData(power, BCIMetadata(…, 'bandpower', …, temporal_aggregation='none'), labels).",
        )
    if hasattr(epochs, "annotations") and not hasattr(epochs, "events"):
        raise CoreDataError(
            f"epochs is {describe_kind(epochs)}, a continuous recording.",
            "Cut it into epochs first, as with mne.Epochs(raw, events, event_id=…, tmin=…, tmax=…).",
        )
    if not isinstance(epochs, EpochsLike):
        raise CoreDataError(
            f"epochs is {describe_kind(epochs)}, which does not behave like mne.Epochs.",
            "Arrays of features go into BCIData(features, metadata, labels).",
        )


def _read_signals(epochs: EpochsLike) -> tuple[FloatArray, IndexArray]:
    """Signals and event codes; epochs that a stream has not received yet are left out."""
    # The events are read last, since MNE drops epochs when it reads data; a stream may receive one meanwhile.
    codes = _read_codes(epochs)
    _require_epochs(epochs, codes)
    for _ in range(_MOST_ATTEMPTS):
        signals, before = np.asarray(epochs.get_data()), codes
        codes = _read_codes(epochs)
        _require_epochs(epochs, codes)
        if np.array_equal(codes, before):
            break
    if signals.ndim != 3 or len(signals) != len(codes):
        raise CoreDataError(
            f"The epochs hold data of shape {signals.shape} and {len(codes)} events.",
            "Call epochs.drop_bad() first, so that every event has its epoch.",
        )
    if hasattr(epochs, "n_new_epochs"):
        is_received = codes != 0
        signals, codes = signals[is_received], codes[is_received]
    _require_epochs(epochs, codes)
    return signals, codes


def _require_epochs(epochs: EpochsLike, codes: IndexArray) -> None:
    if not len(codes):
        raise CoreDataError(
            f"No epochs are left{_describe_dropped(epochs)}.",
            "Check the events and the limits for rejection.",
        )


def _read_codes(epochs: EpochsLike) -> IndexArray:
    events = np.asarray(epochs.events)
    return events if events.ndim == 1 else events[:, -1]


def _event_names(epochs: EpochsLike) -> dict[int, str]:
    """Name of each event code; a stream of mne-lsl has no public attribute for them."""
    named = getattr(epochs, "event_id", None) or getattr(epochs, "_event_id", None) or {}
    return {int(code): name for name, code in cast(Mapping[str, int], named).items()}


def _label(codes: IndexArray, names: Mapping[int, str], labels: EventLabels | None) -> tuple[LabelArray, int]:
    kinds = codes.tolist()
    if labels is None:
        has_names = all(code in names for code in kinds)
        read = np.array([names[code] for code in kinds] if has_names else kinds)
        return read, len(np.unique(read))
    if not isinstance(labels, Mapping):
        raise CoreDataError(
            f"labels is {describe_kind(labels)}, not a mapping.",
            "Give the label of each kind of event, as in labels={'left': 1, 'right': 2}.",
        )
    given = cast(Mapping[object, int | str | bool], labels)
    of_code = {code: given.get(names.get(code, code), given.get(code)) for code in sorted(set(kinds))}
    missing = [str(names.get(code, code)) for code, label in of_code.items() if label is None]
    if missing:
        raise CoreDataError(
            f"labels have no entry for the events {', '.join(missing)}.",
            "Add them, or choose the epochs of the others first: epochs[list(labels)].",
        )
    n_classes = len(np.unique(read_labels(list(given.values()))))
    return read_labels([cast(int, of_code[code]) for code in kinds]), n_classes


def _read_channel_names(epochs: EpochsLike) -> tuple[str, ...]:
    names = getattr(epochs, "ch_names", None)
    found = epochs.info.get("ch_names") if names is None else names
    if not isinstance(found, Sequence):
        raise CoreDataError(
            f"epochs is {describe_kind(epochs)} without names of channels.",
            "Arrays of features go into BCIData(features, metadata, labels).",
        )
    return tuple(map(str, found))


def _read_unit(epochs: EpochsLike) -> Unit | None:
    channels = cast(Sequence[Mapping[str, int]], epochs.info.get("chs", ()))
    units = {(int(channel["unit"]), int(channel["unit_mul"])) for channel in channels}
    if len(units) != 1:
        return None
    unit, power_of_ten = units.pop()
    return _UNITS.get(power_of_ten) if unit == _VOLTS else None


def _read_band(epochs: EpochsLike) -> tuple[float, float] | None:
    nyquist = 0.5 * float(cast(float, epochs.info["sfreq"]))
    low = float(cast("float | None", epochs.info.get("highpass")) or 0.0)
    high = float(cast("float | None", epochs.info.get("lowpass")) or nyquist)
    is_filtered = low > 0.0 or high < 0.999 * nyquist
    return (low, min(high, nyquist)) if is_filtered and low < min(high, nyquist) else None


def _check_channel_types(epochs: EpochsLike) -> None:
    kinds = getattr(epochs, "get_channel_types", None) or getattr(epochs.info, "get_channel_types", None)
    if kinds is None:
        return
    others = sorted(set(kinds()) - _BRAIN_CHANNELS)
    if others:
        raise CoreDataError(
            f"The epochs hold channels of the kinds {', '.join(others)}, which are not signals of the brain.",
            "Pick channels first, for instance with epochs.copy().pick('eeg').",
        )


def _check_bad_channels(epochs: EpochsLike, names: tuple[str, ...]) -> None:
    bads = cast(Sequence[str], epochs.info.get("bads", ()))
    included = [name for name in names if name in bads]
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
