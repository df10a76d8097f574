"""Columns of data frames are known by name."""

import re
import warnings

import numpy as np
import numpy.typing as npt
import pytest
from nimbus_sdk_core import CoreDataError, NimbusLDA, NimbusProbit, NimbusQDA, NotTrainedError

KINDS = pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])


class Frame:
    """An array with named columns, which is all that is read of a data frame."""

    def __init__(self, values: np.ndarray, columns: list[object]) -> None:
        self.values = values
        self.columns = columns

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.values, dtype)


def labelled(n_features: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Two classes."""
    y = np.arange(40) % 2
    return np.random.default_rng(1).normal(size=(40, n_features)) + y[:, None], y


@KINDS
def test_columns_in_another_order_are_refused(kind: type[NimbusLDA]) -> None:
    """The names of the training are stored; others, or another order, are a ValueError that names them."""
    x, y = labelled()
    model = kind().fit(Frame(x, ["C3", "Cz", "C4"]), y)
    assert model.feature_names_in_.tolist() == ["C3", "Cz", "C4"]
    assert model.predict(Frame(x, ["C3", "Cz", "C4"])).shape == (40,)
    for use in (
        model.predict,
        model.predict_proba,
        model.decision_function,
        lambda f: model.partial_fit(f, y),
    ):
        with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
            use(Frame(x, ["C4", "Cz", "C3"]))
        with pytest.raises(
            CoreDataError, match=re.escape("unseen at fit time:\n- Pz\nFeature names seen at fit time, yet")
        ):
            use(Frame(x, ["C3", "Cz", "Pz"]))


@KINDS
def test_names_on_one_side_only_are_a_warning(kind: type[NimbusLDA]) -> None:
    """Plain arrays have no names to compare; the words are scikit-learn's."""
    x, y = labelled()
    named, plain = kind().fit(Frame(x, ["a", "b", "c"]), y), kind().fit(x, y)
    with pytest.warns(
        UserWarning, match=f"X does not have valid feature names, but {kind.__name__} was"
    ) as seen:
        named.predict(x)
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match=f"X has feature names, but {kind.__name__} was fitted without"):
        plain.predict(Frame(x, ["a", "b", "c"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain.predict(Frame(x, [0, 1, 2]))
        assert named.fit(x, y).predict(x).shape == (40,)
    for model in (plain, named, kind()):
        assert not hasattr(model, "feature_names_in_")
    with pytest.raises(NotTrainedError, match="knows no names of features"):
        plain.feature_names_in_  # noqa: B018


def test_names_of_mixed_types_are_refused() -> None:
    """As scikit-learn refuses them."""
    x, y = labelled()
    with pytest.raises(TypeError, match=re.escape("has ['int', 'str'] as feature name")):
        NimbusLDA().fit(Frame(x, ["a", 1, 2]), y)


def test_partial_fit_stores_the_names_of_its_first_trials() -> None:
    """They are compared from the second step on."""
    x, y = labelled()
    model = NimbusLDA().partial_fit(Frame(x, ["a", "b", "c"]), y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(CoreDataError, match="same order"):
        model.partial_fit(Frame(x, ["b", "a", "c"]), y)
