"""Loading models by name or path and saving them: load_model and save_model."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeVar, cast, overload

from ..data.argument_checks import find_near
from ..errors import CoreTypeError, ModelFileError, ModelMismatchError, ModelNotFoundError
from ..models.pipeline import Pipeline
from ..models.protocol import Decoder
from ..models.registry import KINDS, KindName, find_kind_name
from .model_file import MAX_BYTES, from_bytes, to_bytes

SUFFIX = ".nimbus"

_BUNDLED = Path(__file__).parents[1] / "models"
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

M = TypeVar("M", bound=Decoder)


@overload
def load_model(
    kind: type[M], name_or_path: str | os.PathLike[str], *, search: Iterable[str | os.PathLike[str]] = ()
) -> M: ...
@overload
def load_model(
    kind: type[Pipeline],
    name_or_path: str | os.PathLike[str],
    *,
    search: Iterable[str | os.PathLike[str]] = (),
) -> Pipeline: ...
@overload
def load_model(
    kind: KindName | Literal["Pipeline"],
    name_or_path: str | os.PathLike[str],
    *,
    search: Iterable[str | os.PathLike[str]] = (),
) -> Decoder | Pipeline: ...
def load_model(
    kind: type[Decoder] | type[Pipeline] | KindName | Literal["Pipeline"],
    name_or_path: str | os.PathLike[str],
    *,
    search: Iterable[str | os.PathLike[str]] = (),
) -> Decoder | Pipeline:
    """Load a model of the core, one that was downloaded, or one that `save_model` saved.

    ``nimbus_sdk.load_model`` also downloads a model of your license that is not on this machine yet.

    Args:
        kind: `NimbusLDA`, `NimbusQDA`, `NimbusProbit` or `Pipeline`, or the name of one: the kind you expect.
        name_or_path: A name such as ``"motor_imagery_4class_v1"``, or the path of a ``.nimbus`` file. A text
            that ends in ``.nimbus`` or holds a path separator is a path.
        search: Folders to look for names in, after the models of the core.

    Raises:
        ModelNotFoundError: There is no such model here.
        ModelFileError: Its file is damaged.
        CoreTypeError: ``name_or_path`` is neither a name nor a path, or ``search`` is not a list of folders.
        ModelMismatchError: The model is of another kind; the message names both.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA
        >>> load_model(NimbusLDA, "motor_imagery_4class_v1")
        <NimbusLDA 'motor_imagery_4class_v1', 16 features, 4 classes, trained on simulated data>
    """
    expected_kind = _find_kind(kind)
    path = _find_file(name_or_path, [_BUNDLED, *_folders(search)])
    model = from_bytes(_read_file(path))
    kind_found = _find_kind(type(model))
    if kind_found != expected_kind:
        raise ModelMismatchError(
            f"{os.fspath(name_or_path)!r} is a {kind_found}, not a {expected_kind}.",
            f"Use load_model({kind_found}, …).",
        )
    return model


def save_model(model: Decoder | Pipeline, path: str | os.PathLike[str]) -> Path:
    """Save a trained model or a whole pipeline in one file; an existing file is replaced atomically.

    A symbolic link stays one: the file that it names is replaced.

    Args:
        model: A trained model, or a `Pipeline`.
        path: Where to; must end in ``.nimbus``, in a folder that exists.

    Returns:
        The path.

    Raises:
        ModelFileError: Another suffix, or the file is read-only or cannot be written.
        NotTrainedError: The model is not trained.
        CoreDataError: It was trained by ``fit``, which does not know the metadata of the data: set its
            ``card`` first, as in ``model.card = ModelCard("mine", data.metadata)``.
        CoreTypeError: Not a model, or not a path.
    """
    hint = "Call save_model(model, 'mine.nimbus')."
    if not isinstance(model, (*KINDS.values(), Pipeline)):
        raise CoreTypeError(f"model is {model!r}, not a trained model.", hint)
    target = Path(_as_text("path", path, hint))
    if target.suffix != SUFFIX:
        raise ModelFileError(f"{target.name!r} does not end in {SUFFIX}.", f"Use {target.stem + SUFFIX!r}.")
    content = to_bytes(model)
    try:
        _write_atomically(target.resolve(), content)
    except (OSError, RuntimeError, ValueError) as error:
        reason = _describe_reason(error)
        raise ModelFileError(
            f"{str(target)!r} cannot be written: {reason}.", "Choose a folder that exists and is yours."
        ) from error
    return target


def _write_atomically(target: Path, content: bytes) -> None:
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    # Replacing a file needs no permission to write to it, and root may do everything.
    if mode is not None and not mode & 0o222:
        raise PermissionError(errno.EACCES, "the file there is read-only")
    # As short as may be: the longest name that a file system allows is the user's to use.
    temporary = target.with_name(f".{os.urandom(6).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _find_kind(kind: type[Decoder] | type[Pipeline] | KindName | Literal["Pipeline"]) -> str:
    if kind is Pipeline or kind == Pipeline.__name__:
        return Pipeline.__name__
    return find_kind_name(cast("type[Decoder] | KindName", kind), further=Pipeline.__name__)


def _folders(search: Iterable[str | os.PathLike[str]]) -> list[Path]:
    hint = "Give a list of folders, as in search=['models']."
    # A text is iterable too, but its characters are not folders.
    if isinstance(search, str | bytes | os.PathLike) or not isinstance(search, Iterable):
        raise CoreTypeError(f"search is {search!r}, not a list of folders.", hint)
    return [Path(_as_text("search", folder, hint)) for folder in search]


def _find_file(name_or_path: str | os.PathLike[str], folders: list[Path]) -> Path:
    text = _as_text("name_or_path", name_or_path, "Give the name of a model or the path of its file.")
    if not isinstance(name_or_path, str) or text.endswith(SUFFIX) or "/" in text or os.sep in text:
        return Path(text)
    if _MODEL_NAME.fullmatch(text):
        for folder in folders:
            if (folder / (text + SUFFIX)).is_file():
                return folder / (text + SUFFIX)
    names = sorted({file.stem for folder in folders for file in folder.glob(f"*{SUFFIX}")})
    near = find_near(text, names)
    meant = "" if near is None else f"Did you mean {near!r}? "
    raise ModelNotFoundError(
        f"There is no model {text!r} here.",
        f"{meant}Here are: {', '.join(names) or 'none'}. "
        f"For a file of your own, give its path with the ending {SUFFIX}.",
    )


def _as_text(name: str, path: str | os.PathLike[str], hint: str) -> str:
    text = path if isinstance(path, str) else os.fspath(path) if isinstance(path, os.PathLike) else None
    if not isinstance(text, str):
        raise CoreTypeError(f"{name} is {path!r}, neither a text nor a path.", hint)
    return text


def _describe_reason(error: Exception) -> str:
    """The reason without the path, which the message has already."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError, MemoryError) as error:
        is_absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        kind = ModelNotFoundError if is_absent else ModelFileError
        reason = _describe_reason(error)
        raise kind(f"{str(path)!r} cannot be read: {reason}.", "Check the path.") from error
    if len(content) > MAX_BYTES:
        raise ModelFileError(f"{path} is larger than a model file may be.", "Check the path.")
    return content
