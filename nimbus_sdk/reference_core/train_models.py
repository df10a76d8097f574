"""Train the pre-trained models from simulated recordings; the same bytes every time.

Run ``python train_models.py`` beside this file: it writes ``models/*.nimbus``, ``models/registry.json`` and
the one model inside the package. ``python train_models.py FOLDER`` writes all of it there.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "src"))

from nimbus_sdk_core import Decoder, ModelCard, predict_batch, save_model, simulate, train_model  # noqa: E402
from nimbus_sdk_core.models.model_card import JsonValue  # noqa: E402
from nimbus_sdk_core.simulation import GENERATOR, class_names  # noqa: E402

BUNDLED = "motor_imagery_4class_v1"
BUNDLED_FOLDER = HERE / "src" / "nimbus_sdk_core" / "models"

_HELD_OUT_TRIALS = 2_000


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is made.

    Attributes:
        name: Name of the model.
        kind: Model kind.
        paradigm: What is simulated.
        n_classes: Classes in the task.
        n_trials: Trials to train on.
        seed: Seed of the training trials; the held-out ones use the next.
        license: The lowest license tier that may download it.
        description: Text for lists of models.
    """

    name: str
    kind: str
    paradigm: str
    n_classes: int
    n_trials: int
    seed: int
    license: str
    description: str


RECIPES = (
    Recipe(
        name=BUNDLED,
        kind="NimbusLDA",
        paradigm="motor_imagery",
        n_classes=4,
        n_trials=1_200,
        seed=41,
        license="free",
        description="Left hand, right hand, feet or tongue, from filter-bank CSP features. Simulated EEG.",
    ),
    Recipe(
        name="motor_imagery_2class_v1",
        kind="NimbusLDA",
        paradigm="motor_imagery",
        n_classes=2,
        n_trials=800,
        seed=21,
        license="free",
        description="Left or right hand, from filter-bank CSP features. Simulated EEG.",
    ),
    Recipe(
        name="p300_binary_v1",
        kind="NimbusQDA",
        paradigm="p300",
        n_classes=2,
        n_trials=1_600,
        seed=301,
        license="research",
        description="Awaited or other flash, from one flash's evoked potentials. Simulated EEG.",
    ),
    Recipe(
        name="ssvep_multiclass_v1",
        kind="NimbusLDA",
        paradigm="ssvep",
        n_classes=4,
        n_trials=800,
        seed=81,
        license="research",
        description="Light at 9, 11, 13 or 15 Hz, from the power at three harmonics. Simulated EEG.",
    ),
)


def train(recipe: Recipe) -> Decoder:
    """Train the model of a recipe and write its origin and accuracy into its card."""
    data = simulate(recipe.paradigm, n_trials=recipe.n_trials, seed=recipe.seed, n_classes=recipe.n_classes)
    unseen = simulate(
        recipe.paradigm, n_trials=_HELD_OUT_TRIALS, seed=recipe.seed + 1, n_classes=recipe.n_classes
    )
    model = train_model(recipe.kind, data, name=recipe.name, description=recipe.description)
    names: list[JsonValue] = [*class_names(recipe.paradigm)[: recipe.n_classes]]
    details: dict[str, JsonValue] = {
        "simulated": True,
        "generator": GENERATOR,
        "seed": recipe.seed,
        "trained_trials": recipe.n_trials,
        "held_out_trials": _HELD_OUT_TRIALS,
        "held_out_accuracy": predict_batch(model, unseen).accuracy,
        "class_names": names,
    }
    model.card = ModelCard(recipe.name, data.metadata, recipe.description, details)
    return model


def entry(recipe: Recipe, model: Decoder, file: Path) -> dict[str, object]:
    """Describe a written model as one entry of the registry."""
    if model.card is None:
        raise ValueError(f"{recipe.name} has no card")
    about, content = model.card.metadata, file.read_bytes()
    return {
        "name": recipe.name,
        "version": "1.0.0",
        "type": recipe.kind,
        "paradigm": recipe.paradigm,
        "n_features": about.n_features,
        "n_classes": about.n_classes,
        "requires_license": recipe.license,
        "file": file.name,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "metadata": {
            "description": recipe.description,
            "feature_type": about.feature_type,
            "sampling_rate": about.sampling_rate,
            "temporal_aggregation": about.temporal_aggregation,
            **model.card.details,
        },
    }


def build(folder: Path) -> None:
    """Train all models and write them and their registry into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for recipe in RECIPES:
        model = train(recipe)
        entries.append(entry(recipe, model, save_model(model, folder / f"{recipe.name}.nimbus")))
    registry = json.dumps({"models": entries}, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "registry.json").write_text(registry + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Write into the folder named in ``arguments``, or else into this source tree."""
    if arguments:
        build(Path(arguments[0]))
        return
    build(HERE / "models")
    BUNDLED_FOLDER.mkdir(exist_ok=True)
    file = f"{BUNDLED}.nimbus"
    (BUNDLED_FOLDER / file).write_bytes((HERE / "models" / file).read_bytes())


if __name__ == "__main__":
    main(sys.argv[1:])
