"""Files made to do harm: refused, whatever they claim, and nothing in them runs."""

import hashlib
import io
import json
import pickle
import re
import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from nimbus_sdk_core import ModelFileError, NimbusLDA, NimbusProbit, NimbusQDA, simulate, train_model
from nimbus_sdk_core.io.model_file import from_bytes, to_bytes

PREFIX = struct.Struct("<8sIIQ")


def forge(content: bytes, change: Callable[[dict], None], payload: bytes | None = None) -> bytes:
    """A file with another header (or payload) and a checksum that fits."""
    magic, version, header_bytes, _ = PREFIX.unpack_from(content)
    header = json.loads(content[PREFIX.size : PREFIX.size + header_bytes])
    change(header)
    text = json.dumps(header).encode()
    arrays = content[PREFIX.size + header_bytes : -32] if payload is None else payload
    body = PREFIX.pack(magic, version, len(text), len(arrays)) + text + arrays
    return body + hashlib.sha256(body).digest()


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
    "classes of mixed lists": lambda h: h["model"].update(classes=["a", ["b"]]),
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


@pytest.mark.parametrize("name", ["means", "scatter", "precision", "dof", "counts"])
@pytest.mark.parametrize("value", [1e-308, 1e-200, 1e150, 1e200, 1e300])
def test_models_that_would_say_nan_are_refused(
    model: NimbusLDA, content: bytes, name: str, value: float
) -> None:
    """What loads says finite things of ordinary vectors, however extreme its numbers are."""
    arrays = {key: array.copy() for key, array in model.arrays().items()}
    arrays[name] = value * (np.eye(8)[None] if name == "scatter" else np.ones_like(arrays[name]))
    payload = b"".join(arrays[key].tobytes() for key in sorted(arrays))
    try:
        found = from_bytes(forge(content, lambda header: None, payload))
    except ModelFileError:
        return
    assert np.isfinite(found.predict_proba(np.random.default_rng(1).normal(size=(20, 8)))).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("means", 1e200), ("scatter", 1e-308), ("precision", 1e-308), ("scale", 1e-308), ("centre", 1e200)],
)
def test_numbers_that_no_training_gives_are_refused(name: str, value: float) -> None:
    """Arrays that pass one by one and make no predictive are refused by what they say."""
    kind = NimbusProbit if name in ("scale", "centre") else NimbusLDA
    trained = train_model(kind, simulate("p300", n_trials=40, seed=1))
    arrays = {key: array.copy() for key, array in trained.arrays().items()}
    arrays[name] = value * (np.eye(8)[None] if name == "scatter" else np.ones_like(arrays[name]))
    payload = b"".join(arrays[key].tobytes() for key in sorted(arrays))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge(to_bytes(trained), lambda header: None, payload))


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])
@pytest.mark.parametrize(
    ("unit", "offset"), [(1e-9, 0.0), (1e6, 0.0), (1.0, 1e9), (1e-12, 1e-3), (1e40, 0.0)]
)
def test_honest_models_in_any_unit_come_back(kind: type[NimbusLDA], unit: float, offset: float) -> None:
    """Features in volts or far from zero make no model suspicious."""
    data = simulate("p300", n_trials=60, seed=1)
    data = type(data)(data.features * unit + offset, data.metadata, data.labels)
    model = train_model(kind, data)
    np.testing.assert_equal(from_bytes(to_bytes(model)).arrays(), model.arrays())


@pytest.mark.parametrize("place", ["classes", "hyper"])
def test_a_long_text_among_many_takes_no_memory(model: NimbusLDA, content: bytes, place: str) -> None:
    """One long text among many short ones is refused before an array gives each of them its room."""
    texts: list[object] = ["a" * 40_000, *(f"b{i:04}" for i in range(2_000))]
    if place == "hyper":
        content = to_bytes(train_model(NimbusProbit, simulate("p300", n_trials=40, seed=1)))

    def change(header: dict) -> None:
        if place == "hyper":
            header["model"]["hyper"].update(W_beta=texts)
        else:
            header["model"].update(classes=texts)
            header["model"]["metadata"].update(n_classes=len(texts))

    forged = forge(content, change)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=r"exceeds 256 characters|neither numbers nor matrices"):
            from_bytes(forged)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("centre", 0, np.nan),
        ("scale", 1, 0.0),
        ("coefficients", 0, np.inf),
        ("coefficient_precision", 1, 7.0),
        ("coefficient_precision", 0, -1e9),
        ("noise_dof", 0, 0.0),
        ("noise_scatter", 0, -1.0),
        ("marginal_dof", 0, 1.0),
        ("marginal_scatter", 1, 3.0),
    ],
)
def test_arrays_that_are_no_probit_are_refused(name: str, at: int, value: float) -> None:
    """Each array of a NimbusProbit is checked before it is believed."""
    model = train_model(NimbusProbit, simulate("p300", n_trials=40, seed=1))
    arrays = {key: array.copy() for key, array in model.arrays().items()}
    arrays[name].flat[at] = value
    payload = b"".join(arrays[key].tobytes() for key in sorted(arrays))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge(to_bytes(model), lambda header: None, payload))


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
def test_hyper_parameters_of_strangers_are_checked(hyper: dict[str, object]) -> None:
    """JSON of any shape in place of a hyper-parameter is refused, as it would be in the constructor."""
    content = to_bytes(train_model(NimbusProbit, simulate("p300", n_trials=40, seed=1)))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge(content, lambda header: header["model"]["hyper"].update(hyper)))


def test_claims_of_size_are_checked_before_anything_is_allocated(content: bytes) -> None:
    """A header or payload beyond the limits is refused at once."""
    for header_bytes, payload_bytes in ((2**31, 8), (8, 2**62)):
        forged = PREFIX.pack(content[:8], 1, header_bytes, payload_bytes) + content[PREFIX.size :]
        with pytest.raises(ModelFileError, match="larger than a model file may be"):
            from_bytes(forged)
