"""BCIData: the features of a set of trials, checked when created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from .._repr import format_html_table
from .._types import FeatureArray, FloatArray, LabelArray
from ..errors import CoreDataError, CoreTypeError
from .aggregate import aggregate
from .argument_checks import describe_kind
from .dask_arrays import is_dask_array, read_dask_features
from .features import check_axes, read_features
from .labels import read_labels
from .metadata import BCIMetadata, FeatureType, Paradigm, TemporalAggregation, describe_metadata
from .mne_epochs import EpochsLike, EventLabels, Transformer


@dataclass(frozen=True, slots=True, init=False, eq=False)
class BCIData:
    """Features of trials with metadata and labels; axes as in NimbusSDK.jl.

    Features that are float64 or float32 are not copied (memory maps and read-only arrays neither); other
    real numbers become float64, those of a memory map in pieces, when they are used. Do not change the array
    while the data are in use. A Dask array is not computed here: its values are checked when they are, and
    `predict_batch` returns a result that is computed on demand.

    Args:
        features: Shape (n_features × n_samples × n_trials).
        metadata: What the features are.
        labels: Shape (n_trials,), or None. Whole numbers (0, 1 or 1, 2 or any others), texts, or True and
            False.

    Raises:
        CoreDataError: A wrong axis, a value that is not finite, labels that do not fit. The message names
            the axis and the expected and found shape.

    Examples:
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
                f"metadata is {describe_kind(metadata)}, not a BCIMetadata.",
                "Build it with BCIMetadata(sampling_rate=…, paradigm=…, …).",
            )
        if is_dask_array(features):
            checked = read_dask_features(features)
            check_axes(checked, metadata)
        else:
            checked = read_features(features, metadata)
        object.__setattr__(self, "features", checked)
        object.__setattr__(self, "metadata", metadata)
        object.__setattr__(
            self, "labels", None if labels is None else _read_labels(labels, checked, metadata)
        )

    @classmethod
    def from_epochs(
        cls,
        epochs: EpochsLike,
        *,
        paradigm: Paradigm,
        feature_type: FeatureType | None = None,
        transformer: Transformer | None = None,
        temporal_aggregation: TemporalAggregation | None = None,
        n_classes: SupportsIndex | None = None,
        chunk_size: SupportsIndex | None = None,
        labels: EventLabels | None = None,
    ) -> BCIData:
        """Trials from ``mne.Epochs``, labelled by the names of their events or as ``labels`` say.

        Names and order of the channels, sampling rate and unit are read into the metadata; a model that was
        trained on them refuses others.

        Filter and remove artefacts with MNE first. Features are made of the channels by a ``transformer``
        that was fitted on the training epochs alone; use the same one for the test epochs::

            csp = fit_csp(training_epochs, n_components=8)
            training = BCIData.from_epochs(training_epochs, paradigm="motor_imagery", transformer=csp)
            test = BCIData.from_epochs(test_epochs, paradigm="motor_imagery", transformer=csp)

        Args:
            epochs: ``mne.Epochs``; a connected ``mne_lsl.stream.EpochsStream``, of which the epochs received
                so far are read; or what offers ``get_data()``, ``events``, ``event_id``, ``ch_names`` and
                ``info["sfreq"]`` likewise.
            paradigm: The task, such as ``"motor_imagery"``.
            feature_type: What the numbers are; by default ``"csp"`` for filters of common spatial patterns,
                as `fit_csp` learns them, and ``"raw_filtered"`` for the channels themselves. Anything else
                has no default.
            transformer: Something fitted with a method ``transform`` from (n_epochs × n_channels × n_times)
                to (n_epochs × n_features) or (n_epochs × n_features × n_samples), such as what `fit_csp`
                gives, ``mne.decoding.CSP`` or ``mne.decoding.Vectorizer``; None keeps the channels.
            temporal_aggregation: How a trial becomes one vector; by default ``"logvar"`` for filters of
                common spatial patterns and for the channels of motor imagery, and ``"none"`` for features
                without samples and for the feature type ``"erp"``: each sample is a feature then, those of a
                component next to each other. Other channels stay as they are, for a `Pipeline`. Anything
                else has no default.
            n_classes: Number of classes; by default the kinds of events that occur, or of ``labels``.
            chunk_size: Samples in one streamed chunk.
            labels: The label of each kind of event, by its name (or its code, if it has none), such as
                ``{"left": 1, "right": 2}`` for a model whose classes are 1 and 2.

        Raises:
            CoreDataError: Not epochs, or a spectrum of epochs; no epochs left; channels that are marked as
                bad, that are not signals of the brain, or that the filters were not learned on; an event
                without a label; a transformer that is not fitted; no feature type or no way to reduce samples
                to one vector where there is no default; or features that cannot be used.
        """
        from .epochs_features import read_epochs_features

        return cls(
            *read_epochs_features(
                epochs,
                paradigm,
                feature_type,
                transformer,
                temporal_aggregation,
                n_classes,
                chunk_size,
                labels,
            )
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
        """Return one vector for each trial: the ``X`` of scikit-learn, with ``labels`` as ``y``.

        Returns:
            Shape (n_trials × n_features), reduced by ``metadata.temporal_aggregation``.

        Raises:
            CoreDataError: ``"logvar"`` where a feature does not vary within a trial, or by more than 1e150.
        """
        if is_dask_array(self.features):
            from .dask_aggregate import aggregate_piecewise

            return aggregate_piecewise(self.features, self.metadata)
        return aggregate(self.features, self.metadata.temporal_aggregation)

    def __len__(self) -> int:
        return self.n_trials

    def __getitem__(self, trials: SupportsIndex | slice | npt.ArrayLike) -> BCIData:
        """Return some of the trials with their labels; a slice shares the memory of the whole.

        Args:
            trials: An index (for data of one trial), a slice, indices, or a truth value for each trial.

        Raises:
            IndexError: As of a NumPy array with one axis.
            CoreDataError: An index with several axes.

        Examples:
            >>> about = BCIMetadata(250.0, "motor_imagery", "csp", n_features=2, n_classes=2)
            >>> data = BCIData(np.zeros((2, 50, 3)), about, labels=["left", "right", "left"])
            >>> len(data[1:]), data[data.labels == "left"].labels.tolist(), data[-1].features.shape
            (2, ['left', 'left'], (2, 50, 1))
        """
        indices = np.asarray(np.arange(self.n_trials)[trials])  # type: ignore[index]
        if indices.ndim > 1:
            raise CoreDataError(
                f"Trials are chosen along one axis, but the index has {indices.ndim}.",
                "Give an index, a slice, indices, or a truth value for each trial.",
            )
        chosen = trials if isinstance(trials, slice) else np.atleast_1d(indices)
        labels = None if self.labels is None else self.labels[chosen]
        return BCIData(self.features[..., chosen], self.metadata, labels)

    def __repr__(self) -> str:
        labelled = "labelled" if self.labels is not None else "without labels"
        return (
            f"BCIData({self.n_features} features × {self.n_samples} samples × {self.n_trials} trials, "
            f"{self.metadata.paradigm}, {self.metadata.feature_type}, {labelled})"
        )

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        found, metadata = self.labels, self.metadata
        counts = [] if found is None else zip(*np.unique(found, return_counts=True), strict=True)
        summary = [
            ("features", str(self.n_features)),
            ("samples", f"{self.n_samples} at {metadata.sampling_rate:g} Hz"),
            ("trials", str(self.n_trials)),
            ("paradigm", metadata.paradigm),
            ("feature type", metadata.feature_type),
            ("labels", ", ".join(f"{label}: {count}" for label, count in counts) or "none"),
        ]
        return format_html_table("BCIData", summary, describe_metadata(metadata))


def _read_labels(labels: npt.ArrayLike, features: FeatureArray, metadata: BCIMetadata) -> LabelArray:
    checked, n_trials = read_labels(labels), features.shape[2]
    if len(checked) != n_trials:
        raise CoreDataError(
            f"labels have shape ({len(checked)},), expected ({n_trials},): axis 2 of features is n_trials; "
            f"found shape {features.shape}.",
            "Give one label for each trial.",
        )
    n_kinds = len(np.unique(checked))
    if n_kinds > metadata.n_classes:
        raise CoreDataError(
            f"labels hold {n_kinds} different values, but metadata.n_classes is {metadata.n_classes}.",
            "Correct n_classes, or leave out the trials of other classes.",
        )
    checked.flags.writeable = False
    return checked
