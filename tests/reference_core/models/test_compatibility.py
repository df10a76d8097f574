"""Checks that data fit a model."""

import pytest
from nimbus_sdk_core import (
    BCIData,
    CoreDataError,
    ModelMismatchError,
    NimbusLDA,
    calibrate_model,
    predict_batch,
    simulate,
    train_model,
)
from nimbus_sdk_core.models.compatibility import get_n_classes, get_n_features, get_paradigm


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulate("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen."""
    return simulate("motor_imagery", n_trials=300, seed=2)


def test_data_of_another_kind_are_rejected(model: NimbusLDA, data: BCIData) -> None:
    """What would be misread is refused with both sides named."""
    meta = data.metadata
    with pytest.raises(CoreDataError, match=r"The data have 8 features on axis 0 .* expects 16"):
        predict_batch(model, simulate("motor_imagery", n_trials=4, seed=1, n_classes=2))
    for field, value in (("paradigm", "ssvep"), ("feature_type", "erp"), ("temporal_aggregation", "median")):
        other = type(meta)(**{name: getattr(meta, name) for name in meta.__slots__} | {field: value})
        with pytest.raises(
            ModelMismatchError, match=f"The data's {field} is '{value}', but .* was trained on"
        ):
            predict_batch(model, BCIData(data.features, other))
    fewer = type(meta)(**{name: getattr(meta, name) for name in meta.__slots__} | {"n_classes": 3})
    with pytest.raises(CoreDataError, match=r"n_classes is 3, .* has 4 classes"):
        predict_batch(model, BCIData(data.features, fewer))


def test_models_trained_on_plain_matrices_predict_too(data: BCIData) -> None:
    """Without a card only the shapes are compared."""
    bare = NimbusLDA().fit(data.features.mean(axis=1).T, data.labels)
    result = predict_batch(bare, data)
    assert (result.model_name, result.simulated) == ("NimbusLDA", False)
    assert result.accuracy > 0.8
    assert repr(bare) == "<NimbusLDA 16 features, 4 classes>"
    mine = calibrate_model(bare, data)
    assert mine.card is None
    assert mine.posterior_.counts.sum() == 2 * 300


def test_models_have_sizes_and_a_paradigm() -> None:
    """Number of features and classes, and the paradigm where there is one."""
    data = simulate("p300", n_trials=60, seed=1)
    model = train_model(NimbusLDA, data)
    assert (get_n_features(model), get_n_classes(model), get_paradigm(model)) == (8, 2, "p300")
    bare = NimbusLDA().fit(data.features.mean(axis=1).T, data.labels)
    assert get_paradigm(bare) is None
    for ask in (get_n_features, get_n_classes, get_paradigm):
        with pytest.raises(AttributeError, match="not trained"):
            ask(NimbusLDA())
