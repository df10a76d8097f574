"""BCIData: the features of a set of trials, checked once and then trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
import numpy.typing as npt

from .arrays import FeatureArray, FloatArray, LabelArray
from .errors import CoreDataError, CoreTypeError
from .labels import as_labels, refuse_mask
from .lazy import as_lazy_features, is_lazy
from .metadata import BCIMetadata, TemporalAggregation

if TYPE_CHECKING:
    from .epochs import EpochsLike, Transformer

_AXES = "(n_features × n_samples × n_trials)"


@dataclass(frozen=True, slots=True, init=False, eq=False)
class BCIData:
    """Features of trials with what is known about them; axes as in NimbusSDK.jl.

    The features are not copied where they are float64 or float32 already (memory maps and read-only arrays
    too); other real numbers become float64. Do not change the array while the data are in use. A Dask array
    stays one: its values are looked at when they are computed, and `predict_batch` plans instead of doing.

    Args:
        features: Shape (n_features × n_samples × n_trials).
        metadata: What the features are.
        labels: Shape (n_trials,), or None. Whole numbers from any start, texts or truth values.

    Raises:
        CoreDataError: A wrong axis, a value that is not finite, labels that do not fit. The message names
            the axis and the expected and found shape.

    >>> about = BCIMetadata(250.0, "motor_imagery", "csp", n_features=2, n_classes=2)
    >>> data = BCIData(np.zeros((2, 50, 3)), about, labels=["left", "right", "left"])
    >>> data.n_trials, data.n_samples
    (3, 50)
    """

    features: FeatureArray
    metadata: BCIMetadata
    labels: LabelArray | None

    def __init__(
        self, features: npt.ArrayLike, metadata: BCIMetadata, labels: npt.ArrayLike | None = None
    ) -> None:
        if not isinstance(metadata, BCIMetadata):
            raise CoreTypeError(
                f"metadata is a {type(metadata).__name__}, not a BCIMetadata.",
                "Build it with BCIMetadata(sampling_rate=…, paradigm=…, …).",
            )
        lazy = is_lazy(features)
        checked = as_lazy_features(features) if lazy else _as_features(features)
        _check_axes(checked, metadata)
        if not lazy:
            check_finite(checked)
            checked = _read_only(checked)
        object.__setattr__(self, "features", checked)
        object.__setattr__(self, "metadata", metadata)
        object.__setattr__(self, "labels", None if labels is None else _fitting(labels, checked, metadata))

    @classmethod
    def from_epochs(
        cls,
        epochs: EpochsLike,
        *,
        paradigm: str,
        feature_type: str | None = None,
        transformer: Transformer | None = None,
        temporal_aggregation: TemporalAggregation | None = None,
        n_classes: SupportsIndex | None = None,
        chunk_size: SupportsIndex | None = None,
    ) -> BCIData:
        """Trials from ``mne.Epochs``, labelled by the names of their events.

        Filtering and artefacts are MNE's business, before. What makes features of the channels was learned
        on training epochs alone and is given as ``transformer``; so test epochs are read by the same one::

            csp = fit_csp(training_epochs, n_components=8)
            training = BCIData.from_epochs(training_epochs, paradigm="motor_imagery", transformer=csp)
            test = BCIData.from_epochs(test_epochs, paradigm="motor_imagery", transformer=csp)

        Args:
            epochs: ``mne.Epochs``, or what offers ``get_data()``, ``events``, ``event_id``, ``info["sfreq"]``
                and ``ch_names`` likewise.
            paradigm: What the person did.
            feature_type: What the numbers are; by default ``"csp"`` for the filters of `fit_csp` and
                ``"raw_filtered"`` for the channels themselves.
            transformer: Something fitted with a method ``transform`` from (n_epochs × n_channels × n_times)
                to (n_epochs × n_features) or (n_epochs × n_features × n_samples), such as what `fit_csp`
                gives, ``mne.decoding.CSP`` or ``mne.decoding.Vectorizer``; None keeps the channels.
            temporal_aggregation: How a trial becomes one vector; by default ``"logvar"`` for the filters of
                `fit_csp` and for the channels of motor imagery, and ``"none"`` for features without samples.
                Anything else has no default.
            n_classes: Number of classes; by default the kinds of events that occur.
            chunk_size: Samples in one streamed chunk.

        Raises:
            CoreDataError: These are no epochs, none is left, their channels are bad, not those of the filters
                or no signals of the brain, it is not known how samples become one vector, or the features
                cannot be used.
        """
        from .epochs import data_from_epochs

        return data_from_epochs(
            epochs, paradigm, feature_type, transformer, temporal_aggregation, n_classes, chunk_size
        )

    @property
    def n_features(self) -> int:
        """Length of axis 0."""
        return int(self.features.shape[0])

    @property
    def n_samples(self) -> int:
        """Length of axis 1."""
        return int(self.features.shape[1])

    @property
    def n_trials(self) -> int:
        """Length of axis 2."""
        return int(self.features.shape[2])

    def vectors(self) -> FloatArray:
        """One vector a trial, as models read it: the ``X`` of scikit-learn, to which ``labels`` are ``y``.

        Returns:
            Shape (n_trials × n_features), made the way ``metadata.temporal_aggregation`` says.

        Raises:
            CoreDataError: ``"logvar"`` where a feature does not vary within a trial, or by more than 1e150.
        """
        from .aggregate import aggregate

        return aggregate(self)

    def __len__(self) -> int:
        return self.n_trials

    def __getitem__(self, trials: SupportsIndex | slice | npt.ArrayLike) -> BCIData:
        """Some of the trials with their labels; a slice shares the memory of the whole.

        Args:
            trials: A place (for data of one trial), a slice, places, or a truth value for each trial.

        Raises:
            IndexError: As of a NumPy array with one axis.
            CoreDataError: An index with several axes.

        >>> about = BCIMetadata(250.0, "motor_imagery", "csp", n_features=2, n_classes=2)
        >>> data = BCIData(np.zeros((2, 50, 3)), about, labels=["left", "right", "left"])
        >>> len(data[1:]), data[data.labels == "left"].labels.tolist(), data[-1].features.shape
        (2, ['left', 'left'], (2, 50, 1))
        """
        places = np.asarray(np.arange(self.n_trials)[trials])  # type: ignore[index]
        if places.ndim > 1:
            raise CoreDataError(
                f"Trials are chosen along one axis, but the index has {places.ndim}.",
                "Give a place, a slice, places, or a truth value for each trial.",
            )
        chosen = trials if isinstance(trials, slice) else np.atleast_1d(places)
        labels = None if self.labels is None else self.labels[chosen]
        return BCIData(self.features[..., chosen], self.metadata, labels)

    def __repr__(self) -> str:
        labelled = "labelled" if self.labels is not None else "without labels"
        return (
            f"BCIData({self.n_features} features × {self.n_samples} samples × {self.n_trials} trials, "
            f"{self.metadata.paradigm}, {self.metadata.feature_type}, {labelled})"
        )


def _as_features(features: npt.ArrayLike) -> FeatureArray:
    refuse_mask("features", features)
    try:
        found = np.asarray(features)
    except ValueError:
        raise CoreDataError(
            "features are ragged: rows of unequal length.", f"Give one array {_AXES}."
        ) from None
    if found.dtype.kind not in "iuf":
        raise CoreDataError(f"features are of type {found.dtype}, not real numbers.", "Give floats.")
    target = np.float32 if found.dtype == np.float32 else np.float64
    return found.astype(target, copy=False)


def _check_axes(features: FeatureArray, metadata: BCIMetadata) -> None:
    if features.ndim != 3:
        hint = f"Give three axes {_AXES}"
        hint += "; for one sample a trial use features[:, np.newaxis, :]." if features.ndim == 2 else "."
        axes = "axis" if features.ndim == 1 else "axes"
        raise CoreDataError(
            f"features have {features.ndim} {axes}, shape {features.shape}, expected 3.", hint
        )
    wanted = metadata.n_features
    if features.shape[0] != wanted:
        hint = f"The axes are {_AXES}, and metadata.n_features is {wanted}."
        if wanted in features.shape[1:]:
            at = features.shape.index(wanted)
            hint += f" Axis {at} has that length: np.moveaxis(features, {at}, 0) may be what you mean."
        raise CoreDataError(
            f"Axis 0 of features has length {features.shape[0]}, expected {wanted} (n_features); "
            f"found shape {features.shape}.",
            hint,
        )
    _check_samples(features.shape, metadata)


def _check_samples(shape: tuple[int, ...], metadata: BCIMetadata) -> None:
    how, n_samples = metadata.temporal_aggregation, shape[1]
    if n_samples == 0:
        raise CoreDataError(
            f"Axis 1 of features (n_samples) is empty; found shape {shape}.", "Give at least one sample."
        )
    if how == "none" and n_samples != 1:
        raise CoreDataError(
            f"temporal_aggregation is 'none', so axis 1 of features (n_samples) must have length 1, "
            f"but it has {n_samples}; found shape {shape}.",
            "Name how samples become one vector ('mean', 'median', 'logvar'), or reduce them yourself.",
        )
    if how == "logvar" and n_samples < 2:
        raise CoreDataError(
            f"temporal_aggregation is 'logvar', so axis 1 of features (n_samples) must be 2 or longer, "
            f"but it has {n_samples}; found shape {shape}.",
            "A variance needs two samples: use 'none' for features that are log-variances already.",
        )


def check_finite(features: FeatureArray) -> None:
    """Raise CoreDataError where features (n_features × n_samples, or × n_trials too) hold NaN or infinity."""
    # One pass without a temporary: a sum is finite only if every term is (or the terms are huge).
    with np.errstate(all="ignore"):
        if math.isfinite(features.sum()):
            return
    broken = ~np.isfinite(features)
    if not broken.any():
        return
    places = [int(at) for at in np.unravel_index(np.argmax(broken), features.shape)]
    where = ", ".join(
        f"{axis} {at}" for axis, at in zip(("feature", "sample", "trial"), places, strict=False)
    )
    raise CoreDataError(
        f"features hold {int(broken.sum())} value(s) that are NaN or infinite, the first "
        f"({features[tuple(places)]}) at {where}, counted from 0.",
        "Drop or repair these trials first: a classifier cannot weigh what was not measured.",
    )


def _read_only(features: FeatureArray) -> FeatureArray:
    seen = features.view()
    seen.flags.writeable = False
    return seen


def _fitting(labels: npt.ArrayLike, features: FeatureArray, metadata: BCIMetadata) -> LabelArray:
    found, n_trials = as_labels(labels), features.shape[2]
    if len(found) != n_trials:
        raise CoreDataError(
            f"labels have shape ({len(found)},), expected ({n_trials},): axis 2 of features is n_trials; "
            f"found shape {features.shape}.",
            "Give one label for each trial.",
        )
    kinds = len(np.unique(found))
    if kinds > metadata.n_classes:
        raise CoreDataError(
            f"labels hold {kinds} different values, but metadata.n_classes is {metadata.n_classes}.",
            "Correct n_classes, or leave out the trials of other classes.",
        )
    found.flags.writeable = False
    return found
