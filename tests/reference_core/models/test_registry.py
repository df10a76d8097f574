"""Names of model kinds."""

import pytest
from nimbus_sdk_core import (
    ModelMismatchError,
    NimbusLDA,
    NimbusQDA,
    RxGMMModel,
    RxLDAModel,
    train_model,
)

from tests.reference_core.support import simulated


def test_kinds_have_a_class_name_and_an_older_name() -> None:
    """A kind may be the class, its name or its older name; the older classes are the same."""
    data = simulated("p300", n_trials=40, seed=1)
    assert (RxLDAModel, RxGMMModel) == (NimbusLDA, NimbusQDA)
    for kind in (NimbusQDA, "NimbusQDA", "RxGMMModel", RxGMMModel):
        assert isinstance(train_model(kind, data), NimbusQDA)


def test_a_model_in_place_of_its_class_is_rejected() -> None:
    """Hyper-parameters are not lost on the way: the message shows where they belong."""
    words = r"kind is NimbusLDA\(dof_offset=3, .* Give the class, .*: train_model\(NimbusLDA, data, …\)"
    with pytest.raises(ModelMismatchError, match=words):
        train_model(NimbusLDA(dof_offset=3), simulated("p300", n_trials=40, seed=1))  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["NimbusForest", int, object()])
def test_unknown_kinds_are_rejected(kind: object) -> None:
    """What is no model kind is refused with those there are."""
    with pytest.raises(
        ModelMismatchError, match=r"There is no model kind .* Use one of NimbusLDA, NimbusQDA"
    ):
        train_model(kind, simulated("p300", n_trials=40, seed=1))  # type: ignore[call-overload]
