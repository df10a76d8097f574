"""Pipeline: spatial filters, normalization and decoder as one thing, which reads raw channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from .._repr import Summary, format_html_table, format_line
from .._types import FeatureArray, FloatArray, LabelArray
from ..data.aggregate import aggregate, aggregate_or_view
from ..data.argument_checks import check_kind, describe_kind
from ..data.bci_data import BCIData
from ..data.csp import SpatialFilters
from ..data.metadata import BCIMetadata
from ..data.mne_epochs import Transformer
from ..data.normalization import NormalizationParams, scale_features
from ..errors import CoreDataError, CoreTypeError, NotTrainedError
from ..stats.blocked import blocks
from ..stats.student_t import Scores
from .model_card import JsonValue, ModelCard
from .protocol import Decoder

# Numbers of raw channels that are filtered at once; with the intermediate results some ten megabytes.
_PIECE_NUMBERS = 2**19

_OTHERS = "Give the filters that made the features of its training."


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Spatial filters, normalization and a trained decoder, in one object and one file.

    It reads raw channels, filtered in time as those of the training: `predict_batch` takes trials of shape
    (n_channels × n_samples × n_trials), a stream takes chunks of shape (n_channels × n_samples). `metadata`
    describes them. The decoder's ``temporal_aggregation`` reduces the filtered samples to one vector. Where
    it is ``"none"`` and the decoder has several features for each component, these are the samples, those of
    a component next to each other, as `BCIData.from_epochs` gives them with ``feature_type="erp"``.

    Args:
        filters: From `fit_csp`, or `SpatialFilters` of any kind; or a fitted linear transformer (CSP, Xdawn)
            if the decoder knows the names of its channels; None without.
        normalization: From `estimate_normalization_params`, learned on the filtered features; None without.
        model: A decoder that `train_model` trained on the filtered and normalized features.

    Raises:
        CoreTypeError: One of them is of another class.
        CoreDataError: They do not fit each other.
        NotTrainedError: The decoder is not trained.

    Examples:
        >>> from nimbus_sdk_core import BCIData, NimbusLDA, predict_batch, train_model
        >>> filters = SpatialFilters([[1.0, -1.0]], ["C3", "C4"])
        >>> random = np.random.default_rng(1)
        >>> recording = random.normal(size=(2, 50, 20)) * (1.0 + np.arange(20) % 2)
        >>> raw = BCIData(
        ...     recording,
        ...     BCIMetadata(100.0, "motor_imagery", "raw_filtered", 2, 2, temporal_aggregation="logvar"),
        ...     labels=np.arange(20) % 2,
        ... )
        >>> filtered = BCIData(
        ...     np.tensordot(filters.filters, recording, 1),
        ...     BCIMetadata(100.0, "motor_imagery", "csp", 1, 2, temporal_aggregation="logvar"),
        ...     raw.labels,
        ... )
        >>> pipeline = Pipeline(filters, None, train_model(NimbusLDA, filtered))
        >>> pipeline.metadata.channel_names, predict_batch(pipeline, raw).accuracy
        (('C3', 'C4'), 1.0)
    """

    filters: SpatialFilters | None
    normalization: NormalizationParams | None
    model: Decoder

    def __init__(
        self,
        filters: SpatialFilters | Transformer | None,
        normalization: NormalizationParams | None,
        model: Decoder,
    ) -> None:
        assign = object.__setattr__
        assign(self, "model", _check_decoder(model))
        assign(self, "filters", self._read_filters(filters))
        if normalization is not None:
            hint = "Give what estimate_normalization_params() returned, or None."
            check_kind("normalization", normalization, NormalizationParams, hint)
        assign(self, "normalization", normalization)
        self._check_sizes()

    @property
    def card(self) -> ModelCard:
        """The decoder's card, with the metadata of the raw channels."""
        card = _card(self.model)
        return ModelCard(card.name, self.metadata, card.description, card.details)

    @property
    def metadata(self) -> BCIMetadata:
        """What the raw channels are, for trials and streams that this pipeline is to decode."""
        of_model = _card(self.model).metadata
        if self.filters is None and not self._has_samples_as_features:
            return of_model
        channels = of_model.channel_names if self.filters is None else self.filters.channels
        aggregation = "none" if self._has_samples_as_features else of_model.temporal_aggregation
        return replace(
            of_model,
            n_features=self.n_features_in_,
            feature_type="raw_filtered",
            temporal_aggregation=aggregation,
            channel_names=channels,
        )

    @property
    def classes_(self) -> LabelArray:
        """The decoder's labels, sorted."""
        return self.model.classes_

    @property
    def priors_(self) -> FloatArray:
        """Probability of each class before its trial is seen, shape (n_classes,)."""
        return self.model.priors_

    @property
    def n_features_in_(self) -> int:
        """Number of raw channels."""
        return self.model.n_features_in_ if self.filters is None else len(self.filters.channels)

    @property
    def hyper(self) -> Mapping[str, JsonValue]:
        """The decoder's hyper-parameters."""
        return self.model.hyper

    def score_trials(self, X: FloatArray) -> Scores:  # noqa: N803
        """Log posteriors and distances of vectors from `vectors`, by the decoder."""
        return self.model.score_trials(X)

    def transform(self, data: BCIData) -> BCIData:
        """Filter and normalize trials of raw channels, for the decoder alone.

        Raises:
            CoreDataError: Trials that are not as long as those of the training, where that matters.
        """
        metadata = replace(_card(self.model).metadata, chunk_size=data.metadata.chunk_size)
        return BCIData(self._filter(data.features), metadata, data.labels)

    def with_model(self, model: Decoder) -> Pipeline:
        """The same filters and normalization with another decoder, such as a calibrated one."""
        return Pipeline(self.filters, self.normalization, model)

    def vectors(self, features: FeatureArray) -> FloatArray:
        """Filter and normalize raw channels, and reduce each trial to the decoder's vector.

        Args:
            features: Shape (n_channels × n_samples × n_trials), in memory; read in pieces.

        Returns:
            Shape (n_trials × n_features).

        Raises:
            CoreDataError: Trials that are not as long as those of the training, where that matters; or
                ``"logvar"`` of something that does not vary.
        """
        n_channels, n_samples, n_trials = features.shape
        aggregation = _card(self.model).metadata.temporal_aggregation
        result = np.empty((n_trials, self.model.n_features_in_))
        for block in blocks(n_trials, max(1, _PIECE_NUMBERS // (n_channels * n_samples))):
            result[block] = aggregate(self._filter(features[:, :, block]), aggregation)
        return result

    def __repr__(self) -> str:
        return format_line("Pipeline", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("Pipeline", self._summary())

    def _summary(self) -> Summary:
        return [
            ("filters", "none" if self.filters is None else repr(self.filters)),
            ("normalization", "none" if self.normalization is None else self.normalization.method),
            ("decoder", repr(self.model)),
        ]

    @property
    def _has_samples_as_features(self) -> bool:
        is_vector = _card(self.model).metadata.temporal_aggregation == "none"
        return is_vector and self._n_components < self.model.n_features_in_

    @property
    def _n_components(self) -> int:
        return self.model.n_features_in_ if self.filters is None else len(self.filters.filters)

    def _filter(self, features: FeatureArray) -> FeatureArray:
        """Filter and normalize raw channels, (n_channels × n_samples × n_trials), in memory or in Dask."""
        filtered = features
        if self.filters is not None:
            filtered = cast(FeatureArray, np.tensordot(self.filters.filters, features, axes=1))
        if self._has_samples_as_features:
            filtered = self._as_features(filtered)
        return filtered if self.normalization is None else scale_features(filtered, self.normalization)

    def _as_features(self, filtered: FeatureArray) -> FeatureArray:
        n_components, n_samples, n_trials = filtered.shape
        if n_components * n_samples != self.model.n_features_in_:
            raise CoreDataError(
                f"Trials have {n_samples} samples, but the decoder was trained on "
                f"{self.model.n_features_in_ // n_components}, each of them a feature.",
                "Give trials or chunks of that length.",
            )
        return filtered.reshape(n_components * n_samples, 1, n_trials)

    def _read_filters(self, filters: SpatialFilters | Transformer | None) -> SpatialFilters | None:
        if filters is None or isinstance(filters, SpatialFilters):
            return filters
        if not hasattr(filters, "transform"):
            raise CoreTypeError(
                f"filters is {describe_kind(filters)}, not a SpatialFilters.",
                "Give what fit_csp() returned, or SpatialFilters(filters, channels).",
            )
        names = _card(self.model).metadata.channel_names
        if names is None:
            raise CoreDataError(
                "The decoder does not know the names of its channels.",
                "Give SpatialFilters.from_transformer(transformer, channels).",
            )
        return SpatialFilters.from_transformer(filters, names)

    def _check_sizes(self) -> None:
        n_features, n_components = self.model.n_features_in_, self._n_components
        is_whole = self._has_samples_as_features and n_features % n_components == 0
        if n_components != n_features and not is_whole:
            raise CoreDataError(
                f"There are {n_components} filters, but the decoder reads {n_features} features.", _OTHERS
            )
        if self.normalization is not None and len(self.normalization.means) != n_features:
            n_normalized = len(self.normalization.means)
            raise CoreDataError(
                f"The normalization is for {n_normalized} features, but the decoder reads {n_features}.",
                "Give the parameters that were learned on the features of its training.",
            )
        names = _card(self.model).metadata.channel_names
        if self.filters is not None and names is not None and names != self.filters.channels:
            raise CoreDataError(
                f"The filters are for the channels {', '.join(self.filters.channels)}; the decoder was "
                f"trained on {', '.join(names)}.",
                _OTHERS,
            )


def find_decoder(model: Decoder | Pipeline) -> Decoder:
    """Return the decoder of a pipeline, and a decoder itself."""
    return model.model if isinstance(model, Pipeline) else model


def read_vectors_of(model: Decoder | Pipeline, features: FeatureArray, metadata: BCIMetadata) -> FeatureArray:
    """Reduce trials to the vectors that a decoder or a pipeline scores.

    Args:
        model: A trained decoder, or a pipeline.
        features: What it reads, in memory, shape (n_features × n_samples × n_trials).
        metadata: What the features are.

    Returns:
        Shape (n_trials × n_features); a view where nothing is to be reduced.

    Raises:
        CoreDataError: Trials that cannot be reduced.
    """
    if isinstance(model, Pipeline):
        return model.vectors(features)
    return aggregate_or_view(features, metadata.temporal_aggregation)


def _check_decoder(model: Decoder) -> Decoder:
    # The class is checked, since an untrained model lacks the attributes of a trained one.
    if not hasattr(type(model), "partial_fit"):
        raise CoreTypeError(
            f"model is {describe_kind(model)}, not a decoder.",
            "Give what train_model() or load_model() returned.",
        )
    if not hasattr(model, "classes_"):
        raise NotTrainedError("The decoder is not trained.", "Call train_model() first.")
    _card(model)
    return model


def _card(model: Decoder) -> ModelCard:
    if model.card is None:
        raise CoreDataError(
            "The decoder has no metadata of its data.",
            "Train it with train_model(), or set model.card = ModelCard(name, metadata).",
        )
    return model.card
