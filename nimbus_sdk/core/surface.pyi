"""Typed signatures of what a core offers, for editors and type checkers; nothing imports this at run time.

Names, order and defaults of parameters follow NimbusSDK.jl, axes and units as in its documentation:
features are (n_features, n_samples, n_trials), a chunk is (n_features, n_samples), times are in
milliseconds unless a name says otherwise, entropies in bits.
"""
# ruff: noqa: N802, N803 - these names are NimbusSDK.jl's and scikit-learn's

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol, Self, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt

__version__: str

FloatArray: TypeAlias = npt.NDArray[np.float64]
LabelArray: TypeAlias = npt.NDArray[np.int64 | np.str_ | np.bool_]
Label: TypeAlias = int | str | bool
TemporalAggregation: TypeAlias = Literal["mean", "median", "logvar", "none"]
Aggregation: TypeAlias = Literal["weighted_vote", "max_confidence", "posterior_mean", "unanimous"]
HyperValue: TypeAlias = npt.ArrayLike | None
JsonValue: TypeAlias = bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None

class BCIMetadata:
    sampling_rate: float
    paradigm: str
    feature_type: str
    n_features: int
    n_classes: int
    chunk_size: int | None
    temporal_aggregation: TemporalAggregation
    def __init__(
        self,
        sampling_rate: float,
        paradigm: str,
        feature_type: str,
        n_features: int,
        n_classes: int,
        chunk_size: int | None = None,
        temporal_aggregation: TemporalAggregation = "mean",
    ) -> None: ...

class Epochs(Protocol):
    @property
    def events(self) -> npt.NDArray[np.integer]: ...
    @property
    def event_id(self) -> Mapping[str, int]: ...
    @property
    def info(self) -> Mapping[str, object]: ...
    @property
    def ch_names(self) -> Sequence[str]: ...
    def get_data(self) -> FloatArray: ...

class Transformer(Protocol):
    def transform(self, X: FloatArray) -> npt.ArrayLike: ...

class BCIData:
    features: npt.NDArray[np.float64 | np.float32]
    metadata: BCIMetadata
    labels: LabelArray | None
    def __init__(
        self, features: npt.ArrayLike, metadata: BCIMetadata, labels: npt.ArrayLike | None = None
    ) -> None: ...
    @classmethod
    def from_epochs(
        cls,
        epochs: Epochs,
        *,
        paradigm: str,
        feature_type: str | None = None,
        transformer: Transformer | None = None,
        temporal_aggregation: TemporalAggregation | None = None,
        n_classes: int | None = None,
        chunk_size: int | None = None,
    ) -> BCIData: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_samples(self) -> int: ...
    @property
    def n_trials(self) -> int: ...
    def vectors(self) -> FloatArray: ...
    def __len__(self) -> int: ...
    def __getitem__(self, trials: SupportsIndex | slice | npt.ArrayLike) -> BCIData: ...

class ModelCard:
    name: str
    metadata: BCIMetadata
    description: str
    details: Mapping[str, JsonValue]
    @property
    def simulated(self) -> bool: ...
    @property
    def class_names(self) -> tuple[str, ...] | None: ...

class Model(Protocol):
    card: ModelCard | None
    classes_: LabelArray
    @property
    def n_features_in_(self) -> int: ...
    @property
    def hyper(self) -> Mapping[str, JsonValue]: ...
    def get_params(self, deep: bool = True) -> dict[str, HyperValue]: ...
    def set_params(self, **params: HyperValue) -> Self: ...
    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self: ...
    def partial_fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, classes: npt.ArrayLike | None = None
    ) -> Self: ...

class _Classifier:
    card: ModelCard | None
    classes_: LabelArray
    @property
    def n_features_in_(self) -> int: ...
    @property
    def feature_names_in_(self) -> npt.NDArray[np.object_]: ...
    @property
    def hyper(self) -> Mapping[str, JsonValue]: ...
    def get_params(self, deep: bool = True) -> dict[str, HyperValue]: ...
    def set_params(self, **params: HyperValue) -> Self: ...
    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self: ...
    def partial_fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, classes: npt.ArrayLike | None = None
    ) -> Self: ...
    def predict(self, X: npt.ArrayLike) -> LabelArray: ...
    def predict_proba(self, X: npt.ArrayLike) -> FloatArray: ...
    def predict_log_proba(self, X: npt.ArrayLike) -> FloatArray: ...
    def decision_function(self, X: npt.ArrayLike) -> FloatArray: ...
    def score(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float: ...

class _GaussianClassifier(_Classifier):
    dof_offset: float
    mean_prior_precision: float
    priors: npt.ArrayLike | None
    def __init__(
        self,
        *,
        dof_offset: float = 2,
        mean_prior_precision: float = 0.01,
        priors: npt.ArrayLike | None = None,
    ) -> None: ...
    @property
    def priors_(self) -> FloatArray: ...
    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self: ...
    def partial_fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self: ...

class NimbusLDA(_GaussianClassifier):
    @property
    def coef_(self) -> FloatArray: ...
    @property
    def intercept_(self) -> FloatArray: ...

class NimbusQDA(_GaussianClassifier): ...

class NimbusProbit(_Classifier):
    iterations: int
    N: int
    xi_beta: npt.ArrayLike | None
    W_beta: npt.ArrayLike | None
    W_df: float | None
    W_scale: npt.ArrayLike | None
    def __init__(
        self,
        *,
        iterations: int = 50,
        N: int = 1,
        xi_beta: npt.ArrayLike | None = None,
        W_beta: npt.ArrayLike | None = None,
        W_df: float | None = None,
        W_scale: npt.ArrayLike | None = None,
    ) -> None: ...

class ConfidenceCalibration:
    expected_error: float
    maximum_error: float
    bin_edges: FloatArray
    bin_counts: npt.NDArray[np.intp]
    bin_confidences: FloatArray
    bin_accuracies: FloatArray

class BatchResult:
    predictions: LabelArray
    confidences: FloatArray
    posteriors: FloatArray
    classes: LabelArray
    entropy: FloatArray
    mean_entropy: float
    mahalanobis_distances: FloatArray
    outlier_scores: FloatArray
    balance: float
    latency_ms: float
    per_trial_latency_ms: float
    model_name: str
    simulated: bool
    accuracy: float | None
    confidence_calibration: ConfidenceCalibration | None
    class_names: tuple[str, ...] | None
    def __len__(self) -> int: ...
    def compute(self) -> Self: ...

class ChunkResult:
    prediction: Label
    confidence: float
    posterior: FloatArray
    latency_ms: float
    classes: LabelArray
    model_name: str
    simulated: bool

class StreamingSession:
    model: Model
    metadata: BCIMetadata
    chunk_history: list[ChunkResult]
    def reset(self) -> None: ...

class StreamingResult:
    prediction: Label
    confidence: float
    posterior: FloatArray
    chunk_posteriors: FloatArray
    entropy: float
    aggregation_method: Aggregation
    n_chunks: int
    latency_ms: float
    chunk_latencies_ms: FloatArray
    balance: float
    classes: LabelArray
    model_name: str
    simulated: bool
    confidence_calibration: ConfidenceCalibration | None
    class_names: tuple[str, ...] | None

class TrialQuality:
    overall_score: float
    confidence_acceptable: bool
    recommendation: str
    rejected: npt.NDArray[np.bool_]

M = TypeVar("M", bound=Model)

@overload
def load_model(
    kind: type[M], name_or_path: str | os.PathLike[str], *, search: Iterable[str | os.PathLike[str]] = ()
) -> M: ...
@overload
def load_model(
    kind: str, name_or_path: str | os.PathLike[str], *, search: Iterable[str | os.PathLike[str]] = ()
) -> Model: ...
def save_model(model: Model, path: str | os.PathLike[str]) -> os.PathLike[str]: ...
@overload
def train_model(
    kind: type[M],
    data: BCIData,
    *,
    iterations: int = 50,
    showprogress: bool = False,
    name: str = "",
    description: str = "",
    **hyper: HyperValue,
) -> M: ...
@overload
def train_model(
    kind: str,
    data: BCIData,
    *,
    iterations: int = 50,
    showprogress: bool = False,
    name: str = "",
    description: str = "",
    **hyper: HyperValue,
) -> Model: ...
def calibrate_model(base: M, data: BCIData, *, iterations: int = 20) -> M: ...
def predict_batch(model: Model, data: BCIData, *, iterations: int = 10) -> BatchResult: ...
def init_streaming(model: Model, metadata: BCIMetadata) -> StreamingSession: ...
def process_chunk(
    session: StreamingSession, chunk: npt.ArrayLike, *, iterations: int = 10
) -> ChunkResult: ...
def finalize_trial(
    session: StreamingSession,
    *,
    method: Aggregation = "weighted_vote",
    temporal_weighting: bool = True,
    label: Label | None = None,
) -> StreamingResult: ...
def calculate_ITR(
    accuracy: float, n_classes: int, trial_duration: float, *, clip_negative: bool = False
) -> float: ...
def assess_trial_quality(
    result: BatchResult | StreamingResult | ChunkResult | npt.ArrayLike, *, confidence_threshold: float = 0.7
) -> TrialQuality: ...
