"""Every failure a user can meet: one tree, each class with its advice, none with a secret."""

import copy
import inspect
import pickle
import re

import pytest

from nimbus_sdk import errors
from nimbus_sdk.errors import ApiError, CoreIntegrityError, FeatureNotLicensedError, NimbusError

ALL = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, NimbusError)]

# The parent of every class, as the documentation of the package has it.
TREE = {
    "NimbusError": "Exception",
    "ConfigurationError": "NimbusError",
    "MissingLibraryError": "ConfigurationError",
    "ApiError": "NimbusError",
    "MissingKeyError": "ApiError",
    "InvalidKeyFormatError": "ApiError",
    "MissingEventTypeError": "ApiError",
    "InvalidKeyError": "ApiError",
    "KeyExpiredError": "ApiError",
    "PermissionDeniedError": "ApiError",
    "KeyNotFoundError": "ApiError",
    "MethodNotAllowedError": "ApiError",
    "QuotaExceededError": "ApiError",
    "RateLimitError": "ApiError",
    "ServerError": "ApiError",
    "NotConfiguredError": "ApiError",
    "NimbusConnectionError": "NimbusError",
    "NimbusTimeoutError": "NimbusConnectionError",
    "ResponseFormatError": "NimbusError",
    "SessionError": "NimbusError",
    "SessionNotFoundError": "SessionError",
    "SessionExpiredError": "SessionError",
    "SessionTamperedError": "SessionError",
    "ClockRollbackError": "SessionError",
    "NewerSessionError": "SessionError",
    "FeatureNotLicensedError": "NimbusError",
    "CoreError": "NimbusError",
    "CoreNotInstalledError": "CoreError",
    "CoreDownloadError": "CoreError",
    "CoreIntegrityError": "CoreError",
    "CoreInstallError": "CoreError",
    "CoreIncompatibleError": "CoreError",
    "CredentialStoreError": "NimbusError",
}


def drawn():
    """The tree that is drawn on top of the module: every class with its parent."""
    parents, tree = {}, {}
    for line in errors.__doc__.splitlines():
        found = re.match(r"^    ([│├└─\s]*)(\w+Error)\b", line)
        if found:
            depth = len(found[1]) // 4
            parents[depth] = found[2]
            tree[found[2]] = parents[depth - 1] if depth else "Exception"
    return tree


def test_the_tree_is_the_documented_one():
    """Programs catch by these classes."""
    found = {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}
    assert TREE.items() <= found.items()


def test_the_drawing_on_top_of_the_module_is_true():
    """It shows every class, below its parent."""
    assert drawn() == {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}


def test_a_malformed_key_is_a_value_error_too():
    """Programs that check their input as Python does catch it."""
    assert issubclass(errors.InvalidKeyFormatError, ValueError)


@pytest.mark.parametrize("kind", ALL)
def test_every_class_has_its_advice_and_its_exit_code(kind):
    """What to do next is part of what is printed; a command line ends with a code above 0."""
    error = kind("It broke.")
    assert kind.__doc__
    assert 1 <= kind.exit_code < 64
    assert error.message == "It broke."
    assert str(error).startswith("It broke.")
    if kind not in (NimbusError, ApiError, errors.CoreError):
        assert error.hint
        assert error.hint in str(error)
        assert error.hint.rstrip().endswith((".", "!"))
    assert kind("It broke.", hint="Mend it.").hint == "Mend it."
    assert str(kind("It broke.", hint="Mend it.")).startswith("It broke. Mend it.")
    assert kind("It broke.", hint="").hint == ""


def test_no_two_families_share_an_exit_code_by_accident():
    """A script can distinguish a rejected key, a used-up quota, a lost network, a session and the core."""
    codes = {
        kind.exit_code
        for kind in (
            errors.ConfigurationError,
            errors.ApiError,
            errors.InvalidKeyError,
            errors.PermissionDeniedError,
            errors.QuotaExceededError,
            errors.RateLimitError,
            errors.ServerError,
            errors.NimbusConnectionError,
            errors.SessionError,
            errors.CoreError,
            errors.CredentialStoreError,
        )
    }
    assert len(codes) == 11


def test_an_api_error_carries_what_the_service_said():
    """Status, code, request id and wait; they stand at the end of the text."""
    error = ApiError("No.", status=429, code="X", request_id="req_1", retry_after=7.0, hint="Wait.")
    assert (error.status, error.code, error.request_id, error.retry_after) == (429, "X", "req_1", 7.0)
    assert (error.attempts, error.answer_lost) == (1, False)
    assert str(error) == "No. Wait. [429, X, request req_1]"
    assert str(ApiError("No.")) == "No."


@pytest.mark.parametrize("kind", [one for one in ALL if issubclass(one, ApiError)])
def test_a_local_refusal_has_the_code_of_its_class(kind):
    """Raised before any network, it reads like the service's own."""
    assert kind("x").code == kind.default_code
    assert kind("x", code="OTHER").code == "OTHER"
    assert kind("x").status is None


def test_every_fault_of_a_core_is_listed():
    """One line each."""
    error = CoreIntegrityError("Damaged.", issues=("a.py: missing", "b.py: changed"), hint="Again.")
    assert str(error) == "Damaged. Again.\n  - a.py: missing\n  - b.py: changed"
    assert CoreIntegrityError("Damaged.").issues == ()


def test_a_missing_feature_is_named():
    """For programs that ask which one."""
    assert FeatureNotLicensedError("x", feature="streaming").feature == "streaming"


@pytest.mark.parametrize("kind", ALL)
def test_an_error_goes_through_another_process_and_comes_back_whole(kind):
    """Pickled and copied, with everything that it carries."""
    error = kind("It broke.", hint="Mend it.")
    for name, value in {"retry_after": 5.0, "request_id": "r", "issues": ("a",), "feature": "f"}.items():
        if hasattr(error, name):
            setattr(error, name, value)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert (str(other), vars(other)) == (str(error), vars(error))


def test_the_module_needs_nothing(fresh):
    """Errors are there however little else is."""
    fresh(
        "import sys\n"
        "before = set(sys.modules)\n"
        "import nimbus_sdk.errors\n"
        "new = {name for name in set(sys.modules) - before if not name.startswith('nimbus_sdk')}\n"
        "assert new <= {'__future__'}, new\n"
    )
