"""Features, metadata and labels of MNE's Epochs, with or without a transformer."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from .._types import FeatureArray, FloatArray, LabelArray
from ..errors import CoreDataError
from .argument_checks import strip_stop
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
    kind, aggregation = _choose_ways(paradigm, feature_type, temporal_aggregation, transformer, features)
    if aggregation == "none" and kind != "raw_filtered":
        features = _samples_as_features(features)
    if n_classes is None and recording.n_classes < 2:
        raise CoreDataError(
            f"The epochs hold {recording.n_classes} kind(s) of event, so that the number of classes is not "
            "known.",
            "Give n_classes.",
        )
    metadata = BCIMetadata(
        sampling_rate=recording.sampling_rate,
        paradigm=paradigm,
        feature_type=kind,
        n_features=features.shape[0],
        n_classes=recording.n_classes if n_classes is None else n_classes,  # type: ignore[arg-type]
        chunk_size=chunk_size,  # type: ignore[arg-type]
        temporal_aggregation=aggregation,
        channel_names=recording.channel_names,
        unit=recording.unit,
        band=recording.band,
    )
    return features, metadata, recording.labels


def _transform(transformer: Transformer, recording: FloatArray) -> FeatureArray:
    try:
        features = np.asarray(transformer.transform(recording))
    except CoreDataError:
        raise
    except Exception as error:
        raise CoreDataError(
            f"The {type(transformer).__name__} cannot transform the epochs: {strip_stop(error)}.",
            "Fit all of it on the training epochs first, on the same channels. SpatialFilters need no "
            "Vectorizer: with feature_type='erp' their samples are the features.",
        ) from error
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


def _samples_as_features(features: FeatureArray) -> FeatureArray:
    """Each sample a feature, those of a component next to each other: (n_features × 1 × n_trials)."""
    return features.reshape(-1, 1, features.shape[2])


def _choose_ways(
    paradigm: str,
    feature_type: FeatureType | None,
    aggregation: TemporalAggregation | None,
    transformer: Transformer | None,
    features: FeatureArray,
) -> tuple[FeatureType, TemporalAggregation]:
    """What the features are and how a trial becomes one vector, as chosen or by default."""
    kind = feature_type or _default_feature_type(transformer)
    way = aggregation or _default_aggregation(paradigm, kind, transformer, features.shape[1])
    if kind is not None and way is not None:
        return kind, way
    name = "channels" if transformer is None else type(transformer).__name__
    unknown, choices = [], []
    if kind is None:
        unknown.append(f"The kind of feature that the {name} makes is not known.")
        choices.append("feature_type, such as 'csp', 'bandpower' or 'time_domain', or 'erp' for a wave")
    if way is None:
        unknown.append(f"How the {features.shape[1]} samples of an epoch become one vector is not known.")
        choices.append(
            "temporal_aggregation: 'logvar' for rhythms, 'mean' or 'median' for levels that an epoch keeps, "
            "'none' if each sample is a feature, as feature_type='erp' has it"
        )
    better = " For common spatial patterns, fit_csp(epochs) needs neither." if name == "CSP" else ""
    raise CoreDataError(" ".join(unknown), f"Give {'; and '.join(choices)}.{better}")


def _default_feature_type(transformer: Transformer | None) -> FeatureType | None:
    if transformer is None:
        return "raw_filtered"
    return "csp" if isinstance(transformer, SpatialFilters) and transformer.finds_rhythms else None


def _default_aggregation(
    paradigm: str, kind: FeatureType | None, transformer: Transformer | None, n_samples: int
) -> TemporalAggregation | None:
    # Waves cancel out over a whole epoch: a mean by default would silently remove them.
    if n_samples == 1 or kind == "erp":
        return "none"
    if transformer is None:
        if paradigm == "motor_imagery":
            return "logvar"
        return "none" if kind == "raw_filtered" else None
    return "logvar" if isinstance(transformer, SpatialFilters) and transformer.finds_rhythms else None
