"""The open reference core of the Nimbus BCI Python SDK: Bayesian classifiers for EEG features, NumPy only.

Examples:
    >>> from nimbus_sdk_core import NimbusLDA, load_model, predict_batch, simulate
    >>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
    >>> len(predict_batch(model, simulate("motor_imagery", n_trials=20, seed=1)))
    20
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__
from .data.bci_data import BCIData
from .data.metadata import BCIMetadata, OwnWord
from .decoding.batch_result import BatchResult
from .decoding.confidence_calibration import ConfidenceCalibration
from .decoding.predict import predict_batch
from .errors import (
    CoreDataError,
    CoreTypeError,
    MissingLibraryError,
    ModelFileError,
    ModelMismatchError,
    ModelNotFoundError,
    NimbusCoreError,
    NotTrainedError,
    StreamError,
)
from .models.gaussian import NimbusLDA, NimbusQDA
from .models.model_card import ModelCard
from .models.probit import NimbusProbit
from .models.protocol import Decoder
from .models.training import calibrate_model, train_model

if TYPE_CHECKING:
    from .checks.fisher import compute_fisher_score, rank_features_by_discriminability
    from .checks.itr import calculate_ITR, calculate_itr
    from .checks.preprocessing import PreprocessingReport, diagnose_preprocessing
    from .checks.validation import (
        SuspiciousDataWarning,
        check_model_compatibility,
        validate_chunk,
        validate_data,
    )
    from .data.csp import SpatialFilters, fit_csp
    from .data.normalization import NormalizationParams, apply_normalization, estimate_normalization_params
    from .decoding.dask_result import LazyBatchResult
    from .decoding.paradigms import ParadigmDefaults, get_paradigm_defaults
    from .decoding.streaming import (
        StreamingSession,
        finalize_trial,
        init_streaming,
        process_chunk,
        should_stop,
    )
    from .decoding.streaming_results import ChunkResult, StreamingResult
    from .decoding.trial_quality import TrialQuality, assess_trial_quality, should_reject_trial
    from .decoding.voting import AggregatedChunks, aggregate_chunks
    from .io.load_save import load_model, save_model
    from .live.decode_stream import decode_stream
    from .models.compatibility import get_n_classes, get_n_features, get_paradigm
    from .models.pipeline import Pipeline
    from .models.probit_state import ConvergenceWarning
    from .models.tempering import calibrate_streaming
    from .plots import plot_calibration, plot_confusion, plot_posteriors
    from .simulation import simulate

PROTOCOL_VERSION = 1
"""Version of what a core offers to nimbus_sdk; raised when a name here changes its meaning."""

RxLDAModel = NimbusLDA
RxGMMModel = NimbusQDA
RxPolyaModel = NimbusProbit

__all__ = [
    "PROTOCOL_VERSION",
    "AggregatedChunks",
    "BCIData",
    "BCIMetadata",
    "BatchResult",
    "ChunkResult",
    "ConfidenceCalibration",
    "ConvergenceWarning",
    "CoreDataError",
    "CoreTypeError",
    "Decoder",
    "LazyBatchResult",
    "MissingLibraryError",
    "ModelCard",
    "ModelFileError",
    "ModelMismatchError",
    "ModelNotFoundError",
    "NimbusCoreError",
    "NimbusLDA",
    "NimbusProbit",
    "NimbusQDA",
    "NormalizationParams",
    "NotTrainedError",
    "OwnWord",
    "ParadigmDefaults",
    "Pipeline",
    "PreprocessingReport",
    "RxGMMModel",
    "RxLDAModel",
    "RxPolyaModel",
    "SpatialFilters",
    "StreamError",
    "StreamingResult",
    "StreamingSession",
    "SuspiciousDataWarning",
    "TrialQuality",
    "__version__",
    "aggregate_chunks",
    "apply_normalization",
    "assess_trial_quality",
    "calculate_ITR",
    "calculate_itr",
    "calibrate_model",
    "calibrate_streaming",
    "check_model_compatibility",
    "compute_fisher_score",
    "decode_stream",
    "diagnose_preprocessing",
    "estimate_normalization_params",
    "finalize_trial",
    "fit_csp",
    "get_n_classes",
    "get_n_features",
    "get_paradigm",
    "get_paradigm_defaults",
    "init_streaming",
    "load_model",
    "plot_calibration",
    "plot_confusion",
    "plot_posteriors",
    "predict_batch",
    "process_chunk",
    "rank_features_by_discriminability",
    "save_model",
    "should_reject_trial",
    "should_stop",
    "simulate",
    "train_model",
    "validate_chunk",
    "validate_data",
]

# What is not needed to decode a batch is imported when it is first used: files and simulation alone bring
# modules of the standard library that double the cost of this import.
_HOMES = {
    "checks.fisher": "compute_fisher_score rank_features_by_discriminability",
    "checks.itr": "calculate_ITR calculate_itr",
    "checks.preprocessing": "PreprocessingReport diagnose_preprocessing",
    "checks.validation": "SuspiciousDataWarning check_model_compatibility validate_chunk validate_data",
    "data.csp": "SpatialFilters fit_csp",
    "data.normalization": "NormalizationParams apply_normalization estimate_normalization_params",
    "decoding.dask_result": "LazyBatchResult",
    "decoding.paradigms": "ParadigmDefaults get_paradigm_defaults",
    "decoding.streaming": "StreamingSession finalize_trial init_streaming process_chunk should_stop",
    "decoding.streaming_results": "ChunkResult StreamingResult",
    "decoding.trial_quality": "TrialQuality assess_trial_quality should_reject_trial",
    "decoding.voting": "AggregatedChunks aggregate_chunks",
    "io.load_save": "load_model save_model",
    "live.decode_stream": "decode_stream",
    "models.compatibility": "get_n_classes get_n_features get_paradigm",
    "models.pipeline": "Pipeline",
    "models.probit_state": "ConvergenceWarning",
    "models.tempering": "calibrate_streaming",
    "plots": "plot_calibration plot_confusion plot_posteriors",
    "simulation": "simulate",
}
_ON_FIRST_USE = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_ON_FIRST_USE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE})
