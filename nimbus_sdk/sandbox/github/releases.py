"""Releases of the core as GitHub would list them, and their assets."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from nimbus_sdk.sandbox.github.wheel_build import requirement_lines
from nimbus_sdk.sandbox.http.times import Clock


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a release.

    Attributes:
        id: Its number.
        name: Its file name.
        path: Where it lies.
        size: Bytes.
        sha256: Its SHA-256, in hexadecimal.
        digest_shown: Whether its JSON tells the digest; GitHub has none for assets of before June 2025.
    """

    id: int
    name: str
    path: Path
    size: int
    sha256: str
    digest_shown: bool


@dataclass(frozen=True, slots=True)
class Release:
    """One release: a version, its notes, and its assets."""

    id: int
    version: str
    published_at: float
    notes: str
    assets: tuple[Asset, ...]

    @property
    def tag(self) -> str:
        """The git tag: ``v`` and the version."""
        return f"v{self.version}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A release to be.

    Attributes:
        version: The core's version.
        wheels: Its wheels, at least one.
        digest: Whether the assets' JSON tells their SHA-256.
        sums: Whether a ``SHA256SUMS`` asset is added.
    """

    version: str
    wheels: tuple[Path, ...]
    digest: bool = True
    sums: bool = True


class Releases:
    """The releases of one sandbox.

    Args:
        first: Makes the first release, when anything is first asked of this object: building it takes time.
        folder: Gets the ``SHA256SUMS`` files.
        clock: Tells Unix seconds.
    """

    def __init__(self, first: Callable[[], Draft], folder: Path, clock: Clock) -> None:
        self._first: Callable[[], Draft] | None = first
        self._folder = folder
        self._clock = clock
        self._lock = threading.RLock()
        self._by_tag: dict[str, Release] = {}
        self._ids = itertools.count(1001)

    def publish(self, draft: Draft) -> Release:
        """Add a release, the latest from then on; an older one of the same version goes."""
        with self._lock:
            self._begin()
            return self._add(draft)

    def latest(self) -> Release | None:
        """The release published last."""
        with self._lock:
            self._begin()
            return next(reversed(self._by_tag.values()), None)

    def tagged(self, tag: str) -> Release | None:
        """The release with this tag."""
        with self._lock:
            self._begin()
            return self._by_tag.get(tag)

    def asset(self, number: int) -> Asset | None:
        """The asset with this number."""
        with self._lock:
            every = (asset for release in self._by_tag.values() for asset in release.assets)
            return next((asset for asset in every if asset.id == number), None)

    def _begin(self) -> None:
        first, self._first = self._first, None
        if first is not None:
            try:
                self._add(first())
            except BaseException:
                self._first = first
                raise

    def _add(self, draft: Draft) -> Release:
        assets = [self._asset(wheel, draft.digest) for wheel in draft.wheels]
        number = next(self._ids)
        if draft.sums:
            sums = self._folder / str(number) / "SHA256SUMS"
            sums.parent.mkdir(parents=True)
            sums.write_text("".join(f"{asset.sha256}  {asset.name}\n" for asset in assets), encoding="ascii")
            assets.append(self._asset(sums, draft.digest))
        release = Release(
            number, draft.version, self._clock(), requirement_lines(draft.wheels[0]), tuple(assets)
        )
        self._by_tag.pop(release.tag, None)
        self._by_tag[release.tag] = release
        return release

    def _asset(self, path: Path, digest_shown: bool) -> Asset:
        with path.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        return Asset(next(self._ids), path.name, path, path.stat().st_size, sha256, digest_shown)
