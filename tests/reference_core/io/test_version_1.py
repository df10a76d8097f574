"""Model files of format version 1 are still read."""

from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import ModelFileError, NimbusLDA, NimbusQDA, load_model, train_model
from nimbus_sdk_core.io.model_file import from_bytes
from nimbus_sdk_core.stats.niw import recover_moments

from tests.reference_core.support import forge_file, simulated

FILE = Path(__file__).with_name("version_1.nimbus")


def test_a_file_of_version_1_decodes_as_when_it_was_saved() -> None:
    """It has the posterior of the trials it was trained on, and learns on from them."""
    old = load_model(NimbusQDA, FILE)
    data = simulated("p300", n_trials=1_600, seed=301)
    same = train_model(NimbusQDA, data, dof_offset=2, mean_prior_precision=0.01)
    np.testing.assert_allclose(
        old.predict_log_proba(data.vectors()), same.predict_log_proba(data.vectors()), rtol=1e-9
    )
    more = simulated("p300", n_trials=40, seed=7)
    for model in (old, same):
        model.partial_fit(more.vectors(), more.labels)
    np.testing.assert_allclose(
        old.predict_log_proba(more.vectors()), same.predict_log_proba(more.vectors()), rtol=1e-9
    )


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
def test_the_statistics_of_a_posterior_are_recovered(kind: type[NimbusLDA]) -> None:
    """Counts, means and scatter follow from the posterior and the form of its prior."""
    data = simulated("p300", n_trials=60, seed=1)
    model = kind(dof_offset=3, mean_prior_precision=0.1).fit(data.vectors(), data.labels)
    found = recover_moments(model.posterior_)
    for name in ("counts", "means", "scatters"):
        np.testing.assert_allclose(getattr(found, name), model.arrays()[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("change", [{"classes": 3}, {"hyper": None}, {"classes": [1, 2, 3]}])
def test_malformed_files_of_version_1_are_refused(change: dict[str, object]) -> None:
    """As those of the present version are."""
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge_file(FILE.read_bytes(), lambda header: header["model"].update(change)))
