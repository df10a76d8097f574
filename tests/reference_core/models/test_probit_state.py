"""The trained state of NimbusProbit: its arrays and its warning."""

from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    ModelFileError,
    NimbusProbit,
    NotTrainedError,
    calibrate_model,
    load_model,
    save_model,
    train_model,
)
from nimbus_sdk_core.io.model_file import from_bytes, to_bytes
from nimbus_sdk_core.models.probit_state import ConvergenceWarning

from tests.reference_core.support import forge_file, separated_trials, simulated


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("centre", 0, np.nan),
        ("scale", 1, 0.0),
        ("coefficients", 0, np.inf),
        ("coefficient_precision", 1, 7.0),
        ("coefficient_precision", 0, -1e9),
        ("noise_dof", 0, 0.0),
        ("noise_scatter", 0, -1.0),
        ("marginal_dof", 0, 1.0),
        ("marginal_scatter", 1, 3.0),
    ],
)
def test_arrays_that_are_not_a_probit_are_rejected(name: str, at: int, value: float) -> None:
    """Each array of a NimbusProbit is checked before it is believed."""
    model = train_model(NimbusProbit, simulated("p300", n_trials=40, seed=1))
    arrays = {key: array.copy() for key, array in model.arrays().items()}
    arrays[name].flat[at] = value
    payload = b"".join(arrays[key].tobytes() for key in sorted(arrays))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge_file(to_bytes(model), lambda header: None, payload))


def test_learning_that_ends_too_early_warns_the_caller() -> None:
    """The warning has the number of iterations and points at the calling line."""
    x, y = separated_trials(5, 3, 150)
    for train in (NimbusProbit(iterations=3).fit, NimbusProbit(iterations=3).partial_fit):
        with pytest.warns(ConvergenceWarning, match="After 3 iterations the posterior still moves") as found:
            assert train(x, y).n_iter_ == 3
        assert [warning.filename for warning in found] == [__file__]


def test_a_model_from_a_file_has_no_number_of_iterations(tmp_path: Path) -> None:
    """Its iterations are not guessed; those of the next learning are counted again."""
    data = simulated("p300", n_trials=60, seed=1)
    save_model(train_model(NimbusProbit, data), tmp_path / "mine.nimbus")
    model = load_model(NimbusProbit, tmp_path / "mine.nimbus")
    assert model.n_iter_ is None
    assert "iterations" not in model.hyper
    assert calibrate_model(model, data).n_iter_ < 20
    with pytest.raises(NotTrainedError):
        NimbusProbit().n_iter_  # noqa: B018
