"""The pre-trained models: rebuilt byte for byte, described correctly, as accurate as stated."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from nimbus_sdk_core import NimbusLDA, load_model, predict_batch, simulate

EXPECTED = {
    "motor_imagery_4class_v1": ("NimbusLDA", "motor_imagery", 16, 4, "free"),
    "motor_imagery_2class_v1": ("NimbusLDA", "motor_imagery", 8, 2, "free"),
    "p300_binary_v1": ("NimbusQDA", "p300", 8, 2, "research"),
    "ssvep_multiclass_v1": ("NimbusLDA", "ssvep", 12, 4, "research"),
}


@pytest.fixture(scope="module")
def registry(tree: Path) -> dict[str, dict]:
    """The registry by name."""
    listed = json.loads((tree / "models" / "registry.json").read_text(encoding="utf-8"))["models"]
    return {entry["name"]: entry for entry in listed}


def test_the_registry_lists_the_four_models(registry: dict[str, dict]) -> None:
    """Names, types, sizes and license tiers are those of the Nimbus model registry."""
    fields = ("type", "paradigm", "n_features", "n_classes", "requires_license")
    assert {name: tuple(entry[f] for f in fields) for name, entry in registry.items()} == EXPECTED


@pytest.mark.parametrize("name", EXPECTED)
def test_each_file_agrees_with_the_registry(name: str, registry: dict[str, dict], tree: Path) -> None:
    """Size and digest fit, and the model inside agrees with its entry."""
    entry = registry[name]
    content = (tree / "models" / entry["file"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size"], entry["sha256"])
    model = load_model(entry["type"], name, search=[tree / "models"])
    assert (model.n_features_in_, len(model.classes_)) == (entry["n_features"], entry["n_classes"])
    assert model.classes_.tolist() == list(range(1, entry["n_classes"] + 1))
    assert dict(model.card.details).items() <= entry["metadata"].items()
    assert len(entry["metadata"]["class_names"]) == entry["n_classes"]


@pytest.mark.parametrize("name", EXPECTED)
def test_models_are_marked_as_simulated(name: str, registry: dict[str, dict], tree: Path) -> None:
    """Metadata and the printed model say that the data were simulated, by what and from which seed."""
    model = load_model(registry[name]["type"], name, search=[tree / "models"])
    details = model.card.details
    assert details["simulated"] is True
    assert details["generator"].startswith("nimbus_sdk_core.simulate/")
    assert isinstance(details["seed"], int)
    assert "trained on simulated data" in repr(model)


@pytest.mark.parametrize("n_trials", [100, pytest.param(1_000, marks=pytest.mark.qualification)])
@pytest.mark.parametrize("name", EXPECTED)
def test_accuracy_on_new_trials_is_as_stated(
    name: str, n_trials: int, registry: dict[str, dict], tree: Path
) -> None:
    """Trials of a new seed are decoded as well as the metadata claim, within three standard errors."""
    entry = registry[name]
    model = load_model(entry["type"], name, search=[tree / "models"])
    fresh = simulate(entry["paradigm"], n_trials=n_trials, seed=77_001, n_classes=entry["n_classes"])
    claimed = entry["metadata"]["held_out_accuracy"]
    error = (claimed * (1 - claimed) * (1 / 2_000 + 1 / n_trials)) ** 0.5
    assert predict_batch(model, fresh).accuracy == pytest.approx(claimed, abs=3 * error)
    assert 0.75 < claimed < 0.97


def test_four_classes_are_of_realistic_difficulty(registry: dict[str, dict]) -> None:
    """The bundled model is right in 80 to 95 of 100 trials, not always."""
    assert 0.80 <= registry["motor_imagery_4class_v1"]["metadata"]["held_out_accuracy"] <= 0.95


def test_the_package_carries_the_bundled_model_and_no_other(tree: Path) -> None:
    """The copy inside the package is the registered file."""
    package = tree / "src" / "nimbus_sdk_core" / "models"
    (inside,) = [file for file in package.iterdir() if file.suffix != ".py" and file.name != "__pycache__"]
    assert inside.read_bytes() == (tree / "models" / "motor_imagery_4class_v1.nimbus").read_bytes()
    assert load_model(NimbusLDA, "motor_imagery_4class_v1").card.name == "motor_imagery_4class_v1"


@pytest.mark.qualification
def test_rebuilding_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    """The training script writes every file and the registry again, bit by bit."""
    subprocess.run([sys.executable, tree / "train_models.py", tmp_path / "again"], check=True, timeout=100)
    stored = {file.name: file.read_bytes() for file in (tree / "models").iterdir()}
    assert {file.name: file.read_bytes() for file in (tmp_path / "again").iterdir()} == stored
