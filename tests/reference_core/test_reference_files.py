"""Model files: whole or refused, and harmless whoever wrote them."""

import hashlib
import io
import json
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    ModelFileError,
    ModelMismatchError,
    NimbusLDA,
    NimbusQDA,
    NotTrainedError,
    load_model,
    predict_batch,
    save_model,
    simulate,
    train_model,
)
from nimbus_sdk_core.modelfile import from_bytes, to_bytes

PREFIX = struct.Struct("<8sIIQ")


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A small trained model."""
    return train_model(NimbusLDA, simulate("p300", n_trials=60, seed=1), name="mine", description="ü")


@pytest.fixture(scope="module")
def content(model: NimbusLDA) -> bytes:
    """The same as a file."""
    return to_bytes(model)


def forge(content: bytes, change: Callable[[dict], None], payload: bytes | None = None) -> bytes:
    """A file with another header (or payload) and a checksum that fits."""
    magic, version, header_bytes, _ = PREFIX.unpack_from(content)
    header = json.loads(content[PREFIX.size : PREFIX.size + header_bytes])
    change(header)
    text = json.dumps(header).encode()
    arrays = content[PREFIX.size + header_bytes : -32] if payload is None else payload
    body = PREFIX.pack(magic, version, len(text), len(arrays)) + text + arrays
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
@pytest.mark.parametrize("labels", [[1, 2], [0, 1], ["left", "right"], [False, True]])
def test_a_saved_model_comes_back_the_same(
    kind: type[NimbusLDA], labels: list[object], tmp_path: Path
) -> None:
    """Posterior, labels, hyper-parameters and card survive the round trip bit by bit."""
    data = simulate("p300", n_trials=60, seed=1)
    data = type(data)(data.features, data.metadata, np.array(labels)[data.labels - 1])
    model = train_model(kind, data, name="mine", description="ü", dof_offset=3)
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


class Bomb:
    """An object whose unpickling would be noticed."""

    went_off = False

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return setattr, (Bomb, "went_off", True)


def test_pickles_and_object_arrays_are_never_opened(content: bytes) -> None:
    """Pickles, .npz archives of objects and a header that claims an object array: refused, nothing runs."""
    archive = io.BytesIO()
    np.savez(archive, means=np.array([Bomb()], object))
    for strange in (pickle.dumps(Bomb()), archive.getvalue()):
        with pytest.raises(ModelFileError, match="not a Nimbus model file"):
            from_bytes(strange)
    for dtype in ("|O", "O", "<U8", "|V8", "<f4", ">f8", "<c16"):
        forged = forge(content, lambda header, dtype=dtype: header["arrays"][0].update(dtype=dtype))
        with pytest.raises(ModelFileError, match=re.escape(f"type {dtype!r}, only <f8 and <i8 may be")):
            from_bytes(forged)
    inside = forge(content, lambda header: None, payload=pickle.dumps(Bomb()))
    with pytest.raises(ModelFileError):
        from_bytes(inside)
    assert not Bomb.went_off


CHANGES: dict[str, Callable[[dict], object]] = {
    "no model": lambda h: h.pop("model"),
    "no arrays": lambda h: h.pop("arrays"),
    "arrays not a list": lambda h: h.update(arrays={}),
    "too many arrays": lambda h: h.update(arrays=h["arrays"] * 30),
    "array listed twice": lambda h: h["arrays"][1].update(name=h["arrays"][0]["name"]),
    "array without shape": lambda h: h["arrays"][0].pop("shape"),
    "array name not text": lambda h: h["arrays"][0].update(name=3),
    "negative shape": lambda h: h["arrays"][0].update(shape=[-1]),
    "huge shape": lambda h: h["arrays"][0].update(shape=[2**27, 2**27, 2**27]),
    "shape of truth values": lambda h: h["arrays"][0].update(shape=[True, True]),
    "too many axes": lambda h: h["arrays"][0].update(shape=[1, 1, 1, 1, 2]),
    "array too long": lambda h: h["arrays"][-1].update(shape=[10_000]),
    "array too short": lambda h: h["arrays"][-1].update(shape=[1]),
    "array renamed": lambda h: h["arrays"][0].update(name="weights"),
    "kind unknown": lambda h: h["model"].update(kind="NimbusForest"),
    "kind not text": lambda h: h["model"].update(kind=["NimbusLDA"]),
    "kind of other shape": lambda h: h["model"].update(kind="NimbusQDA"),
    "name missing": lambda h: h["model"].pop("name"),
    "details a list": lambda h: h["model"].update(details=[]),
    "hyper of other name": lambda h: h["model"].update(hyper={"dof_offset": 2, "evil": 1}),
    "hyper out of range": lambda h: h["model"]["hyper"].update(dof_offset=100),
    "hyper text": lambda h: h["model"]["hyper"].update(dof_offset="2"),
    "classes too few": lambda h: h["model"].update(classes=[1]),
    "classes too many": lambda h: h["model"].update(classes=[1, 2, 3]),
    "classes unsorted": lambda h: h["model"].update(classes=[2, 1]),
    "classes repeated": lambda h: h["model"].update(classes=[1, 1]),
    "classes of fractions": lambda h: h["model"].update(classes=[0.5, 1.5]),
    "classes huge": lambda h: h["model"].update(classes=[1, 10**40]),
    "classes ragged": lambda h: h["model"].update(classes=[[1], [1, 2]]),
    "classes nested": lambda h: h["model"].update(classes=[{}, {}]),
    "classes not a list": lambda h: h["model"].update(classes="ab"),
    "metadata of other fields": lambda h: h["model"]["metadata"].update(evil=1),
    "metadata wrong": lambda h: h["model"]["metadata"].update(n_classes=0),
    "metadata of other size": lambda h: h["model"]["metadata"].update(n_features=9),
    "metadata not a number": lambda h: h["model"]["metadata"].update(sampling_rate={}),
    "NaN in the header": lambda h: h["model"]["details"].update(x=float("nan")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_strangers_headers_are_refused_whatever_they_say(
    content: bytes, change: Callable[[dict], object]
) -> None:
    """Every wrong statement in a header with a fitting checksum is a ModelFileError, not a crash."""
    with pytest.raises(ModelFileError, match=r"malformed|holds a"):
        from_bytes(forge(content, change))


def test_headers_that_are_not_json_are_refused(content: bytes) -> None:
    """Broken text, deep nesting and other JSON values are refused."""
    payload = b""
    for text in (b"{", b"\xff\xfe", b"[" * 100_000, b"[1]", b'{"a": ' * 50_000, b"1" * 5_000):
        body = PREFIX.pack(content[:8], 1, len(text), len(payload)) + text + payload
        with pytest.raises(ModelFileError, match="malformed: its header"):
            from_bytes(body + hashlib.sha256(body).digest())


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("counts", 0, -1.0),
        ("dof", 0, 1.0),
        ("precision", 0, 0.0),
        ("means", 3, np.nan),
        ("means", 3, np.inf),
        ("scatter", 1, 7.0),
        ("scatter", 0, -5.0),
    ],
)
def test_arrays_that_are_no_posterior_are_refused(
    model: NimbusLDA, content: bytes, name: str, at: int, value: float
) -> None:
    """Values out of range, NaN, and matrices that are no covariance are refused."""
    arrays = {key: array.copy() for key, array in model.arrays().items()}
    arrays[name].flat[at] = value
    payload = b"".join(arrays[key].tobytes() for key in sorted(arrays))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge(content, lambda header: None, payload))


def test_claims_of_size_are_checked_before_anything_is_allocated(content: bytes) -> None:
    """A header or payload beyond the limits is refused at once."""
    for header_bytes, payload_bytes in ((2**31, 8), (8, 2**62)):
        forged = PREFIX.pack(content[:8], 1, header_bytes, payload_bytes) + content[PREFIX.size :]
        with pytest.raises(ModelFileError, match="larger than a model file may be"):
            from_bytes(forged)


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
    with pytest.raises(NotTrainedError, match="does not know which data it reads"):
        save_model(NimbusLDA().fit([[0.0], [1.0], [2.0]], [1, 1, 2]), tmp_path / "a.nimbus")


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
    monkeypatch.setattr("nimbus_sdk_core.library.MOST_BYTES", 100)
    with pytest.raises(ModelFileError, match="is larger than a model file may be"):
        load_model(NimbusLDA, path)
    monkeypatch.setattr("nimbus_sdk_core.container.MOST_BYTES", 100)
    with pytest.raises(ModelFileError, match="A model file holds at most 100 bytes"):
        save_model(model, path)
