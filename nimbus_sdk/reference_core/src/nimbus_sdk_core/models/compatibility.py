"""Checks that data fit a model, and the sizes and paradigm of a model."""

from __future__ import annotations

import math

from ..data.argument_checks import check_kind
from ..data.bci_data import BCIData
from ..data.metadata import BCIMetadata, filters_hint
from ..errors import CoreDataError, CoreTypeError, ModelMismatchError
from .protocol import Decoder, Reader

_BUILD_DATA = (
    "Build it with BCIData(features, BCIMetadata(…)), features of shape (n_features × n_samples × n_trials)."
)
_OTHER_FEATURES = "Give the features the model was trained on."

# Features whose meaning does not depend on the sampling rate, although they have no axis of samples.
_RATELESS = ("bandpower", "csp")


def check_model(model: object) -> None:
    """Raise CoreTypeError unless ``model`` is a model, trained or not."""
    # The class is checked, since an untrained model lacks the attributes of a trained one.
    if not hasattr(type(model), "score_trials"):
        raise CoreTypeError(
            f"model is a {type(model).__name__}, not a model.",
            "Give what train_model() or load_model() returned.",
        )


def check_metadata_kind(metadata: object) -> None:
    """Raise CoreTypeError unless ``metadata`` is a BCIMetadata."""
    check_kind(
        "metadata", metadata, BCIMetadata, "Build it with BCIMetadata(sampling_rate=…, paradigm=…, …)."
    )


def check_data_fits(model: Reader, data: BCIData) -> None:
    """Raise an error for data that the model would misread.

    Args:
        model: A trained model.
        data: The data it is to read.

    Raises:
        CoreTypeError: Not a model, or not BCIData.
        CoreDataError: Another number of features or classes.
        ModelMismatchError: Another paradigm, feature type or temporal aggregation.
    """
    check_model(model)
    check_kind("data", data, BCIData, _BUILD_DATA)
    if data.n_features != model.n_features_in_:
        raise CoreDataError(
            f"The data have {data.n_features} features on axis 0 (shape {data.features.shape}), "
            f"{_describe_model(model)} expects {model.n_features_in_}.",
            _OTHER_FEATURES + _filters_hint(model),
        )
    check_metadata_fits(model, data.metadata)


def check_metadata_fits(model: Reader, metadata: BCIMetadata) -> None:
    """Raise an error for metadata of data that the model would misread.

    Number of features and classes, paradigm, feature type and temporal aggregation must agree, and names and
    order of the channels and the unit where both sides know them. The sampling rate may differ where trials
    are reduced to one vector over their samples. Where they are not, and features may be samples themselves,
    it must agree too, except for band powers and spatial patterns.

    Args:
        model: A trained model.
        metadata: The metadata of the data that it is to read.

    Raises:
        CoreDataError: Another number of features or classes.
        ModelMismatchError: Another paradigm, feature type or temporal aggregation; other channels or another
            order of them; another unit; another sampling rate where that matters.
    """
    if metadata.n_features != model.n_features_in_:
        raise CoreDataError(
            f"metadata.n_features is {metadata.n_features}, "
            f"{_describe_model(model)} expects {model.n_features_in_}.",
            _OTHER_FEATURES + _filters_hint(model),
        )
    if metadata.n_classes != len(model.classes_):
        raise CoreDataError(
            f"metadata.n_classes is {metadata.n_classes}, "
            f"{_describe_model(model)} has {len(model.classes_)} classes.",
            "Take the model of your task, or correct n_classes.",
        )
    if model.card is not None:
        _check_same_preparation(model, model.card.metadata, metadata)
        _check_same_recording(model, model.card.metadata, metadata)


def _check_same_preparation(model: Reader, expected: BCIMetadata, actual: BCIMetadata) -> None:
    for field in ("paradigm", "feature_type", "temporal_aggregation"):
        expected_value, value = getattr(expected, field), getattr(actual, field)
        if expected_value != value:
            raise ModelMismatchError(
                f"The data's {field} is {value!r}, "
                f"but {_describe_model(model)} was trained on {expected_value!r}.",
                "Numbers of another meaning would be misread: prepare the data as the model expects, "
                "or train a model on yours." + (filters_hint(expected) if field == "feature_type" else ""),
            )


def _check_same_recording(model: Reader, expected: BCIMetadata, actual: BCIMetadata) -> None:
    _check_channels(model, expected.channel_names, actual.channel_names)
    if None not in (expected.unit, actual.unit) and expected.unit != actual.unit:
        raise ModelMismatchError(
            f"The data's unit is {actual.unit}, but {_describe_model(model)} was trained on {expected.unit}.",
            "Multiply volts by 1e6 for microvolts, or microvolts by 1e-6 for volts.",
        )
    may_be_samples = expected.temporal_aggregation == "none" and expected.feature_type not in _RATELESS
    if may_be_samples and not math.isclose(expected.sampling_rate, actual.sampling_rate, rel_tol=1e-3):
        raise ModelMismatchError(
            f"The data's sampling_rate is {actual.sampling_rate:g} Hz, but {_describe_model(model)} was "
            f"trained at {expected.sampling_rate:g} Hz, and its features may be samples.",
            "Resample the recording, for instance with epochs.resample(…).",
        )


def _check_channels(model: Reader, expected: tuple[str, ...] | None, actual: tuple[str, ...] | None) -> None:
    if expected is None or actual is None or expected == actual:
        return
    if sorted(expected) == sorted(actual):
        place = next(k for k, (a, b) in enumerate(zip(expected, actual, strict=True)) if a != b)
        raise ModelMismatchError(
            f"The data's channels are in another order than those of {_describe_model(model)}: "
            f"{actual[place]} is where {expected[place]} should be, first at channel {place} (from 0).",
            "Put them in order: epochs.reorder_channels(list(model.card.metadata.channel_names)).",
        )
    missing, others = sorted(set(expected) - set(actual)), sorted(set(actual) - set(expected))
    raise ModelMismatchError(
        f"The data's channels are not those that {_describe_model(model)} was trained on: "
        f"missing are {_list(missing)}; not known are {_list(others)}.",
        "Choose and name the channels as in model.card.metadata.channel_names, or train a model on yours.",
    )


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:5]) or "none"
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _filters_hint(model: Reader) -> str:
    return "" if model.card is None else filters_hint(model.card.metadata)


def _describe_model(model: Reader) -> str:
    return repr(model.card.name) if model.card is not None else f"this {type(model).__name__}"


def get_n_features(model: Decoder) -> int:
    """Return the number of features that a trained model reads.

    Raises:
        CoreTypeError: ``model`` is not a model.
        NotTrainedError: The model is not trained.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model
        >>> get_n_features(load_model(NimbusLDA, "motor_imagery_4class_v1"))
        16
    """
    check_model(model)
    return model.n_features_in_


def get_n_classes(model: Decoder) -> int:
    """Return the number of classes of a trained model.

    Raises:
        CoreTypeError: ``model`` is not a model.
        NotTrainedError: The model is not trained.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model
        >>> get_n_classes(load_model(NimbusLDA, "motor_imagery_4class_v1"))
        4
    """
    get_n_features(model)
    return len(model.classes_)


def get_paradigm(model: Decoder) -> str | None:
    """Return the paradigm a model was trained for, or None if it was trained on plain vectors.

    Raises:
        CoreTypeError: ``model`` is not a model.
        NotTrainedError: The model is not trained.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model
        >>> get_paradigm(load_model(NimbusLDA, "motor_imagery_4class_v1"))
        'motor_imagery'
    """
    get_n_features(model)
    return None if model.card is None else model.card.metadata.paradigm
