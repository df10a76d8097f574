"""train_model and calibrate_model on BCIData."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    CoreTypeError,
    ModelCard,
    ModelMismatchError,
    NimbusLDA,
    NimbusQDA,
    NotTrainedError,
    RxGMMModel,
    RxLDAModel,
    calibrate_model,
    predict_batch,
    simulate,
    train_model,
)


def two_classes(features: np.ndarray, labels: object, **changes: object) -> BCIData:
    """Features of shape (n_features, n_trials) as data of two classes."""
    fields = {"sampling_rate": 1.0, "paradigm": "mine", "feature_type": "own", "n_classes": 2, **changes}
    return BCIData(features[:, None, :], BCIMetadata(n_features=len(features), **fields), labels)


def test_training_keeps_name_origin_and_hyper_parameters() -> None:
    """What was given comes back from the model."""
    data = simulate("p300", n_trials=60, seed=1)
    model = train_model(NimbusQDA, data, name="mine", description="a test", dof_offset=3)
    assert model.card is not None
    assert (model.card.name, model.card.description, model.card.metadata) == ("mine", "a test", data.metadata)
    assert model.card.details == {"trained_trials": 60}
    assert model.hyper == {"dof_offset": 3, "mean_prior_precision": 0.01}
    assert not model.card.simulated
    assert repr(model) == "<NimbusQDA 'mine', 8 features, 2 classes>"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": 5}, "name is 5, not a text. Give name as a text"),
        ({"name": b"mine"}, "name is b'mine', not a text"),
        ({"description": None}, "description is None, not a text. Give description"),
    ],
)
def test_names_and_descriptions_are_texts(given: dict[str, object], words: str) -> None:
    """What a file could not give back is refused when the model is made."""
    with pytest.raises(CoreTypeError, match=re.escape(words)):
        train_model(NimbusLDA, simulate("p300", n_trials=40, seed=1), **given)  # type: ignore[arg-type]
    with pytest.raises(CoreTypeError, match=r"metadata is a dict. Give a BCIMetadata"):
        ModelCard("mine", {})  # type: ignore[arg-type]


def test_kinds_go_by_class_name_and_older_name() -> None:
    """A kind may be the class, its name or its older name; the older classes are the same."""
    data = simulate("p300", n_trials=40, seed=1)
    assert (RxLDAModel, RxGMMModel) == (NimbusLDA, NimbusQDA)
    for kind in (NimbusQDA, "NimbusQDA", "RxGMMModel", RxGMMModel):
        assert isinstance(train_model(kind, data), NimbusQDA)


def test_a_model_in_place_of_its_class_is_refused() -> None:
    """Hyper-parameters are not lost on the way: the message shows where they belong."""
    words = r"kind is NimbusLDA\(dof_offset=3, .* Give the class, .*: train_model\(NimbusLDA, data, …\)"
    with pytest.raises(ModelMismatchError, match=words):
        train_model(NimbusLDA(dof_offset=3), simulate("p300", n_trials=40, seed=1))  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["NimbusForest", int, object()])
def test_unknown_kinds_are_refused(kind: object) -> None:
    """What is no model kind is refused with those there are."""
    with pytest.raises(
        ModelMismatchError, match=r"There is no model kind .* Use one of NimbusLDA, NimbusQDA"
    ):
        train_model(kind, simulate("p300", n_trials=40, seed=1))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("hyper", "words"),
    [
        ({"dof_offset": 0}, "dof_offset is 0. Give a number from 1 to 5"),
        ({"dof_offset": 6}, "dof_offset is 6"),
        ({"dof_offset": float("nan")}, "dof_offset is nan"),
        ({"dof_offset": "2"}, "dof_offset is '2', not a number"),
        ({"dof_offset": True}, "dof_offset is True, not a number"),
        ({"mean_prior_precision": 0.2}, "mean_prior_precision is 0.2. Give a number from 0.001 to 0.1"),
        ({"shrinkage": 1}, "NimbusLDA has no hyper-parameter shrinkage. It has dof_offset"),
        ({"iterations": 0}, "iterations is 0"),
        ({"iterations": 1.5}, "iterations is 1.5"),
    ],
)
def test_hyper_parameters_are_checked(hyper: dict[str, object], words: str) -> None:
    """Unknown names and values out of range are refused by name."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        train_model(NimbusLDA, simulate("p300", n_trials=40, seed=1), **hyper)  # type: ignore[arg-type]


def test_data_that_teach_nothing_are_refused(random: np.random.Generator) -> None:
    """No labels, missing classes, a single trial a class and constant features each say what is wrong."""
    x = random.normal(size=(3, 6))
    for labels, words in (
        (None, "The data have no labels"),
        ([1] * 6, "labels hold 1 of metadata.n_classes = 2 classes: [1]"),
    ):
        with pytest.raises(CoreDataError, match=re.escape(words)):
            train_model(NimbusLDA, two_classes(x, labels))
    with pytest.raises(CoreDataError, match="2 trials for 2 classes: no class has two"):
        train_model(NimbusLDA, two_classes(x[:, :2], [1, 2]))
    x[1] = 0.1
    with pytest.raises(CoreDataError, match=r"1 feature\(s\) do not vary within the classes: \[1\]"):
        train_model(NimbusLDA, two_classes(x, [1, 2] * 3))
    with pytest.raises(CoreDataError, match=r"labels hold 1 class\(es\): \['a'\]"):
        NimbusLDA().fit(x.T, ["a"] * 6)


def test_repeated_features_do_no_harm(random: np.random.Generator) -> None:
    """The prior keeps the covariance regular where features are linearly dependent."""
    x = random.normal(size=(2, 40)) + np.array([0, 1] * 20)
    data = two_classes(np.concatenate([x, x]), [1, 2] * 20)
    for kind in (NimbusLDA, NimbusQDA):
        assert predict_batch(train_model(kind, data), data).accuracy > 0.6


def test_calibration_in_two_steps_equals_one_on_the_union() -> None:
    """The posterior becomes the prior, so the order of the trials is forgotten."""
    base = train_model(NimbusLDA, simulate("motor_imagery", n_trials=100, seed=1))
    new = simulate("motor_imagery", n_trials=60, seed=2, subject=3)
    assert new.labels is not None
    first = BCIData(new.features[..., :25], new.metadata, new.labels[:25])
    second = BCIData(new.features[..., 25:], new.metadata, new.labels[25:])
    once, twice = calibrate_model(base, new), calibrate_model(calibrate_model(base, first), second)
    for name, array in once.arrays().items():
        np.testing.assert_allclose(twice.arrays()[name], array, rtol=1e-10, err_msg=name)
    assert once.card == twice.card
    assert once.card is not None
    assert once.card.details["calibrated_trials"] == 60


def test_calibration_leaves_the_base_alone() -> None:
    """The base predicts as before, and the hyper-parameters go over to the new model."""
    base = train_model(NimbusQDA, simulate("p300", n_trials=80, seed=1), dof_offset=4)
    new = simulate("p300", n_trials=80, seed=2)
    before = predict_batch(base, new).posteriors
    mine = calibrate_model(base, new)
    np.testing.assert_array_equal(predict_batch(base, new).posteriors, before)
    assert not np.allclose(predict_batch(mine, new).posteriors, before)
    assert mine.hyper == base.hyper


def test_calibration_helps_where_the_person_differs() -> None:
    """A few trials of a person whose features sit elsewhere bring most of the accuracy back."""
    base = train_model(NimbusLDA, simulate("motor_imagery", n_trials=60, seed=1))
    metadata, shift = base.card.metadata, 1.5

    def moved(n_trials: int, seed: int) -> BCIData:
        found = simulate("motor_imagery", n_trials=n_trials, seed=seed)
        return BCIData(
            found.features * 0.7 + shift * np.arange(16)[:, None, None] / 16, metadata, found.labels
        )

    test = moved(400, 3)
    plain, mine = predict_batch(base, test), predict_batch(calibrate_model(base, moved(200, 4)), test)
    assert mine.accuracy > plain.accuracy + 0.05


def test_labels_from_zero_are_recognised() -> None:
    """Labels that count from 0 on a model that counts from 1 are refused with the remedy."""
    data = simulate("p300", n_trials=40, seed=1)
    model = train_model(NimbusLDA, data)
    with pytest.raises(CoreDataError, match="count from 0 and the model's classes from 1: add 1"):
        calibrate_model(model, BCIData(data.features, data.metadata, data.labels - 1))
    with pytest.raises(CoreDataError, match=r"labels are of type <U1, the model's classes are \[1, 2\]"):
        calibrate_model(model, BCIData(data.features, data.metadata, ["a", "b"] * 20))


def test_untrained_models_say_so() -> None:
    """Nothing can be asked of a model before it is trained."""
    data = simulate("p300", n_trials=10, seed=1)
    for ask in (
        lambda: predict_batch(NimbusLDA(), data),
        lambda: calibrate_model(NimbusLDA(), data),
        lambda: NimbusLDA().predict([[1.0]]),
    ):
        with pytest.raises(NotTrainedError, match="This NimbusLDA is not trained"):
            ask()
    assert repr(NimbusLDA()) == "NimbusLDA(dof_offset=2, mean_prior_precision=0.01)"


def test_progress_is_told_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """showprogress writes one line to standard error, and silence is the default."""
    data = simulate("p300", n_trials=40, seed=1)
    train_model(NimbusLDA, data, name="mine")
    assert capsys.readouterr() == ("", "")
    train_model(NimbusLDA, data, name="mine", showprogress=True)
    assert capsys.readouterr().err == "trained mine on 40 trials in one exact step\n"


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([1.0, 2.0], "Vectors have 1 axis, shape (2,), expected 2"),
        ([[1.0, 2.0, 3.0]], "X has 3 features, but NimbusLDA is expecting 2 features"),
        ([[1.0, np.nan]], "Vectors hold NaN, infinity or more than 1e+100, first at trial 0, feature 1"),
        ([[1.0, 1e200]], "feature 1 (counted from 0): 1e+200"),
        ([["a", "b"]], "not real numbers"),
    ],
)
def test_vectors_are_checked(x: object, words: str) -> None:
    """The estimator's own methods refuse what they cannot read."""
    model = NimbusLDA().fit([[0.0, 1.0], [0.5, 0.0], [1.0, 1.0], [1.5, 0.0]], [0, 0, 1, 1])
    with pytest.raises(CoreDataError, match=re.escape(words)):
        model.predict(x)  # type: ignore[arg-type]


def test_vectors_and_labels_must_be_as_many() -> None:
    """One label for each vector."""
    with pytest.raises(CoreDataError, match="There are 2 vectors and 3 labels"):
        NimbusLDA().fit([[1.0], [2.0]], [1, 2, 1])


def test_partial_fit_of_an_untrained_model_trains_it() -> None:
    """As scikit-learn's users expect."""
    x, y = [[0.0], [0.5], [1.0], [1.5]], [0, 0, 1, 1]
    assert NimbusLDA().partial_fit(x, y).predict([[0.1]]).tolist() == [0]


def test_training_takes_labelled_data_and_nothing_else() -> None:
    """An array in their place is told by its name, with what to build."""
    with pytest.raises(CoreDataError, match=r"data is a ndarray, not a BCIData"):
        train_model(NimbusLDA, np.zeros((4, 5, 6)))
