"""Checks that data fit a model."""

import re
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    ModelMismatchError,
    NimbusLDA,
    calibrate_model,
    check_model_compatibility,
    init_streaming,
    load_model,
    predict_batch,
    save_model,
    train_model,
)
from nimbus_sdk_core.models.compatibility import get_n_classes, get_n_features, get_paradigm

from tests.reference_core.support import simulated


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulated("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen."""
    return simulated("motor_imagery", n_trials=200, seed=2)


def test_data_of_another_kind_are_rejected(model: NimbusLDA, data: BCIData) -> None:
    """What would be misread is refused with both sides named."""
    meta = data.metadata
    with pytest.raises(CoreDataError, match=r"The data have 8 features on axis 0 .* expects 16"):
        predict_batch(model, simulated("motor_imagery", n_trials=4, seed=1, n_classes=2))
    for field, value in (("paradigm", "ssvep"), ("feature_type", "erp"), ("temporal_aggregation", "median")):
        other = type(meta)(**{name: getattr(meta, name) for name in meta.__slots__} | {field: value})
        with pytest.raises(
            ModelMismatchError, match=f"The data's {field} is '{value}', but .* was trained on"
        ):
            predict_batch(model, BCIData(data.features, other))
    fewer = type(meta)(**{name: getattr(meta, name) for name in meta.__slots__} | {"n_classes": 3})
    with pytest.raises(CoreDataError, match=r"n_classes is 3, .* has 4 classes"):
        predict_batch(model, BCIData(data.features, fewer))


def recording(**changes: object) -> BCIData:
    """Trials of three named channels, whose samples are the features."""
    fields = {
        "sampling_rate": 100.0,
        "paradigm": "p300",
        "feature_type": "erp",
        "n_features": 6,
        "n_classes": 2,
        "temporal_aggregation": "none",
        "channel_names": ("C3", "Cz", "C4"),
        "unit": "uV",
        "band": (8.0, 30.0),
    }
    about = BCIMetadata(**{**fields, **changes})
    labels = np.arange(40) % 2
    features = np.random.default_rng(1).normal(size=(about.n_features, 1, 40)) + labels
    return BCIData(features, about, labels)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"channel_names": ("C4", "Cz", "C3")},
            "another order than those of 'named': channel 0, counted from 0, is C4 in place of C3",
        ),
        ({"channel_names": ("C3", "Cz", "Pz")}, "missing is C4 and additional is Pz"),
        ({"channel_names": ("C3", "Cz")}, "missing is C4."),
        (
            {"channel_names": ("C3", "Cz", "C4", "Pz", "Oz"), "n_features": 7},
            "trained on: additional are Oz, Pz.",
        ),
        ({"band": (1.0, 40.0)}, "band is 1 to 40 Hz, but 'named' was trained on 8 to 30 Hz"),
        ({"unit": "V"}, "unit is V, but 'named' was trained on uV"),
        ({"sampling_rate": 128.0}, "sampling_rate is 128 Hz, but 'named' was trained at 100 Hz"),
    ],
)
def test_another_recording_is_refused_by_name(change: dict[str, object], words: str, tmp_path: Path) -> None:
    """Another order, cap, unit or rate: in a batch, a stream and a calibration, from a file too."""
    model = train_model(NimbusLDA, recording(), name="named")
    model = load_model(NimbusLDA, save_model(model, tmp_path / "named.nimbus"))
    assert model.card is not None
    assert model.card.metadata == recording().metadata
    other = recording(**change)
    uses = (
        lambda: predict_batch(model, other),
        lambda: init_streaming(model, other.metadata),
        lambda: calibrate_model(model, other),
    )
    for use in uses:
        with pytest.raises(ModelMismatchError, match=re.escape(words)):
            use()
    assert not check_model_compatibility(model, other)


@pytest.mark.parametrize(
    "change",
    [
        {"channel_names": None, "unit": None, "band": None},
        {"band": (7.5, 31.0)},
        {"sampling_rate": 100.05},
        {"sampling_rate": 128.0, "feature_type": "bandpower"},
        {"sampling_rate": 128.0, "temporal_aggregation": "mean"},
    ],
)
def test_what_is_not_known_or_does_not_matter_is_no_mismatch(change: dict[str, object]) -> None:
    """Unnamed channels, a rate that a clock measured, and rates of features that do not depend on it."""
    matters = {name: change[name] for name in ("feature_type", "temporal_aggregation") if name in change}
    model = train_model(NimbusLDA, recording(**matters))
    assert predict_batch(model, recording(**change)).accuracy > 0.5


def test_models_trained_on_plain_matrices_predict_too(data: BCIData) -> None:
    """Without a card only the shapes are compared."""
    bare = NimbusLDA().fit(data.features.mean(axis=1).T, data.labels)
    result = predict_batch(bare, data)
    assert (result.model_name, result.simulated) == ("NimbusLDA", False)
    assert result.accuracy > 0.8
    assert repr(bare) == "<NimbusLDA 16 features, 4 classes>"
    mine = calibrate_model(bare, data)
    assert mine.card is None
    assert mine.posterior_.counts.sum() == 2 * len(data)


def test_models_have_sizes_and_a_paradigm() -> None:
    """Number of features and classes, and the paradigm where there is one."""
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(NimbusLDA, data)
    assert (get_n_features(model), get_n_classes(model), get_paradigm(model)) == (8, 2, "p300")
    bare = NimbusLDA().fit(data.features.mean(axis=1).T, data.labels)
    assert get_paradigm(bare) is None
    for ask in (get_n_features, get_n_classes, get_paradigm):
        with pytest.raises(AttributeError, match="not trained"):
            ask(NimbusLDA())
