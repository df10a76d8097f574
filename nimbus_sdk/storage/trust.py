"""Read the files that decide what is run or believed, and refuse one that another user could have changed.

Every component from the home of the SDK down to the file is asked; what makes one trusted is decided in
``nimbus_sdk.config.ownership``.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from nimbus_sdk.config.ownership import UntrustedError, is_foreign, path_components, reason_for_distrust
from nimbus_sdk.storage import fs

_BINARY = getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# With O_PATH a folder can be passed through that cannot be listed.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)


def read(path: str, root: str, limit: int = fs.READ_LIMIT) -> bytes | None:
    """Return the content of a file that decides what is believed or run, or None, as ``fs.read`` does.

    Args:
        path: The file.
        root: A folder above it. It and everything from it to the file must belong to this user or to root,
            and must not be writable by others; nothing below it may be a link.
        limit: The most bytes that the file may have.

    Raises:
        UntrustedError: Somebody else can change the file, or exchange it.
    """
    try:
        descriptor = _open_trusted(path, root)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return fs.read_and_close(descriptor, limit)


def survey(folder: str, root: str) -> tuple[dict[str, int], list[str]]:
    """Look at everything from a root, as for ``read``, down to a folder and below it; no file is opened.

    Returns:
        The size of every file below the folder, by its path there with ``/``; and what somebody else can
        change, one line each.
    """
    sizes: dict[str, int] = {}
    distrusted = [f"{root} belongs to another user"] if is_foreign(os.lstat(root)) else []
    for place in path_components(folder, root):
        reason = reason_for_distrust(os.stat(place) if place == root else os.lstat(place))
        if reason is not None:
            distrusted.append(f"{place} {reason}")
    _survey_below(folder, "", sizes, distrusted)
    return sizes, sorted(distrusted)


def _survey_below(folder: str, prefix: str, sizes: dict[str, int], distrusted: list[str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            reason = reason_for_distrust(status)
            if reason is not None:
                distrusted.append(f"{entry.path} {reason}")
            if stat.S_ISDIR(status.st_mode):
                _survey_below(entry.path, f"{prefix}{entry.name}/", sizes, distrusted)
            elif stat.S_ISREG(status.st_mode):
                sizes[f"{prefix}{entry.name}"] = status.st_size


def _open_trusted(path: str, root: str) -> int:
    if os.name == "nt":
        return os.open(path, os.O_RDONLY | _BINARY)
    # The home itself may be a link of its user. From there on one descriptor leads to the next, so that what
    # was checked is what is opened.
    descriptor = os.open(root, _FOLDER)
    reason = reason_for_distrust(os.fstat(descriptor))
    if reason is not None or is_foreign(os.lstat(root)):
        os.close(descriptor)
        raise UntrustedError(root, reason or "is a link of another user")
    *folders, name = path[len(root) :].strip(os.sep).split(os.sep)
    place = root
    for folder in folders:
        place = f"{place}/{folder}"
        descriptor = _open_entry(descriptor, folder, place, _FOLDER)
    return _open_entry(descriptor, name, path, os.O_RDONLY | _NO_WAIT)


def _open_entry(folder: int, name: str, place: str, flags: int) -> int:
    """Open an entry of a folder that is open, and close the folder."""
    try:
        descriptor = os.open(name, flags | _NO_LINK, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(name, folder):
            raise UntrustedError(place, "is a link") from None
        raise
    finally:
        os.close(folder)
    reason = reason_for_distrust(os.fstat(descriptor))
    if reason is not None:
        os.close(descriptor)
        raise UntrustedError(place, reason)
    return descriptor


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)
    except FileNotFoundError:
        return False


def create_once(path: str, content: bytes, root: str) -> bytes:
    """Write a secret unless one exists, and return what the file holds then: the first writer wins.

    One that others could write is set aside. The root is that of ``read``.
    """
    try:
        present = read(path, root)
    except UntrustedError:
        fs.make_private_folder(os.path.dirname(path), root)
        try:
            present = read(path, root)
        except UntrustedError:
            fs.quarantine(path)
            present = None
    if present is not None:
        # A file that cannot be closed, on a disk that is read-only, can be used all the same.
        with suppress(OSError):
            fs.make_file_private(path)
        return present
    fs.make_private_folder(os.path.dirname(path), root)
    temporary = f"{path}.{fs.unique_suffix()}.tmp"
    try:
        fs.write_synced(temporary, [content])
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:
            # No hard links on this file system: a rename keeps the file whole, and the last writer wins.
            fs.rename(temporary, path)
    finally:
        fs.remove(temporary)
    fs.sync_folder(os.path.dirname(path))
    return read(path, root) or b""
