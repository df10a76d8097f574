"""Checks that data fit a model, and the sizes and paradigm of a model."""

from __future__ import annotations

import math

from ..data.argument_checks import check_kind, describe_kind
from ..data.bci_data import BCIData
from ..data.metadata import BCIMetadata, filters_hint
from ..errors import CoreDataError, CoreTypeError, ModelMismatchError
from .pipeline import Pipeline
from .protocol import Decoder, Reader

_BUILD_DATA = (
    "Build it with BCIData(features, BCIMetadata(…)), features of shape (n_features × n_samples × n_trials)."
)

# Features whose meaning does not depend on the sampling rate, although they have no axis of samples.
_RATELESS = ("bandpower", "csp")


def check_model(model: object) -> None:
    """Raise CoreTypeError unless ``model`` is a model, trained or not."""
    # The class is checked, since an untrained model lacks the attributes of a trained one.
    if not hasattr(type(model), "score_trials"):
        raise CoreTypeError(
            f"model is {describe_kind(model)}, not a model.",
            "Give what train_model() or load_model() returned.",
        )


def check_metadata_kind(metadata: object) -> None:
    """Raise CoreTypeError unless ``metadata`` is a BCIMetadata."""
    check_kind(
        "metadata", metadata, BCIMetadata, "Build it with BCIMetadata(sampling_rate=…, paradigm=…, …)."
    )


def check_is_data(data: object) -> None:
    """Raise CoreTypeError unless ``data`` are BCIData."""
    reads_epochs = hasattr(data, "get_data") and hasattr(data, "info")
    hint = "Read it with BCIData.from_epochs(epochs, paradigm=…)." if reads_epochs else _BUILD_DATA
    check_kind("data", data, BCIData, hint)


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
    check_is_data(data)
    _check_names_of_channels(model, data.metadata)
    if data.n_features != model.n_features_in_:
        raise CoreDataError(
            f"The data have {data.n_features} {_name_features(model)} on axis 0 (shape "
            f"{data.features.shape}), {_describe_model(model)} expects {model.n_features_in_}.",
            _other_features_hint(model),
        )
    check_metadata_fits(model, data.metadata)


def check_metadata_fits(model: Reader, metadata: BCIMetadata) -> None:
    """Raise an error for metadata of data that the model would misread.

    Number of features and classes, paradigm, feature type and temporal aggregation must agree, and names and
    order of the channels, the unit and the band where both sides know them. A pipeline reduces the samples
    itself, so that the aggregation does not matter. The sampling rate must agree for a pipeline, and where
    features may be samples themselves; it may differ where others reduced the samples to one vector.

    Args:
        model: A trained model.
        metadata: The metadata of the data that it is to read.

    Raises:
        CoreDataError: Another number of features or classes.
        ModelMismatchError: Another paradigm, feature type or temporal aggregation; other channels or another
            order of them; another unit or band; another sampling rate where that matters.
    """
    _check_names_of_channels(model, metadata)
    if metadata.n_features != model.n_features_in_:
        raise CoreDataError(
            f"metadata.n_features is {metadata.n_features}, "
            f"{_describe_model(model)} expects {model.n_features_in_}.",
            _other_features_hint(model),
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
    fields = ("paradigm", "feature_type")
    for field in fields if isinstance(model, Pipeline) else (*fields, "temporal_aggregation"):
        expected_value, value = getattr(expected, field), getattr(actual, field)
        if expected_value != value:
            raise ModelMismatchError(
                f"The data's {field} is {value!r}, "
                f"but {_describe_model(model)} was trained on {expected_value!r}.",
                "Numbers of another meaning would be misread: prepare the data as the model expects, "
                "or train a model on yours." + (filters_hint(expected) if field == "feature_type" else ""),
            )


def _check_same_recording(model: Reader, expected: BCIMetadata, actual: BCIMetadata) -> None:
    if None not in (expected.unit, actual.unit) and expected.unit != actual.unit:
        raise ModelMismatchError(
            f"The data's unit is {actual.unit}, but {_describe_model(model)} was trained on {expected.unit}.",
            "Multiply volts by 1e6 for microvolts, or microvolts by 1e-6 for volts.",
        )
    _check_band(model, expected.band, actual.band)
    may_be_samples = expected.temporal_aggregation == "none" and expected.feature_type not in _RATELESS
    matters = may_be_samples or isinstance(model, Pipeline)
    if matters and not math.isclose(expected.sampling_rate, actual.sampling_rate, rel_tol=1e-3):
        reason = "its features may be samples" if may_be_samples else "it reads samples as they were recorded"
        raise ModelMismatchError(
            f"The data's sampling_rate is {actual.sampling_rate:g} Hz, but {_describe_model(model)} was "
            f"trained at {expected.sampling_rate:g} Hz, and {reason}.",
            "Resample the recording, for instance with epochs.resample(…).",
        )


def _check_band(
    model: Reader, expected: tuple[float, float] | None, actual: tuple[float, float] | None
) -> None:
    if expected is None or actual is None:
        return
    same = (math.isclose(*pair, rel_tol=0.1, abs_tol=0.5) for pair in zip(expected, actual, strict=True))
    if not all(same):
        low, high = expected
        raise ModelMismatchError(
            f"The data's band is {actual[0]:g} to {actual[1]:g} Hz, but {_describe_model(model)} was trained "
            f"on {low:g} to {high:g} Hz.",
            f"Filter the recording as that of the training, for instance with raw.filter({low:g}, {high:g}).",
        )


def _check_names_of_channels(model: Reader, metadata: BCIMetadata) -> None:
    if model.card is None:
        return
    expected, actual = model.card.metadata.channel_names, metadata.channel_names
    if expected is None or actual is None or expected == actual:
        return
    if sorted(expected) == sorted(actual):
        place = next(k for k, (a, b) in enumerate(zip(expected, actual, strict=True)) if a != b)
        raise ModelMismatchError(
            f"The data's channels are in another order than those of {_describe_model(model)}: "
            f"channel {place}, counted from 0, is {actual[place]} in place of {expected[place]}.",
            "Put them in order: epochs.reorder_channels(list(model.card.metadata.channel_names)).",
        )
    missing, others = sorted(set(expected) - set(actual)), sorted(set(actual) - set(expected))
    raise ModelMismatchError(
        f"The data's channels are not those that {_describe_model(model)} was trained on: "
        f"{' and '.join(filter(None, (_list('missing', missing), _list('additional', others))))}.",
        "Choose and name the channels as in model.card.metadata.channel_names, or train a model on yours.",
    )


def _list(word: str, names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{word} {'is' if len(names) == 1 else 'are'} {shown}{more}"


def _name_features(model: Reader) -> str:
    return "channels" if isinstance(model, Pipeline) else "features"


def _other_features_hint(model: Reader) -> str:
    hint = f"Give the {_name_features(model)} the model was trained on."
    return hint if model.card is None else hint + filters_hint(model.card.metadata)


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
