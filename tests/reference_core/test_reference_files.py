"""Model files: whole or refused, and harmless whoever wrote them."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    CoreDataError,
    CoreTypeError,
    ModelCard,
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
    simulate,
    train_model,
)
from nimbus_sdk_core.io.model_file import from_bytes, to_bytes


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
def test_a_saved_model_comes_back_the_same(
    kind: type[NimbusLDA], hyper: dict[str, object], labels: list[object], tmp_path: Path
) -> None:
    """Posterior, labels, hyper-parameters and card survive the round trip bit by bit."""
    data = simulate("p300", n_trials=60, seed=1)
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


def test_every_flipped_byte_is_noticed(content: bytes) -> None:
    """Damage anywhere in the file is refused."""
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 0x10
        with pytest.raises(ModelFileError):
            from_bytes(bytes(damaged))


def test_damage_and_truncation_are_told_apart(content: bytes) -> None:
    """A file cut short says so, and one changed inside says so."""
    for length in range(0, len(content), 7):
        with pytest.raises(ModelFileError, match=r"not a Nimbus model file|incomplete"):
            from_bytes(content[:length])
    with pytest.raises(ModelFileError, match=f"has {len(content) - 1} bytes, expected {len(content)}"):
        from_bytes(content[:-1])
    with pytest.raises(ModelFileError, match="incomplete: it has"):
        from_bytes(content + b"\0")
    damaged = content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]
    with pytest.raises(ModelFileError, match="damaged: its checksum does not match"):
        from_bytes(damaged)


def test_another_version_is_named(content: bytes) -> None:
    """A file of a later format is refused with both versions, though its checksum fits."""
    body = content[:8] + struct.pack("<I", 2) + content[12:-32]
    with pytest.raises(ModelFileError, match="format version 2; this core reads version 1"):
        from_bytes(body + hashlib.sha256(body).digest())


def test_kind_mismatch_names_both(tmp_path: Path, model: NimbusLDA) -> None:
    """Asking for a QDA and getting an LDA is an error that says so."""
    path = save_model(model, tmp_path / "mine.nimbus")
    with pytest.raises(ModelMismatchError, match="is a NimbusLDA, and NimbusQDA was asked for"):
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
    """A text is no list of its letters."""
    with pytest.raises(CoreTypeError, match=words):
        load_model(NimbusLDA, "mine", search=search)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["../mine", "a/b.nimbus", "", "..", "mine\0", "\0.nimbus", "missing.nimbus"])
def test_names_cannot_leave_their_folder(name: str, tmp_path: Path, model: NimbusLDA) -> None:
    """Names with separators, dots or NUL find nothing, and say so with a ModelFileError."""
    save_model(model, tmp_path / "mine.nimbus")
    (tmp_path / "inner").mkdir()
    with pytest.raises(ModelFileError):
        load_model(NimbusLDA, name, search=[tmp_path / "inner"])


def test_saving_replaces_in_one_step_or_not_at_all(
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


def test_places_that_cannot_be_written_or_read_are_named(tmp_path: Path, model: NimbusLDA) -> None:
    """A folder that is not there, another suffix and a folder in place of a file are refused."""
    with pytest.raises(ModelFileError, match="cannot be written"):
        save_model(model, tmp_path / "absent" / "mine.nimbus")
    with pytest.raises(ModelFileError, match=r"'mine.jld2' does not end in .nimbus. Use 'mine.nimbus'"):
        save_model(model, tmp_path / "mine.jld2")
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_model(NimbusLDA, tmp_path)


def test_only_models_that_know_their_data_can_be_saved(tmp_path: Path, model: NimbusLDA) -> None:
    """Untrained models and bare estimators have nothing to say to the next reader."""
    with pytest.raises(NotTrainedError, match="is not trained"):
        save_model(NimbusLDA(), tmp_path / "a.nimbus")
    with pytest.raises(CoreDataError, match="has no metadata of its data"):
        save_model(NimbusLDA().fit([[0.0], [1.0], [2.0]], [1, 1, 2]), tmp_path / "a.nimbus")
    assert not issubclass(CoreDataError, NotTrainedError)


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusProbit])
def test_a_model_that_learns_anew_forgets_its_origin(kind: type[NimbusLDA], tmp_path: Path) -> None:
    """After fit() no card tells of other data, while partial_fit() goes on with the old one."""
    data = simulate("p300", n_trials=60, seed=1)
    path = save_model(train_model(kind, data, name="mine"), tmp_path / "mine.nimbus")
    model = load_model(kind, path)
    vectors = data.features.mean(axis=1).T
    assert model.partial_fit(vectors, data.labels).card.name == "mine"
    assert model.fit(vectors[:, :3], data.labels).card is None
    with pytest.raises(CoreDataError, match="has no metadata of its data"):
        save_model(model, path)


@pytest.mark.parametrize(
    ("kind", "hyper", "plain"),
    [
        (NimbusLDA, {"dof_offset": np.int64(3)}, {"dof_offset": 3, "mean_prior_precision": 0.01}),
        (
            NimbusQDA,
            {"dof_offset": np.float16(2), "mean_prior_precision": np.float32(0.1)},
            {"dof_offset": 2.0, "mean_prior_precision": 0.1},
        ),
        (
            NimbusProbit,
            {"N": np.int32(2), "W_df": np.float32(7)},
            {"N": 2, "W_df": 7.0, "xi_beta": None, "W_beta": None, "W_scale": None},
        ),
    ],
)
def test_hyper_parameters_of_numpy_are_saved_as_plain_numbers(
    kind: type[NimbusLDA], hyper: dict[str, object], plain: dict[str, object]
) -> None:
    """What a search over np.arange() sets can be saved, and means what the person wrote."""
    data = simulate("p300", n_trials=60, seed=1)
    model = train_model(kind, data, **hyper)
    back = from_bytes(to_bytes(model))
    assert back.hyper == model.hyper == plain
    given = {name: plain[name] for name in hyper}
    np.testing.assert_equal(back.arrays(), train_model(kind, data, **given).arrays())


@pytest.mark.parametrize(
    ("kind", "trained", "later"),
    [
        (NimbusLDA, {"dof_offset": 3}, {"dof_offset": 5}),
        (NimbusQDA, {"mean_prior_precision": 0.02}, {"mean_prior_precision": 0.1}),
        (NimbusProbit, {"W_df": 9.0, "xi_beta": 0.5}, {"W_df": 20.0, "xi_beta": 0.0}),
    ],
)
def test_a_file_says_what_the_posterior_was_trained_with(
    kind: type[NimbusLDA], trained: dict[str, float], later: dict[str, float]
) -> None:
    """What set_params() asks of the next training is no part of this one, nor of learning that goes on."""
    data = simulate("p300", n_trials=60, seed=1)
    model = train_model(kind, data, **trained).set_params(**later)
    assert from_bytes(to_bytes(model)).hyper == model.hyper == {**model.hyper, **trained}
    vectors = data.features.mean(axis=1).T
    assert model.partial_fit(vectors, data.labels).hyper == {**model.hyper, **trained}
    assert model.fit(vectors, data.labels).hyper == {**model.hyper, **later}
    assert kind(**later).hyper == {**kind().hyper, **later}


def test_a_file_says_how_many_answers_a_label_stood_for_last() -> None:
    """N belongs to each learning: a model that is read again goes on with it."""
    data = simulate("p300", n_trials=60, seed=1)
    model = train_model(NimbusProbit, data).set_params(N=3)
    assert from_bytes(to_bytes(model)).N == 1
    model.partial_fit(data.features.mean(axis=1).T, data.labels)
    assert from_bytes(to_bytes(model)).N == 3


def test_no_file_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    """What was changed since the training into something no file may say is refused when saving."""
    path = tmp_path / "mine.nimbus"
    data = simulate("p300", n_trials=60, seed=1)
    model = train_model(NimbusLDA, data)
    model.card = ModelCard("mine", simulate("motor_imagery", n_trials=10, seed=1).metadata)
    with pytest.raises(
        ModelFileError, match=r"There are 2 classes, the metadata say 4. Undo what was assigned"
    ):
        save_model(model, path)
    long = type(data)(data.features, data.metadata, np.array(["a" * 257, "b"])[data.labels - 1])
    with pytest.raises(ModelFileError, match="exceeds 256 characters"):
        save_model(train_model(NimbusLDA, long), path)
    assert not path.exists()


@pytest.mark.parametrize("path", ["/nonexist/x.nimbus", Path("/nonexist/x"), __file__ + "/x.nimbus"])
def test_a_path_without_a_file_is_not_found(path: str | Path) -> None:
    """As errors.py says, for a path as for a name; scripts may catch Python's own error."""
    with pytest.raises(ModelNotFoundError, match="cannot be read") as caught:
        load_model(NimbusLDA, path)
    assert isinstance(caught.value, FileNotFoundError)


def test_things_that_are_no_model_and_no_path_are_named(tmp_path: Path, model: NimbusLDA) -> None:
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


def test_memory_that_does_not_suffice_is_the_file_s_fault(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file for which there is no memory is refused like any other that cannot be read."""

    def full(self: NimbusLDA, *given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(NimbusLDA, "restore", full)
    with pytest.raises(ModelFileError, match="needs more memory than there is"):
        from_bytes(content)


def test_details_must_be_json(tmp_path: Path) -> None:
    """Facts that JSON cannot hold are refused when the model is saved."""
    model = train_model(NimbusLDA, simulate("p300", n_trials=60, seed=1))
    model.card = type(model.card)("x", model.card.metadata, details={"when": {1, 2}})
    with pytest.raises(ModelFileError, match="cannot be written as JSON"):
        save_model(model, tmp_path / "x.nimbus")


def test_files_and_models_beyond_the_limit_are_refused(
    tmp_path: Path, model: NimbusLDA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is a huge file read whole nor a huge model written."""
    path = save_model(model, tmp_path / "mine.nimbus")
    monkeypatch.setattr("nimbus_sdk_core.io.load_save.MAX_BYTES", 100)
    with pytest.raises(ModelFileError, match="is larger than a model file may be"):
        load_model(NimbusLDA, path)
    monkeypatch.setattr("nimbus_sdk_core.io.model_file.MAX_BYTES", 100)
    with pytest.raises(ModelFileError, match="A model file holds at most 100 bytes"):
        save_model(model, path)
