"""Features, metadata and labels of MNE's Epochs, with or without a transformer."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from .._types import FeatureArray, FloatArray, LabelArray
from ..errors import CoreDataError
from .csp import SpatialFilters
from .metadata import BCIMetadata, FeatureType, Paradigm, TemporalAggregation
from .mne_epochs import EpochsLike, EventLabels, Transformer, read_epochs


def read_epochs_features(
    epochs: EpochsLike,
    paradigm: Paradigm,
    feature_type: FeatureType | None,
    transformer: Transformer | None,
    temporal_aggregation: TemporalAggregation | None,
    n_classes: SupportsIndex | None,
    chunk_size: SupportsIndex | None,
    event_labels: EventLabels | None,
) -> tuple[FeatureArray, BCIMetadata, LabelArray]:
    """Read what `BCIData.from_epochs` makes trials of; the arguments are described there.

    Returns:
        Features (n_features × n_samples × n_epochs), their metadata, and one label for each epoch.

    Raises:
        CoreDataError: See `BCIData.from_epochs`.
    """
    recording = read_epochs(epochs, event_labels)
    if isinstance(transformer, SpatialFilters):
        transformer.check_channels(recording.channel_names)
    signals = recording.signals
    features = _move_trials_last(signals) if transformer is None else _transform(transformer, signals)
    if n_classes is None and recording.n_classes < 2:
        raise CoreDataError(
            f"The epochs hold {recording.n_classes} kind(s) of event, so that the number of classes is not "
            "known.",
            "Give n_classes.",
        )
    metadata = BCIMetadata(
        sampling_rate=recording.sampling_rate,
        paradigm=paradigm,
        feature_type=feature_type or _default_feature_type(transformer),
        n_features=features.shape[0],
        n_classes=recording.n_classes if n_classes is None else n_classes,  # type: ignore[arg-type]
        chunk_size=chunk_size,  # type: ignore[arg-type]
        temporal_aggregation=temporal_aggregation or _default_aggregation(paradigm, transformer, features),
        channel_names=recording.channel_names,
        unit=recording.unit,
        band=recording.band,
    )
    return features, metadata, recording.labels


def _transform(transformer: Transformer, recording: FloatArray) -> FeatureArray:
    features = np.asarray(transformer.transform(recording))
    if features.ndim == 2:
        features = features[:, :, np.newaxis]
    if features.ndim != 3 or len(features) != len(recording):
        raise CoreDataError(
            f"The transformer made an array of shape {features.shape} of {len(recording)} epochs.",
            "It should give (n_epochs × n_features), or (n_epochs × n_features × n_samples).",
        )
    return _move_trials_last(features)


def _move_trials_last(by_epoch: FloatArray) -> FeatureArray:
    return by_epoch.transpose(1, 2, 0)


def _default_feature_type(transformer: Transformer | None) -> FeatureType:
    if transformer is None:
        return "raw_filtered"
    if isinstance(transformer, SpatialFilters):
        return "csp"
    raise CoreDataError(
        f"The kind of feature that a {type(transformer).__name__} makes is not known.",
        "Give feature_type, such as 'csp', 'bandpower', 'time_domain' or 'erp'.",
    )


def _default_aggregation(
    paradigm: str, transformer: Transformer | None, features: FeatureArray
) -> TemporalAggregation:
    if features.shape[1] == 1:
        return "none"
    if isinstance(transformer, SpatialFilters) or (transformer is None and paradigm == "motor_imagery"):
        return "logvar"
    # Waves cancel out over a whole epoch: a mean by default would silently remove them.
    raise CoreDataError(
        f"How the {features.shape[1]} samples of an epoch become one vector is not known.",
        "Give temporal_aggregation: 'logvar' for rhythms, 'mean' or 'median' for levels that an epoch keeps; "
        "or, for the shape of a wave, a transformer such as mne.decoding.Vectorizer().",
    )
