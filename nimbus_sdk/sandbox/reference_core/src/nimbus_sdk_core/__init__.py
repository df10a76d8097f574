"""The open reference core of the Nimbus BCI Python SDK: Bayesian classifiers for EEG features, NumPy only.

>>> from nimbus_sdk_core import NimbusLDA, load_model, predict_batch, simulate
>>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
>>> len(predict_batch(model, simulate("motor_imagery", n_trials=20, seed=1)))
20
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__
from .calibration import ConfidenceCalibration
from .card import ModelCard
from .data import BCIData
from .decoder import Decoder
from .errors import (
    CoreDataError,
    CoreTypeError,
    ModelFileError,
    ModelMismatchError,
    ModelNotFoundError,
    NimbusCoreError,
    NotTrainedError,
)
from .lda import NimbusLDA
from .metadata import BCIMetadata
from .predict import predict_batch
from .probit import NimbusProbit
from .qda import NimbusQDA
from .result import BatchResult
from .train import calibrate_model, train_model

if TYPE_CHECKING:
    from .library import load_model, save_model
    from .simulation import simulate

PROTOCOL_VERSION = 1
"""Version of what a core offers to nimbus_sdk; raised when a name here changes its meaning."""

RxLDAModel = NimbusLDA
RxGMMModel = NimbusQDA
RxPolyaModel = NimbusProbit

__all__ = [
    "PROTOCOL_VERSION",
    "BCIData",
    "BCIMetadata",
    "BatchResult",
    "ConfidenceCalibration",
    "CoreDataError",
    "CoreTypeError",
    "Decoder",
    "ModelCard",
    "ModelFileError",
    "ModelMismatchError",
    "ModelNotFoundError",
    "NimbusCoreError",
    "NimbusLDA",
    "NimbusProbit",
    "NimbusQDA",
    "NotTrainedError",
    "RxGMMModel",
    "RxLDAModel",
    "RxPolyaModel",
    "__version__",
    "calibrate_model",
    "load_model",
    "predict_batch",
    "save_model",
    "simulate",
    "train_model",
]

# Files and simulation bring modules of the standard library that double the cost of this import.
_ON_FIRST_USE = {"load_model": "library", "save_model": "library", "simulate": "simulation"}


def __getattr__(name: str) -> object:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_ON_FIRST_USE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE})
