"""What the core offers is handed out within the license, with no network."""

from __future__ import annotations

import inspect

import pytest

import nimbus_sdk
from nimbus_sdk.core.license_gate import REQUIRED_FEATURES, requires_feature
from nimbus_sdk.errors import FeatureNotLicensedError, SessionNotFoundError

GATES = (
    "import nimbus_sdk\n"
    "from nimbus_sdk.errors import FeatureNotLicensedError\n"
    "for name in ('train_model', 'calibrate_model'):\n"
    "    try:\n"
    "        getattr(nimbus_sdk, name)()\n"
    "    except FeatureNotLicensedError as error:\n"
    "        print(name, error.feature, error.exit_code)\n"
    "    except TypeError:\n"
    "        print(name, 'let through')\n"
)


def test_a_free_license_neither_trains_nor_calibrates(installed_free, forked):
    """The error names the feature; batch decoding goes on."""
    said = forked(
        f"{GATES}"
        "from nimbus_sdk import NimbusLDA, load_model, predict_batch\n"
        "import nimbus_sdk_core\n"
        "model = load_model(NimbusLDA, 'motor_imagery_4class_v1')\n"
        "data = nimbus_sdk_core.simulate('motor_imagery', n_trials=40, seed=3, n_classes=4)\n"
        "print(predict_batch(model, data).accuracy > 0.5)\n",
        NIMBUS_SDK_OFFLINE="1",
    )
    assert said.stdout.splitlines() == ["train_model training 5", "calibrate_model calibration 5", "True"]


def test_a_research_license_trains_and_calibrates(installed, forked):
    """The gate opens, and what is wrong with the call is the core's to say."""
    said = forked(GATES, NIMBUS_SDK_OFFLINE="1").stdout
    assert said.splitlines() == ["train_model let through", "calibrate_model let through"]


def test_the_gate_follows_another_process(sandbox, forked):
    """A license that is upgraded, or taken away, counts at the next call, in the same process."""
    free, research = sandbox.new_key("free"), sandbox.new_key("research")
    nimbus_sdk.authenticate(free)
    stream = requires_feature(lambda: "streaming", REQUIRED_FEATURES["init_streaming"])
    with pytest.raises(FeatureNotLicensedError, match=r"'streaming'.*free license.*research and higher"):
        stream()
    forked("import sys, nimbus_sdk; nimbus_sdk.authenticate(sys.stdin.readline())", stdin=research)
    assert stream() == "streaming"
    nimbus_sdk.invalidate_session()
    with pytest.raises(SessionNotFoundError):
        stream()


def test_the_help_of_a_licensed_function_lists_the_errors_of_the_sdk() -> None:
    """The core's own errors stay, and text without such a section stays as it is."""

    def learn() -> None:
        """Learn.

        Args:
            data: Trials.

        Raises:
            CoreDataError: Data without labels.
        """

    found = inspect.getdoc(requires_feature(learn, ("training",))) or ""
    listed = found.partition("Raises:")[2]
    for name in ("FeatureNotLicensedError", "SessionError", "CoreNotInstalledError", "CoreDataError"):
        assert listed.count(f"    {name}: ") == 1
    learn.__doc__ = "Learn."
    assert requires_feature(learn, ("training",)).__doc__ == "Learn."
