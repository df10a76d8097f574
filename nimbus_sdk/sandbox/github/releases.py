"""Releases of the core and their assets."""

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
        id: Number of the asset.
        name: File name.
        path: The file.
        size: Size in bytes.
        sha256: SHA-256 in hexadecimal.
        has_digest: Whether its JSON has the digest; on GitHub, assets of before June 2025 have none.
    """

    id: int
    name: str
    path: Path
    size: int
    sha256: str
    has_digest: bool


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
    """A release to publish.

    Attributes:
        version: The core's version.
        wheels: Its wheels, at least one.
        digest: Whether the assets' JSON has their SHA-256.
        sums: Whether to add a ``SHA256SUMS`` asset.
    """

    version: str
    wheels: tuple[Path, ...]
    digest: bool = True
    sums: bool = True


class Releases:
    """The releases of one sandbox.

    Args:
        first_draft: Builds the first release when a release is first needed, because that takes time.
        folder: Folder for the ``SHA256SUMS`` files.
        clock: Returns Unix seconds.
    """

    def __init__(self, first_draft: Callable[[], Draft], folder: Path, clock: Clock) -> None:
        self._first_draft: Callable[[], Draft] | None = first_draft
        self._folder = folder
        self._clock = clock
        self._lock = threading.RLock()
        self._by_tag: dict[str, Release] = {}
        self._ids = itertools.count(1001)

    def publish(self, draft: Draft) -> Release:
        """Add a release as the latest; it replaces one of the same version."""
        with self._lock:
            self._publish_first()
            return self._add(draft)

    def latest(self) -> Release | None:
        """Return the release published last."""
        with self._lock:
            self._publish_first()
            return next(reversed(self._by_tag.values()), None)

    def by_tag(self, tag: str) -> Release | None:
        """Return the release with this tag."""
        with self._lock:
            self._publish_first()
            return self._by_tag.get(tag)

    def asset(self, number: int) -> Asset | None:
        """Return the asset with this number."""
        with self._lock:
            assets = (asset for release in self._by_tag.values() for asset in release.assets)
            return next((asset for asset in assets if asset.id == number), None)

    def _publish_first(self) -> None:
        first_draft, self._first_draft = self._first_draft, None
        if first_draft is not None:
            try:
                self._add(first_draft())
            except BaseException:
                self._first_draft = first_draft
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

    def _asset(self, path: Path, has_digest: bool) -> Asset:
        with path.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        return Asset(next(self._ids), path.name, path, path.stat().st_size, sha256, has_digest)
