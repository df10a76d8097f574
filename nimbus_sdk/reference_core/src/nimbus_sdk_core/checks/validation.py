"""Checks of data, chunks and models before decoding."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from .._types import FeatureArray
from ..data.argument_checks import describe_kind
from ..data.bci_data import BCIData
from ..data.features import read_features
from ..data.metadata import BCIMetadata, filters_hint
from ..errors import CoreDataError, CoreTypeError, ModelMismatchError
from ..models.compatibility import check_metadata_fits, check_metadata_kind, check_model
from ..models.pipeline import Pipeline
from ..models.protocol import Decoder
from .preprocessing import diagnose_preprocessing


class SuspiciousDataWarning(UserWarning):
    """Data that can be decoded, but look as if their preprocessing went wrong."""


def validate_data(data: BCIData) -> bool:
    """Check data before decoding or training.

    Problems that make the data unusable are raised, suspicious ones are issued as `SuspiciousDataWarning`.
    The checks are those of `diagnose_preprocessing`, which returns the same as a report.

    Args:
        data: Trials.

    Returns:
        True.

    Raises:
        CoreDataError: No trials, values that are not finite, or features that never vary.

    Examples:
        >>> from nimbus_sdk_core import simulate
        >>> validate_data(simulate("motor_imagery", n_trials=40, seed=1))
        True
    """
    report = diagnose_preprocessing(data)
    if report.errors:
        raise CoreDataError(" ".join(report.errors), " ".join(report.recommendations))
    for text in report.warnings:
        warnings.warn(text, SuspiciousDataWarning, stacklevel=2)
    return True


def validate_chunk(chunk: npt.ArrayLike, metadata: BCIMetadata) -> bool:
    """Check a chunk before streaming it.

    Args:
        chunk: Shape (n_features × n_samples).
        metadata: What the chunk should be.

    Returns:
        True.

    Raises:
        CoreTypeError: ``metadata`` is not a BCIMetadata.
        CoreDataError: Another shape, another length than ``chunk_size``, or values that are not finite.

    Examples:
        >>> about = BCIMetadata(250.0, "p300", "erp", n_features=8, n_classes=2, chunk_size=200)
        >>> validate_chunk(np.zeros((8, 200)), about)
        True
    """
    check_metadata_kind(metadata)
    read_features(chunk_as_trial(chunk, metadata), metadata)
    return True


def check_model_compatibility(model: Decoder | Pipeline, data: BCIData | BCIMetadata) -> bool:
    """Whether a model can read data; if not, `predict_batch` raises an error that says why.

    Args:
        model: A trained model, or a `Pipeline`.
        data: Trials, or their metadata.

    Raises:
        CoreTypeError: ``model`` is not a model, or ``data`` neither trials nor metadata.
        NotTrainedError: The model is not trained.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model, simulate
        >>> model = load_model(NimbusLDA, "motor_imagery_4class_v1")
        >>> check_model_compatibility(model, simulate("p300", n_trials=2, seed=1))
        False
    """
    check_model(model)
    metadata = data.metadata if isinstance(data, BCIData) else data
    if not isinstance(metadata, BCIMetadata):
        raise CoreTypeError(
            f"data is {describe_kind(data)}, not a BCIData.", "Give BCIData(features, metadata)."
        )
    try:
        check_metadata_fits(model, metadata)
    except (CoreDataError, ModelMismatchError):
        return False
    return True


def chunk_as_trial(chunk: npt.ArrayLike, metadata: BCIMetadata) -> FeatureArray:
    """Return a chunk as the only trial of a batch, shape (n_features × n_samples × 1).

    Raises:
        CoreDataError: Not two axes, or another length than ``metadata.chunk_size``.
    """
    if isinstance(chunk, BCIData):
        raise CoreTypeError(
            "The chunk is BCIData, not an array.",
            "Give data.features[:, start:stop, trial], or a part of it.",
        )
    try:
        array = np.asanyarray(chunk)
    except ValueError:
        raise CoreDataError(
            "The chunk is ragged: rows of unequal length.", "Give one array (n_features × n_samples)."
        ) from None
    if array.shape == (metadata.n_features,) and metadata.chunk_size in (None, 1):
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.shape[0] != metadata.n_features:
        hint = "A chunk is (n_features × n_samples)."
        if array.ndim == 2 and array.shape[1] == metadata.n_features:
            hint += " Its transpose, chunk.T, may be what you mean."
        else:
            hint += filters_hint(metadata)
        raise CoreDataError(f"The chunk has shape {array.shape}, expected {_expected(metadata)}.", hint)
    if metadata.chunk_size is not None and array.shape[1] != metadata.chunk_size:
        raise CoreDataError(
            f"The chunk has shape {array.shape}, expected {_expected(metadata)}: metadata.chunk_size is "
            f"{metadata.chunk_size}.",
            "Check whether the buffer lost samples; chunk_size=None takes chunks of any length.",
        )
    return array[:, :, np.newaxis]


def _expected(metadata: BCIMetadata) -> str:
    return f"({metadata.n_features}, {metadata.chunk_size or 'n_samples'})"
