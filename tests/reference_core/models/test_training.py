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
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    NotTrainedError,
    calibrate_model,
    predict_batch,
    train_model,
)

from tests.reference_core.support import simulate_epochs, simulated


def test_progress_reports_the_iterations(capsys: pytest.CaptureFixture[str]) -> None:
    """showprogress says how many there were, which may be fewer than were allowed."""
    train_model(
        NimbusProbit, simulated("p300", n_trials=40, seed=1), iterations=30, name="a", showprogress=True
    )
    assert re.fullmatch(r"trained a on 40 trials in 1\d iterations\n", capsys.readouterr().err)


def test_progress_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """A name from elsewhere is shown with its control characters escaped."""
    data = simulated("p300", n_trials=40, seed=1)
    model = train_model("NimbusLDA", data, name="a\x1b[2J\nb", showprogress=True)
    assert capsys.readouterr().err == "trained a\\x1b[2J\\nb on 40 trials in one exact step\n"
    assert model.card.name == "a\x1b[2J\nb"


def two_classes(features: np.ndarray, labels: object, **changes: object) -> BCIData:
    """Features of shape (n_features, n_trials) as data of two classes."""
    fields = {"sampling_rate": 1.0, "paradigm": "mine", "feature_type": "own", "n_classes": 2, **changes}
    return BCIData(features[:, None, :], BCIMetadata(n_features=len(features), **fields), labels)


def test_training_stores_name_origin_and_hyper_parameters() -> None:
    """What was given comes back from the model."""
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(NimbusQDA, data, name="mine", description="a test", dof_offset=3)
    assert model.card is not None
    assert (model.card.name, model.card.description, model.card.metadata) == ("mine", "a test", data.metadata)
    assert model.card.details == {"trained_trials": 60}
    assert model.hyper == {**NimbusQDA().hyper, "dof_offset": 3}
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
        train_model(NimbusLDA, simulated("p300", n_trials=40, seed=1), **given)  # type: ignore[arg-type]
    with pytest.raises(CoreTypeError, match=r"metadata is a dict. Give a BCIMetadata"):
        ModelCard("mine", {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hyper", "words"),
    [
        ({"dof_offset": -0.5}, 'dof_offset is -0.5. Give "auto" or a number from 0 to 1e+09'),
        ({"dof_offset": float("inf")}, "dof_offset is inf"),
        ({"dof_offset": float("nan")}, "dof_offset is nan"),
        ({"dof_offset": "2"}, "dof_offset is '2', not a number"),
        ({"dof_offset": True}, "dof_offset is True, not a number"),
        ({"mean_prior_precision": -1}, "mean_prior_precision is -1"),
        ({"mean_prior_precision": "automatic"}, "mean_prior_precision is 'automatic', not a number"),
        ({"shrinkage": 1}, "NimbusLDA has no hyper-parameter shrinkage. Use one of dof_offset"),
        ({"iterations": 0}, "iterations is 0"),
        ({"iterations": 1.5}, "iterations is 1.5"),
    ],
)
def test_hyper_parameters_are_checked(hyper: dict[str, object], words: str) -> None:
    """Unknown names and values out of range are refused by name."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        train_model(NimbusLDA, simulated("p300", n_trials=40, seed=1), **hyper)  # type: ignore[arg-type]


def test_data_without_information_are_rejected(random: np.random.Generator) -> None:
    """No labels, missing classes and constant features each say what is wrong."""
    x = random.normal(size=(3, 6))
    for labels, words in (
        (None, "The data have no labels"),
        ([1] * 6, "labels hold 1 of metadata.n_classes = 2 classes: [1]"),
    ):
        with pytest.raises(CoreDataError, match=re.escape(words)):
            train_model(NimbusLDA, two_classes(x, labels))
    x[1] = 0.1
    with pytest.raises(CoreDataError, match=r"1 feature\(s\) do not vary within the classes: \[1\]"):
        train_model(NimbusLDA, two_classes(x, [1, 2] * 3))
    with pytest.raises(CoreDataError, match=r"labels hold 1 class\(es\): \['a'\]"):
        NimbusLDA().fit(x.T, ["a"] * 6)


def test_repeated_features_do_no_harm(random: np.random.Generator) -> None:
    """The prior makes the covariance regular if features are linearly dependent."""
    x = random.normal(size=(2, 40)) + np.array([0, 1] * 20)
    data = two_classes(np.concatenate([x, x]), [1, 2] * 20)
    for kind in (NimbusLDA, NimbusQDA):
        assert predict_batch(train_model(kind, data), data).accuracy > 0.6


def test_calibration_in_two_steps_equals_one_on_the_union() -> None:
    """The posterior becomes the prior, so the order of the trials is forgotten."""
    base = train_model(NimbusLDA, simulated("motor_imagery", n_trials=200, seed=1)[:100])
    new = simulated("motor_imagery", n_trials=60, seed=2, subject=3)
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
    base = train_model(NimbusQDA, simulated("p300", n_trials=80, seed=1), dof_offset=4)
    new = simulated("p300", n_trials=80, seed=2)
    before = predict_batch(base, new).posteriors
    mine = calibrate_model(base, new)
    np.testing.assert_array_equal(predict_batch(base, new).posteriors, before)
    assert not np.allclose(predict_batch(mine, new).posteriors, before)
    assert mine.hyper == base.hyper


def test_calibration_helps_for_another_subject() -> None:
    """A few trials of a subject with other features restore most of the accuracy."""
    trials = simulated("motor_imagery", n_trials=200, seed=1)
    base = train_model(NimbusLDA, trials[:60])

    def moved(found: BCIData) -> BCIData:
        features = found.features * 0.7 + 1.5 * np.arange(16)[:, None, None] / 16
        return BCIData(features, found.metadata, found.labels)

    test = moved(simulated("motor_imagery", n_trials=200, seed=2))
    plain, mine = predict_batch(base, test), predict_batch(calibrate_model(base, moved(trials[60:])), test)
    assert mine.accuracy > plain.accuracy + 0.05


def test_untrained_models_raise_not_trained_error() -> None:
    """Predictions and attributes need a trained model."""
    data = simulated("p300", n_trials=10, seed=1)
    for ask in (
        lambda: predict_batch(NimbusLDA(), data),
        lambda: calibrate_model(NimbusLDA(), data),
        lambda: NimbusLDA().predict([[1.0]]),
    ):
        with pytest.raises(NotTrainedError, match="This NimbusLDA is not trained"):
            ask()
    assert repr(NimbusLDA(priors=[0.5, 0.5])).endswith("priors=[0.5, 0.5])")


def test_progress_is_written_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """showprogress writes one line to standard error, and silence is the default."""
    data = simulated("p300", n_trials=40, seed=1)
    train_model(NimbusLDA, data, name="mine")
    assert capsys.readouterr() == ("", "")
    train_model(NimbusLDA, data, name="mine", showprogress=True)
    assert capsys.readouterr().err == "trained mine on 40 trials in one exact step\n"


def test_partial_fit_of_an_untrained_model_trains_it() -> None:
    """As scikit-learn's users expect."""
    x, y = [[0.0], [0.5], [1.0], [1.5]], [0, 0, 1, 1]
    assert NimbusLDA().partial_fit(x, y).predict([[0.1]]).tolist() == [0]


def test_training_accepts_labelled_data_only() -> None:
    """An array in their place is named in the error, with what to build."""
    with pytest.raises(CoreDataError, match=r"data is an ndarray, not a BCIData"):
        train_model(NimbusLDA, np.zeros((4, 5, 6)))
    with pytest.raises(CoreDataError, match=r"data is an Epochs.*Read it with BCIData\.from_epochs\(epochs"):
        train_model(NimbusLDA, simulate_epochs(1))  # type: ignore[arg-type]
