"""The names that programs are written against: a list that changes only on purpose."""

import ast
import importlib
import inspect
import pydoc
from pathlib import Path
from typing import get_type_hints

import pytest

import nimbus_sdk

CALLS = [
    "authenticate",
    "authenticate_from_storage",
    "check_installation",
    "check_model_license_compatibility",
    "check_quota_and_refresh",
    "current_session",
    "delete_stored_api_key",
    "download_model",
    "explain",
    "get_model_info",
    "get_quota_status",
    "get_stored_api_key",
    "install_core",
    "invalidate_session",
    "list_available_models",
    "refresh_quota",
    "revoke_api_key",
    "save_api_key",
    "uninstall_core",
]
CLASSES = [
    "AsyncNimbusClient",
    "AuthSession",
    "InstallationStatus",
    "KeyResolution",
    "NimbusClient",
    "ProgressEvent",
    "QuotaStatus",
    "RevocationResult",
]
ERRORS = [
    "ApiError",
    "ClockRollbackError",
    "ConfigurationError",
    "CoreDownloadError",
    "CoreError",
    "CoreIncompatibleError",
    "CoreInstallError",
    "CoreIntegrityError",
    "CoreNotInstalledError",
    "CredentialStoreError",
    "FeatureNotLicensedError",
    "InvalidKeyError",
    "InvalidKeyFormatError",
    "KeyExpiredError",
    "KeyNotFoundError",
    "MethodNotAllowedError",
    "MissingEventTypeError",
    "MissingKeyError",
    "NimbusConnectionError",
    "NimbusError",
    "NimbusTimeoutError",
    "NotConfiguredError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimitError",
    "ResponseFormatError",
    "ServerError",
    "SessionError",
    "SessionExpiredError",
    "SessionNotFoundError",
    "SessionTamperedError",
]
FROM_THE_CORE = [
    "BCIData",
    "BCIMetadata",
    "BatchResult",
    "ChunkResult",
    "NimbusLDA",
    "NimbusProbit",
    "NimbusQDA",
    "Pipeline",
    "RxGMMModel",
    "RxLDAModel",
    "RxPolyaModel",
    "StreamingResult",
    "StreamingSession",
    "TrialQuality",
    "assess_trial_quality",
    "calculate_ITR",
    "calibrate_model",
    "calibrate_streaming",
    "decode_stream",
    "finalize_trial",
    "init_streaming",
    "load_model",
    "predict_batch",
    "process_chunk",
    "save_model",
    "should_stop",
    "train_model",
]
SIGNATURES = {
    "install_core": (
        "(api_key=None, *, force=False, version=None, profile=None, offline=None, progress=None, "
        "timeout=None)"
    ),
    "authenticate": "(api_key=None, *, offline_mode=False, profile=None, timeout=None)",
    "authenticate_from_storage": "(*, profile=None, timeout=None)",
    "check_installation": "(*, profile=None)",
    "uninstall_core": "(*, profile=None)",
    "explain": "(*, profile=None)",
    "current_session": "(*, profile=None)",
    "invalidate_session": "(*, profile=None)",
    "save_api_key": "(key, *, profile=None)",
    "get_stored_api_key": "(*, profile=None)",
    "delete_stored_api_key": "(*, profile=None)",
    "refresh_quota": "(*, profile=None, timeout=None)",
    "check_quota_and_refresh": "(*, profile=None)",
    "get_quota_status": "(*, profile=None)",
    "revoke_api_key": "(api_key=None, *, reason=None, profile=None, timeout=None)",
    "list_available_models": "(paradigm=None, model_type=None, *, profile=None)",
    "get_model_info": "(name, *, profile=None)",
    "check_model_license_compatibility": "(name, *, profile=None)",
}
SESSION = [
    "api_key",
    "api_origin",
    "clock_offset",
    "email",
    "expires_at",
    "features_enabled",
    "from_dict",
    "has_feature",
    "is_expired",
    "key_fingerprint",
    "key_masked",
    "key_source",
    "key_source_reason",
    "license_type",
    "name",
    "organization",
    "profile",
    "quota_remaining",
    "quota_reset_at",
    "refresh",
    "require_feature",
    "stale",
    "to_dict",
    "to_json",
    "usage_quota",
    "usage_quota_max",
    "user_id",
    "validated_at",
]


def bare(function):
    """A signature without its annotations."""
    signature = inspect.signature(function)
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


def test_the_public_names_are_these():
    """No name comes or goes unnoticed."""
    assert sorted(nimbus_sdk.__all__) == sorted(["__version__", *CALLS, *CLASSES, *ERRORS, *FROM_THE_CORE])
    assert len(set(nimbus_sdk.__all__)) == len(nimbus_sdk.__all__)


def test_every_name_is_there_and_says_what_it_is():
    """Each can be imported and has a docstring."""
    for name in (*CALLS, *CLASSES, *ERRORS):
        value = getattr(nimbus_sdk, name)
        assert value.__doc__, name
        assert callable(value), name
        assert getattr(nimbus_sdk, name) is value, name


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_calls_take_what_they_took(name):
    """Names, order and defaults of the arguments."""
    assert bare(getattr(nimbus_sdk, name)) == SIGNATURES[name]


@pytest.mark.parametrize(
    "module", ["nimbus_sdk", "nimbus_sdk.aio", "nimbus_sdk.errors", "nimbus_sdk.services"]
)
def test_every_annotation_can_be_resolved(module):
    """typing.get_type_hints works for each function, class and method, as tools that read them need it."""
    values = vars(importlib.import_module(module))
    names = values["__all__"] if "__all__" in values else [name for name in values if name[0] != "_"]
    for name in set(names) - {"__version__"}:
        value = getattr(importlib.import_module(module), name)
        if not callable(value):
            continue
        get_type_hints(value)
        for member_name, member in inspect.getmembers(value) if inspect.isclass(value) else ():
            if member_name[0] == "_" and member_name not in ("__init__", "__exit__", "__aexit__"):
                continue
            function = member.fget if isinstance(member, property) else member
            is_own = str(getattr(function, "__module__", "")).startswith("nimbus_sdk")
            if is_own and (inspect.isfunction(function) or inspect.ismethod(function)):
                get_type_hints(function)


def test_a_session_has_these_public_members():
    """Fields, properties and methods."""
    assert sorted(name for name in dir(nimbus_sdk.AuthSession) if not name.startswith("_")) == SESSION


@pytest.mark.parametrize("name", ["QuotaStatus", "InstallationStatus", "RevocationResult", "ProgressEvent"])
def test_results_cannot_be_changed(name):
    """They are frozen."""
    assert getattr(nimbus_sdk, name).__dataclass_params__.frozen


@pytest.mark.parametrize("package", ["nimbus_sdk", "nimbus_sdk.services", "nimbus_sdk.sandbox"])
def test_type_checkers_see_each_name_that_is_loaded_on_first_use(package):
    """It is imported for them from the module that has it, and ``__all__`` names it in plain text."""
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {
        (alias.name, node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    lazy = module._MODULES
    assert imported >= set(lazy.items())
    assert set(names) >= set(lazy)
    if package != "nimbus_sdk":
        assert imported == set(lazy.items())
        assert sorted(names) == sorted(lazy)


def test_an_unknown_name_is_no_name():
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'install_kore'"):
        _ = nimbus_sdk.install_kore  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from nimbus_sdk import install_kore")


def test_the_import_alone_loads_next_to_nothing(fresh):
    """None of the libraries that cost time, and nothing of the SDK but its version."""
    fresh(
        "import sys\n"
        "before = set(sys.modules)\n"
        "import nimbus_sdk\n"
        "own = {name for name in set(sys.modules) - before if name.startswith('nimbus_sdk')}\n"
        "assert own == {'nimbus_sdk', 'nimbus_sdk._version'}, own\n"
        "heavy = {'httpcore', 'pydantic', 'keyring', 'tenacity', 'platformdirs', 'filelock', 'rich'}\n"
        "assert not heavy & set(sys.modules)\n"
    )


def test_who_looks_around_finds_public_names_alone_and_is_met_by_no_error(fresh):
    """nimbus_sdk.aio and nimbus_sdk.errors need no import; no room that is loaded is listed; help() works."""
    fresh(
        "import nimbus_sdk\n"
        "assert nimbus_sdk.aio.install_core\n"
        "assert nimbus_sdk.errors.NimbusError is nimbus_sdk.NimbusError\n"
        "import nimbus_sdk.config.keys, nimbus_sdk.config.settings\n"
        "nimbus_sdk.check_installation\n"
        "listed = {name for name in dir(nimbus_sdk) if not name.startswith('__')}\n"
        "assert listed <= {*nimbus_sdk.__all__, 'aio', 'errors', 'sandbox', 'services'}, listed\n"
        "assert {'aio', 'errors', 'install_core', 'AuthSession'} <= set(dir(nimbus_sdk))\n"
        "import inspect, pydoc\n"
        "text = pydoc.render_doc(nimbus_sdk, renderer=pydoc.plaintext)\n"
        "assert 'install_core' in text\n"
        "assert inspect.getmembers(nimbus_sdk)\n"
    )


def test_the_cores_names_are_there_once_it_is_installed(sandbox, key, fresh):
    """In a fresh process, offline, under old and new names; help() knows them, and they work."""
    nimbus_sdk.install_core(key)
    fresh(
        "import pydoc\n"
        "import nimbus_sdk\n"
        f"for name in {FROM_THE_CORE}:\n"
        "    value = getattr(nimbus_sdk, name)\n"
        "    assert isinstance(value, type) == name[0].isupper()\n"
        "    import nimbus_sdk_core\n"
        "    assert name in nimbus_sdk_core.__all__\n"
        "import sys\n"
        "assert 'nimbus_sdk.core.placeholders' not in sys.modules\n"
        "assert 'predict_batch' in pydoc.render_doc(nimbus_sdk, renderer=pydoc.plaintext)\n"
        "from nimbus_sdk import NimbusLDA, load_model\n"
        "assert nimbus_sdk.RxLDAModel is NimbusLDA\n"
        "assert nimbus_sdk.load_model is load_model\n"
        "assert load_model(NimbusLDA, 'motor_imagery_4class_v1') is not None\n",
        NIMBUS_SDK_OFFLINE="1",
    )


def test_every_call_can_be_explained():
    """help() of each shows its arguments."""
    for name in CALLS:
        assert "profile" in pydoc.render_doc(getattr(nimbus_sdk, name), renderer=pydoc.plaintext)  # type: ignore[attr-defined]
