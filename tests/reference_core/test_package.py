"""The package as a whole: names, documentation, import cost, wheel."""

import doctest
import importlib
import inspect
import json
import pickle
import pkgutil
import pydoc
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nimbus_sdk_core
import pytest
from nimbus_sdk_core import (
    CoreDataError,
    MissingLibraryError,
    ModelFileError,
    ModelMismatchError,
    NimbusCoreError,
    NotTrainedError,
)

MODULES = sorted(found.name for found in pkgutil.walk_packages(nimbus_sdk_core.__path__, "nimbus_sdk_core."))


def test_the_public_names_are_these() -> None:
    """Adding or losing a public name is a visible change, and each name is there."""
    assert nimbus_sdk_core.__all__ == [
        "PROTOCOL_VERSION",
        "AggregatedChunks",
        "BCIData",
        "BCIMetadata",
        "BatchResult",
        "ChunkResult",
        "ConfidenceCalibration",
        "ConvergenceWarning",
        "CoreDataError",
        "CoreTypeError",
        "Decoder",
        "LazyBatchResult",
        "MissingLibraryError",
        "ModelCard",
        "ModelFileError",
        "ModelMismatchError",
        "ModelNotFoundError",
        "NimbusCoreError",
        "NimbusLDA",
        "NimbusProbit",
        "NimbusQDA",
        "NormalizationParams",
        "NotTrainedError",
        "OwnWord",
        "ParadigmDefaults",
        "Pipeline",
        "PreprocessingReport",
        "RxGMMModel",
        "RxLDAModel",
        "RxPolyaModel",
        "SpatialFilters",
        "StreamError",
        "StreamingResult",
        "StreamingSession",
        "SuspiciousDataWarning",
        "TrialQuality",
        "__version__",
        "aggregate_chunks",
        "apply_normalization",
        "assess_trial_quality",
        "calculate_ITR",
        "calculate_itr",
        "calibrate_model",
        "calibrate_streaming",
        "check_model_compatibility",
        "compute_fisher_score",
        "decode_stream",
        "diagnose_preprocessing",
        "estimate_normalization_params",
        "finalize_trial",
        "fit_csp",
        "get_n_classes",
        "get_n_features",
        "get_paradigm",
        "get_paradigm_defaults",
        "init_streaming",
        "load_model",
        "plot_calibration",
        "plot_confusion",
        "plot_posteriors",
        "predict_batch",
        "process_chunk",
        "rank_features_by_discriminability",
        "save_model",
        "should_reject_trial",
        "should_stop",
        "simulate",
        "train_model",
        "validate_chunk",
        "validate_data",
    ]
    assert all(hasattr(nimbus_sdk_core, name) for name in nimbus_sdk_core.__all__)
    assert set(nimbus_sdk_core.__all__) <= set(dir(nimbus_sdk_core))
    assert nimbus_sdk_core.PROTOCOL_VERSION == 1
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        nimbus_sdk_core.nonsense  # noqa: B018


@pytest.mark.parametrize(
    "name", ["NimbusLDA", "NimbusQDA", "BCIData", "assess_trial_quality", "validate_chunk"]
)
def test_help_names_types_as_they_are_written(name: str) -> None:
    """Not as hundreds of characters of what ``npt.ArrayLike`` is made of."""
    found = getattr(nimbus_sdk_core, name)
    shown = pydoc.render_doc(found, renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    assert "ArrayLike" in shown
    assert "numpy._typing" not in shown


def test_every_public_name_is_documented() -> None:
    """Functions and classes have docstrings, and functions say what they raise."""
    for name in nimbus_sdk_core.__all__:
        found = getattr(nimbus_sdk_core, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert found.__doc__, name
        if inspect.isfunction(found):
            assert "Raises:" in found.__doc__, name


@pytest.mark.parametrize("name", ["nimbus_sdk_core", *MODULES])
def test_examples_in_docstrings_run(name: str) -> None:
    """What the documentation shows is what happens."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_readme_runs(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example on the front page works as printed."""
    code = (tree / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(code, {})
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (CoreDataError, ValueError),
        (MissingLibraryError, ImportError),
        (ModelFileError, ValueError),
        (ModelMismatchError, TypeError),
        (NotTrainedError, AttributeError),
    ],
)
def test_errors_say_what_happened_and_what_to_do(kind: type[NimbusCoreError], also: type[Exception]) -> None:
    """Each error has message and hint, is of the usual family too, and survives pickling."""
    error = pickle.loads(pickle.dumps(kind("It broke.", "Mend it.")))
    assert isinstance(error, NimbusCoreError)
    assert isinstance(error, also)
    assert (str(error), error.message, error.hint) == ("It broke. Mend it.", "It broke.", "Mend it.")  # type: ignore[attr-defined]


def test_import_loads_little_but_numpy(tree: Path) -> None:
    """Neither random numbers, nor files, nor hashing, nor the SDK are loaded by the import alone."""
    code = "import sys, nimbus_sdk_core; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tree / "src")},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    heavy = {"numpy.random", "json", "hashlib", "pathlib", "tempfile", "zipfile", "scipy", "nimbus_sdk"}
    assert not heavy & set(done.stdout.split())


def test_no_module_imports_the_sdk(tree: Path) -> None:
    """The core is a wheel of its own."""
    for file in (tree / "src").rglob("*.py"):
        assert "import nimbus_sdk\n" not in file.read_text(encoding="utf-8")
        assert "from nimbus_sdk " not in file.read_text(encoding="utf-8")
        assert "from nimbus_sdk." not in file.read_text(encoding="utf-8")


@pytest.mark.qualification
def test_the_wheel_builds_and_works_from_a_folder(tree: Path, tmp_path: Path) -> None:
    """A pure wheel with one model inside, importable from where it was unpacked."""
    source = shutil.copytree(tree, tmp_path / "source")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", source],
        check=True,
        capture_output=True,
        timeout=100,
    )
    (wheel,) = (tmp_path / "dist").iterdir()
    assert wheel.name == f"nimbus_sdk_core-{nimbus_sdk_core.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "core")
    assert [name for name in names if name.endswith(".nimbus")] == [
        "nimbus_sdk_core/models/motor_imagery_4class_v1.nimbus"
    ]
    assert "nimbus_sdk_core/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "nimbus_sdk_core",
        f"nimbus_sdk_core-{nimbus_sdk_core.__version__}.dist-info",
    }
    code = (
        "import json, nimbus_sdk_core as c\n"
        "m = c.load_model(c.RxLDAModel, 'motor_imagery_4class_v1')\n"
        "r = c.predict_batch(m, c.simulate('motor_imagery', n_trials=200, seed=9))\n"
        "print(json.dumps([c.__file__, c.__version__, r.accuracy]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PYTHONPATH": str(tmp_path / "core")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    file, version, accuracy = json.loads(done.stdout)
    assert Path(file).is_relative_to(tmp_path / "core")
    assert version == nimbus_sdk_core.__version__
    assert accuracy > 0.75
