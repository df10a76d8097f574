"""Releases of the core and their assets, made from its sources or from an existing wheel."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.parser import HeaderParser
from hashlib import file_digest
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.version import Version

from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.sandbox.github.wheel_cache import WheelCache, WheelSpec
from nimbus_sdk.sandbox.http.database import Clock


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


class Releases:
    """The releases of one sandbox; without a first wheel the core is built when a release is needed."""

    def __init__(self, cache: WheelCache, first_wheel: Path | None, folder: Path, clock: Clock) -> None:
        self._cache = cache
        self._first_wheel = first_wheel
        self._folder = folder
        self._clock = clock
        self._lock = threading.RLock()
        self._by_tag: Mapping[str, Release] = {}
        self._ids = itertools.count(1001)

    def publish(
        self,
        version: str = "0.2.0",
        *,
        padding: int = 0,
        broken: bool = False,
        digest: bool = True,
        sums: bool = True,
        tags: Sequence[str] = (),
        requires: Sequence[str] = (),
        requires_python: str | None = None,
    ) -> Release:
        """Release another version of the core, as the latest; it replaces a release of the same version.

        Args:
            version: The core's version.
            padding: Bytes of incompressible filler in its wheels.
            broken: Whether importing the core fails.
            digest: Whether the assets' JSON has their SHA-256.
            sums: Whether to add a ``SHA256SUMS`` asset.
            tags: Compatibility tags, one wheel each; empty takes the builder's own.
            requires: Requirements to add to the core's own.
            requires_python: Instead of the core's own, unless None.

        Raises:
            ConfigurationError: An argument is invalid.
        """
        try:
            Version(version)
            for tag in tags:
                parse_tag(tag)
            for requirement in requires:
                Requirement(requirement)
            if requires_python is not None:
                SpecifierSet(requires_python)
            if padding < 0:
                raise ValueError("padding below 0")
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"The sandbox cannot release such a core: {error}.") from error
        spec = WheelSpec(version, padding, broken, None, tuple(requires), requires_python)
        wheels = [self._cache.wheel(replace(spec, tag=tag)) for tag in tags or (None,)]
        self._published()
        return self._add(version, wheels, digest, sums)

    def publish_wheel(self, wheel: Path, *, digest: bool = True, sums: bool = True) -> Release:
        """Release one wheel as it is, valid or not; the version is that of its file name.

        Args:
            wheel: The wheel.
            digest: Whether the assets' JSON has their SHA-256.
            sums: Whether to add a ``SHA256SUMS`` asset.

        Raises:
            ConfigurationError: There is no such file, or its name has no version.
        """
        self._published()
        return self._add(_version_of(wheel), [wheel], digest, sums)

    def latest(self) -> Release:
        """Return the release published last."""
        return list(self._published().values())[-1]

    def by_tag(self, tag: str) -> Release | None:
        """Return the release with this tag."""
        return self._published().get(tag)

    def asset(self, number: int) -> Asset | None:
        """Return the asset with this number."""
        assets = (asset for release in self._by_tag.values() for asset in release.assets)
        return next((asset for asset in assets if asset.id == number), None)

    def _published(self) -> Mapping[str, Release]:
        with self._lock:
            if not self._by_tag:
                wheel = self._first_wheel or self._cache.wheel(WheelSpec())
                self._add(_version_of(wheel), [wheel], True, True)
            return self._by_tag

    def _add(self, version: str, wheels: Sequence[Path], digest: bool, sums: bool) -> Release:
        assets = [self._asset(wheel, digest) for wheel in wheels]
        number = next(self._ids)
        if sums:
            file = self._folder / str(number) / "SHA256SUMS"
            file.parent.mkdir(parents=True)
            file.write_text("".join(f"{asset.sha256}  {asset.name}\n" for asset in assets), encoding="ascii")
            assets.append(self._asset(file, digest))
        release = Release(number, version, self._clock(), _requirement_lines(wheels[0]), tuple(assets))
        with self._lock:
            # A new mapping: whoever reads the old one is not disturbed.
            others = {tag: other for tag, other in self._by_tag.items() if tag != release.tag}
            self._by_tag = {**others, release.tag: release}
        return release

    def _asset(self, path: Path, has_digest: bool) -> Asset:
        with path.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        return Asset(next(self._ids), path.name, path, path.stat().st_size, sha256, has_digest)


def _version_of(wheel: Path) -> str:
    parts = wheel.name.split("-")
    if not wheel.is_file() or len(parts) < 5 or wheel.suffix != ".whl":
        raise ConfigurationError(
            f"{wheel} is not a wheel.", hint="Give a file such as nimbus_sdk_core-1.0-py3-none-any.whl."
        )
    return parts[1]


def _requirement_lines(wheel: Path) -> str:
    """Return the ``Requires-Dist`` and ``Requires-Python`` lines of a wheel; a file that is none has none."""
    try:
        with ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    except (BadZipFile, StopIteration, UnicodeDecodeError):
        return ""
    fields = ("Requires-Dist", "Requires-Python")
    return "\n".join(f"{field}: {value}" for field in fields for value in metadata.get_all(field, []))
