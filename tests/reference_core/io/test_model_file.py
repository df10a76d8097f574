"""The format of model files: damaged, forged or oversized files are rejected and run no code."""

import hashlib
import io
import pickle
import re
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    ModelCard,
    ModelFileError,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    load_model,
    save_model,
    train_model,
)
from nimbus_sdk_core.io.model_file import from_bytes, to_bytes

from tests.reference_core.support import PREFIX, forge_file, simulated

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
    "hyper out of range": lambda h: h["model"]["hyper"].update(dof_offset=-1),
    "hyper text": lambda h: h["model"]["hyper"].update(dof_offset="2"),
    "classes too few": lambda h: h["model"].update(classes=[1]),
    "classes too many": lambda h: h["model"].update(classes=[1, 2, 3]),
    "classes unsorted": lambda h: h["model"].update(classes=[2, 1]),
    "classes repeated": lambda h: h["model"].update(classes=[1, 1]),
    "classes of fractions": lambda h: h["model"].update(classes=[0.5, 1.5]),
    "classes huge": lambda h: h["model"].update(classes=[1, 10**40]),
    "classes ragged": lambda h: h["model"].update(classes=[[1], [1, 2]]),
    "classes nested": lambda h: h["model"].update(classes=[{}, {}]),
    "classes of mixed lists": lambda h: h["model"].update(classes=["a", ["b"]]),
    "classes not a list": lambda h: h["model"].update(classes="ab"),
    "metadata of other fields": lambda h: h["model"]["metadata"].update(evil=1),
    "metadata wrong": lambda h: h["model"]["metadata"].update(n_classes=0),
    "metadata of other size": lambda h: h["model"]["metadata"].update(n_features=9),
    "metadata not a number": lambda h: h["model"]["metadata"].update(sampling_rate={}),
    "NaN in the header": lambda h: h["model"]["details"].update(x=float("nan")),
}


def test_every_flipped_byte_is_noticed(content: bytes) -> None:
    """Damage anywhere in the file is refused."""
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 0x10
        with pytest.raises(ModelFileError):
            from_bytes(bytes(damaged))


def test_damage_and_truncation_are_distinguished(content: bytes) -> None:
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
    body = content[:8] + struct.pack("<I", 3) + content[12:-32]
    with pytest.raises(ModelFileError, match="format version 3; this core reads versions 1 to 2"):
        from_bytes(body + hashlib.sha256(body).digest())


@pytest.mark.parametrize(
    ("kind", "hyper", "plain"),
    [
        (NimbusLDA, {"dof_offset": np.int64(3)}, {"dof_offset": 3}),
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
    """What a search over np.arange() sets can be saved, and has the same value."""
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(kind, data, **hyper)
    back = from_bytes(to_bytes(model))
    assert back.hyper == model.hyper == {**model.hyper, **plain}
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
def test_a_file_has_the_hyper_parameters_of_its_training(
    kind: type[NimbusLDA], trained: dict[str, float], later: dict[str, float]
) -> None:
    """What set_params() asks of the next training is no part of this one, nor of learning that goes on."""
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(kind, data, **trained).set_params(**later)
    assert from_bytes(to_bytes(model)).hyper == model.hyper == {**model.hyper, **trained}
    vectors = data.features.mean(axis=1).T
    assert model.partial_fit(vectors, data.labels).hyper == {**model.hyper, **trained}
    assert model.fit(vectors, data.labels).hyper == {**model.hyper, **later}
    assert kind(**later).hyper == {**kind().hyper, **later}


def test_a_file_has_the_last_number_of_answers_per_label() -> None:
    """N belongs to each learning: a model that is read again goes on with it."""
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(NimbusProbit, data).set_params(N=3)
    assert from_bytes(to_bytes(model)).N == 1
    model.partial_fit(data.features.mean(axis=1).T, data.labels)
    assert from_bytes(to_bytes(model)).N == 3


def test_a_file_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    """What was changed since the training into something no file may say is refused when saving."""
    path = tmp_path / "mine.nimbus"
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(NimbusLDA, data)
    model.card = ModelCard("mine", simulated("motor_imagery", n_trials=10, seed=1).metadata)
    with pytest.raises(
        ModelFileError, match=r"There are 2 classes, the metadata say 4. Undo what was assigned"
    ):
        save_model(model, path)
    long = type(data)(data.features, data.metadata, np.array(["a" * 257, "b"])[data.labels - 1])
    with pytest.raises(ModelFileError, match="exceeds 256 characters"):
        save_model(train_model(NimbusLDA, long), path)
    assert not path.exists()


def test_too_little_memory_is_reported_as_a_file_error(
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
    model = train_model(NimbusLDA, simulated("p300", n_trials=60, seed=1))
    model.card = type(model.card)("x", model.card.metadata, details={"when": {1, 2}})
    with pytest.raises(ModelFileError, match="cannot be written as JSON"):
        save_model(model, tmp_path / "x.nimbus")


def test_files_and_models_beyond_the_limit_are_rejected(
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


class Bomb:
    """An object whose unpickling would be noticed."""

    went_off = False

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return setattr, (Bomb, "went_off", True)


def test_pickles_and_object_arrays_are_never_loaded(content: bytes) -> None:
    """Pickles, .npz archives of objects and a header that claims an object array: refused, nothing runs."""
    archive = io.BytesIO()
    np.savez(archive, means=np.array([Bomb()], object))
    for strange in (pickle.dumps(Bomb()), archive.getvalue()):
        with pytest.raises(ModelFileError, match="not a Nimbus model file"):
            from_bytes(strange)
    for dtype in ("|O", "O", "<U8", "|V8", "<f4", ">f8", "<c16"):
        forged = forge_file(content, lambda header, dtype=dtype: header["arrays"][0].update(dtype=dtype))  # type: ignore[misc]
        with pytest.raises(ModelFileError, match=re.escape(f"type {dtype!r}, only <f8 and <i8 may be")):
            from_bytes(forged)
    inside = forge_file(content, lambda header: None, payload=pickle.dumps(Bomb()))
    with pytest.raises(ModelFileError):
        from_bytes(inside)
    assert not Bomb.went_off


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_forged_headers_are_rejected(content: bytes, change: Callable[[dict], object]) -> None:
    """Every wrong statement in a header with a fitting checksum is a ModelFileError, not a crash."""
    with pytest.raises(ModelFileError, match=r"malformed|holds a"):
        from_bytes(forge_file(content, change))


def test_headers_that_are_not_json_are_rejected(content: bytes) -> None:
    """Broken text, deep nesting and other JSON values are refused."""
    payload = b""
    for text in (b"{", b"\xff\xfe", b"[" * 100_000, b"[1]", b'{"a": ' * 50_000, b"1" * 5_000):
        body = PREFIX.pack(content[:8], 1, len(text), len(payload)) + text + payload
        with pytest.raises(ModelFileError, match="malformed: its header"):
            from_bytes(body + hashlib.sha256(body).digest())


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])
@pytest.mark.parametrize(
    ("unit", "offset"), [(1e-9, 0.0), (1e6, 0.0), (1.0, 1e9), (1e-12, 1e-3), (1e40, 0.0)]
)
def test_valid_models_in_any_unit_are_read(kind: type[NimbusLDA], unit: float, offset: float) -> None:
    """Features in volts or far from zero make no model suspicious."""
    data = simulated("p300", n_trials=60, seed=1)
    data = type(data)(data.features * unit + offset, data.metadata, data.labels)
    model = train_model(kind, data)
    np.testing.assert_equal(from_bytes(to_bytes(model)).arrays(), model.arrays())


@pytest.mark.parametrize("place", ["classes", "hyper"])
def test_a_long_text_among_many_takes_no_memory(model: NimbusLDA, content: bytes, place: str) -> None:
    """One long text among many short ones is refused before an array gives each of them its room."""
    texts: list[object] = ["a" * 40_000, *(f"b{i:04}" for i in range(2_000))]
    if place == "hyper":
        content = to_bytes(train_model(NimbusProbit, simulated("p300", n_trials=40, seed=1)))

    def change(header: dict) -> None:
        if place == "hyper":
            header["model"]["hyper"].update(W_beta=texts)
        else:
            header["model"].update(classes=texts)
            header["model"]["metadata"].update(n_classes=len(texts))

    forged = forge_file(content, change)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=r"exceeds 256 characters|neither numbers nor matrices"):
            from_bytes(forged)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "hyper",
    [
        {"N": "1"},
        {"N": [1]},
        {"W_df": {}},
        {"W_df": -1},
        {"xi_beta": {"a": 1}},
        {"W_beta": [[1.0]]},
        {"W_scale": "I"},
    ],
)
def test_hyper_parameters_of_files_are_checked(hyper: dict[str, object]) -> None:
    """JSON of any shape in place of a hyper-parameter is refused, as it would be in the constructor."""
    content = to_bytes(train_model(NimbusProbit, simulated("p300", n_trials=40, seed=1)))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge_file(content, lambda header: header["model"]["hyper"].update(hyper)))


def test_stated_sizes_are_checked_before_memory_is_allocated(content: bytes) -> None:
    """A header or payload beyond the limits is refused at once."""
    for header_bytes, payload_bytes in ((2**31, 8), (8, 2**62)):
        forged = PREFIX.pack(content[:8], 1, header_bytes, payload_bytes) + content[PREFIX.size :]
        with pytest.raises(ModelFileError, match="larger than a model file may be"):
            from_bytes(forged)
