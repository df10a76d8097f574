"""What a trained model reads and knows."""

from __future__ import annotations

from .compatibility import check_model
from .decoder import Decoder


def get_n_features(model: Decoder) -> int:
    """How many features a trained model reads.

    Raises:
        CoreTypeError: It is no model.
        NotTrainedError: The model is not trained.

    >>> from nimbus_sdk_core import NimbusLDA, load_model
    >>> get_n_features(load_model(NimbusLDA, "motor_imagery_4class_v1"))
    16
    """
    check_model(model)
    return model.n_features_in_


def get_n_classes(model: Decoder) -> int:
    """How many classes a trained model knows.

    Raises:
        CoreTypeError: It is no model.
        NotTrainedError: The model is not trained.

    >>> from nimbus_sdk_core import NimbusLDA, load_model
    >>> get_n_classes(load_model(NimbusLDA, "motor_imagery_4class_v1"))
    4
    """
    get_n_features(model)
    return len(model.classes_)


def get_paradigm(model: Decoder) -> str | None:
    """The paradigm a model was trained for, or None where it was trained on plain vectors.

    Raises:
        CoreTypeError: It is no model.
        NotTrainedError: The model is not trained.

    >>> from nimbus_sdk_core import NimbusLDA, load_model
    >>> get_paradigm(load_model(NimbusLDA, "motor_imagery_4class_v1"))
    'motor_imagery'
    """
    get_n_features(model)
    return None if model.card is None else model.card.metadata.paradigm
