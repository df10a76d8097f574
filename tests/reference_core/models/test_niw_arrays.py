"""Arrays that are not a posterior are rejected."""

import numpy as np
import pytest
from nimbus_sdk_core import ModelFileError, NimbusLDA, NimbusProbit, train_model
from nimbus_sdk_core.io.model_file import from_bytes, to_bytes

from tests.reference_core.support import forge_file, simulated


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("counts", 0, -1.0),
        ("means", 3, np.nan),
        ("means", 3, np.inf),
        ("means", 3, 1e120),
        ("scatters", 1, 7.0),
        ("scatters", 0, -5.0),
    ],
)
def test_arrays_that_are_not_a_posterior_are_rejected(
    model: NimbusLDA, content: bytes, name: str, at: int, value: float
) -> None:
    """Values out of range, NaN, and matrices that are no covariance are refused."""
    arrays = {key: array.copy() for key, array in model.arrays().items()}
    arrays[name].flat[at] = value
    payload = b"".join(arrays[key].tobytes() for key in sorted(arrays))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge_file(content, lambda header: None, payload))


@pytest.mark.parametrize("name", ["means", "scatters", "counts"])
@pytest.mark.parametrize("value", [1e-308, 1e-200, 1e150, 1e200, 1e300])
def test_models_that_would_return_nan_are_rejected(
    model: NimbusLDA, content: bytes, name: str, value: float
) -> None:
    """What loads says finite things of ordinary vectors, however extreme its numbers are."""
    arrays = {key: array.copy() for key, array in model.arrays().items()}
    arrays[name] = value * (np.eye(8)[None] if name == "scatters" else np.ones_like(arrays[name]))
    payload = b"".join(arrays[key].tobytes() for key in sorted(arrays))
    try:
        found = from_bytes(forge_file(content, lambda header: None, payload))
    except ModelFileError:
        return
    assert np.isfinite(found.predict_proba(np.random.default_rng(1).normal(size=(20, 8)))).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("means", 1e200), ("counts", 1e-308), ("scale", 1e-308), ("centre", 1e200)],
)
def test_numbers_that_no_training_gives_are_rejected(name: str, value: float) -> None:
    """Arrays that pass one by one and make no predictive are refused by what they say."""
    kind = NimbusProbit if name in ("scale", "centre") else NimbusLDA
    trained = train_model(kind, simulated("p300", n_trials=40, seed=1))
    arrays = {key: array.copy() for key, array in trained.arrays().items()}
    arrays[name] = value * (np.eye(8)[None] if name == "scatters" else np.ones_like(arrays[name]))
    payload = b"".join(arrays[key].tobytes() for key in sorted(arrays))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge_file(to_bytes(trained), lambda header: None, payload))
