"""load_model and save_model."""

from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    CoreDataError,
    CoreTypeError,
    ModelFileError,
    ModelMismatchError,
    ModelNotFoundError,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    NotTrainedError,
    load_model,
    predict_batch,
    save_model,
    train_model,
)
from nimbus_sdk_core.io.model_file import to_bytes

from tests.reference_core.support import simulated


@pytest.mark.parametrize(
    ("kind", "hyper"),
    [
        (NimbusLDA, {"dof_offset": 3}),
        (NimbusQDA, {"mean_prior_precision": 0.02}),
        (NimbusProbit, {"N": 2, "W_scale": [[0.5]], "xi_beta": 0.1}),
        (NimbusProbit, {"W_beta": 2.0 * np.eye(9), "W_df": 7}),
    ],
)
@pytest.mark.parametrize("labels", [[1, 2], [0, 1], ["left", "right"], [False, True]])
def test_a_saved_model_is_loaded_unchanged(
    kind: type[NimbusLDA], hyper: dict[str, object], labels: list[object], tmp_path: Path
) -> None:
    """Posterior, labels, hyper-parameters and card survive the round trip bit by bit."""
    data = simulated("p300", n_trials=60, seed=1)
    data = type(data)(data.features, data.metadata, np.array(labels)[data.labels - 1])
    model = train_model(kind, data, name="mine", description="ü", **hyper)
    path = save_model(model, tmp_path / "mine.nimbus")
    back = load_model(kind, path)
    assert (back.card, back.hyper, back.classes_.tolist()) == (
        model.card,
        model.hyper,
        model.classes_.tolist(),
    )
    np.testing.assert_array_equal(predict_batch(back, data).posteriors, predict_batch(model, data).posteriors)
    assert to_bytes(back) == path.read_bytes()


def test_kind_mismatch_names_both(tmp_path: Path, model: NimbusLDA) -> None:
    """Asking for a QDA and getting an LDA is an error that says so."""
    path = save_model(model, tmp_path / "mine.nimbus")
    with pytest.raises(ModelMismatchError, match="is a NimbusLDA, not a NimbusQDA"):
        load_model(NimbusQDA, path)
    with pytest.raises(TypeError):
        load_model("RxGMMModel", str(path))


def test_names_are_looked_up_in_order(tmp_path: Path, model: NimbusLDA) -> None:
    """Bundled models come first, then the folders given, in their order; unknown names list what is here."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    save_model(model, tmp_path / "two" / "mine.nimbus")
    save_model(model, tmp_path / "one" / "motor_imagery_4class_v1.nimbus")
    folders = [tmp_path / "one", str(tmp_path / "two"), tmp_path / "absent"]
    assert load_model(NimbusLDA, "mine", search=folders).card.name == "mine"
    assert load_model(NimbusLDA, "motor_imagery_4class_v1", search=folders).n_features_in_ == 16
    with pytest.raises(
        ModelFileError, match=r"no model 'yours' here. Here are: mine, motor_imagery_4class_v1"
    ):
        load_model(NimbusLDA, "yours", search=folders)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("models", "search is 'models', not a list of folders. Give a list"),
        (Path("models"), r"search is \w*Path\('models'\), not a list of folders"),
        (None, "search is None, not a list of folders"),
        ([b"models"], "search is b'models', neither a text nor a path"),
    ],
)
def test_folders_to_search_are_a_list(search: object, words: str) -> None:
    """A text is not a list of its letters."""
    with pytest.raises(CoreTypeError, match=words):
        load_model(NimbusLDA, "mine", search=search)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["../mine", "a/b.nimbus", "", "..", "mine\0", "\0.nimbus", "missing.nimbus"])
def test_names_cannot_leave_their_folder(name: str, tmp_path: Path, model: NimbusLDA) -> None:
    """Names with separators, dots or NUL find nothing, and say so with a ModelFileError."""
    save_model(model, tmp_path / "mine.nimbus")
    (tmp_path / "inner").mkdir()
    with pytest.raises(ModelFileError):
        load_model(NimbusLDA, name, search=[tmp_path / "inner"])


def test_saving_replaces_atomically(
    tmp_path: Path, model: NimbusLDA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure at the last moment leaves the old file and no rubbish."""
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "mine.nimbus"
    path.write_bytes(b"old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(ModelFileError, match="No space left on device"):
            save_model(model, path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in folder.iterdir()] == ["mine.nimbus"]
    save_model(model, path)
    assert load_model(NimbusLDA, path).card == model.card


def test_paths_that_cannot_be_written_or_read_are_named(tmp_path: Path, model: NimbusLDA) -> None:
    """A folder that is not there, another suffix and a folder in place of a file are refused."""
    with pytest.raises(ModelFileError, match="cannot be written"):
        save_model(model, tmp_path / "absent" / "mine.nimbus")
    with pytest.raises(ModelFileError, match=r"'mine.jld2' does not end in .nimbus. Use 'mine.nimbus'"):
        save_model(model, tmp_path / "mine.jld2")
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_model(NimbusLDA, tmp_path)


def test_only_models_with_metadata_can_be_saved(tmp_path: Path, model: NimbusLDA) -> None:
    """Untrained models and bare estimators have nothing to say to the next reader."""
    with pytest.raises(NotTrainedError, match="is not trained"):
        save_model(NimbusLDA(), tmp_path / "a.nimbus")
    with pytest.raises(CoreDataError, match="has no metadata of its data"):
        save_model(NimbusLDA().fit([[0.0], [1.0], [2.0]], [1, 1, 2]), tmp_path / "a.nimbus")
    assert not issubclass(CoreDataError, NotTrainedError)


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusProbit])
def test_fit_removes_the_card(kind: type[NimbusLDA], tmp_path: Path) -> None:
    """After fit() the card of other data is removed, while partial_fit() leaves it."""
    data = simulated("p300", n_trials=60, seed=1)
    path = save_model(train_model(kind, data, name="mine"), tmp_path / "mine.nimbus")
    model = load_model(kind, path)
    vectors = data.features.mean(axis=1).T
    assert model.partial_fit(vectors, data.labels).card.name == "mine"
    assert model.fit(vectors[:, :3], data.labels).card is None
    with pytest.raises(CoreDataError, match="has no metadata of its data"):
        save_model(model, path)


@pytest.mark.parametrize("path", ["/nonexist/x.nimbus", Path("/nonexist/x"), __file__ + "/x.nimbus"])
def test_a_path_without_a_file_is_not_found(path: str | Path) -> None:
    """As errors.py says, for a path as for a name; scripts may catch Python's own error."""
    with pytest.raises(ModelNotFoundError, match="cannot be read") as caught:
        load_model(NimbusLDA, path)
    assert isinstance(caught.value, FileNotFoundError)
    assert str(caught.value).count(str(path)) == 1


def test_wrong_types_of_model_and_path_are_named(tmp_path: Path, model: NimbusLDA) -> None:
    """None, bytes and swapped arguments are errors of the core's own, with a hint."""
    path = str(tmp_path / "mine.nimbus")
    for nothing in (None, 5, b"mine.nimbus"):
        with pytest.raises(CoreTypeError, match=r"neither a text nor a path. Give the name of a model"):
            load_model(NimbusLDA, nothing)  # type: ignore[call-overload]
        with pytest.raises(CoreTypeError, match=r"neither a text nor a path. Call save_model"):
            save_model(model, nothing)  # type: ignore[arg-type]
    for strange in (path, NimbusLDA, None):
        with pytest.raises(CoreTypeError, match=r"not a trained model. Call save_model\(model, "):
            save_model(strange, model)  # type: ignore[arg-type]


def test_a_read_only_file_is_not_replaced(model: NimbusLDA, tmp_path: Path) -> None:
    """Not even by a user who may write to everything; with permission again it is, and keeps its mode."""
    path = save_model(model, tmp_path / "mine.nimbus")
    before = path.read_bytes()
    path.chmod(0o444)
    other = train_model(NimbusLDA, simulated("p300", n_trials=40, seed=2), name="other")
    with pytest.raises(ModelFileError, match="read-only"):
        save_model(other, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["mine.nimbus"]
    path.chmod(0o640)
    save_model(other, path)
    assert load_model(NimbusLDA, path).card.name == "other"  # type: ignore[union-attr]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(model: NimbusLDA, tmp_path: Path) -> None:
    """The file that it names is replaced, also one that does not exist yet; a circle of links is refused."""
    (tmp_path / "store").mkdir()
    link = tmp_path / "current.nimbus"
    link.symlink_to(tmp_path / "store" / "mine.nimbus")
    for _ in range(2):
        save_model(model, link)
        assert link.is_symlink()
        assert load_model(NimbusLDA, tmp_path / "store" / "mine.nimbus").card == model.card
    circle = tmp_path / "circle.nimbus"
    circle.symlink_to(circle)
    with pytest.raises(ModelFileError, match="cannot be written"):
        save_model(model, circle)


def test_the_longest_name_that_the_file_system_allows_is_saved(model: NimbusLDA, tmp_path: Path) -> None:
    """And a longer one is refused with the reason."""
    longest = tmp_path / ("m" * (255 - len(".nimbus")) + ".nimbus")
    assert load_model(NimbusLDA, save_model(model, longest)).card == model.card
    with pytest.raises(ModelFileError, match="cannot be written"):
        save_model(model, longest.with_name("m" + longest.name))
