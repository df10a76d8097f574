"""Find the release on GitHub, the wheel in it that fits this interpreter, and its checksum."""

from __future__ import annotations

import base64
import codecs
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from pydantic import Field

from nimbus_sdk import errors
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.github import open_asset, request_release
from nimbus_sdk.core.wheel.protocol import DISTRIBUTION, LARGEST_WHEEL_BYTES
from nimbus_sdk.core.wheel.requirements import (
    parse_requirement,
    parse_specifiers,
    parse_version,
    supported_tags,
    version_of,
)
from nimbus_sdk.transport.flow import Flow, Response
from nimbus_sdk.transport.parse import WireModel, parse_response

if TYPE_CHECKING:
    from pydantic import SecretStr

MOST_ASSETS = 1_000
MOST_NOTES = 128 * 1024
CHECKSUMS = ("SHA256SUMS", "SHA256SUMS.TXT")
"""The names of the asset with the checksums, in capitals."""
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
_NO_RELEASE = "A captive portal or a proxy may have responded instead of GitHub."
_BEFORE_LINE = " \t>*`-"
_AFTER_LINE = " \t`"
MOST_LINE_LETTERS = 1_000
_HEX = "[0-9a-f]{64}"
_BASE64 = "[0-9a-z+/]{43}="
# openssl -c, gpg and old versions of certutil separate the digits.
_SPACED = f"(?:[0-9a-f]{{2}}[ :]?){{31}}[0-9a-f]{{2}}|{_BASE64}"
_ENTRIES = (
    rf"\\?({_HEX}|{_BASE64}) (?:\d+ )?\*?PATH",
    rf"SHA-?(?:2-)?256 ?\(PATH\) ?= ?({_SPACED})",
    rf'"?SHA256"?[ ,]"?({_HEX})"?[ ,]PATH',
    rf"PATH ?[ :=,] ?(?:sha256:)?({_SPACED})",
    # In two lines.
    rf"(?:.*[ /\\])?NAME ?:\n(?:--hash=sha256:)?({_SPACED})",
    rf'"?Hash"? ?: ?"?({_HEX})"?,?\n"?Path"? ?: ?PATH,?',
)
_PATH = r"[\"']?(?:.*[/\\])?NAME[\"']?"
# A list of PowerShell continues a long path in the next line, below the beginning of the value.
_CONTINUED = re.compile(r"(?:\r\n?|\n) {12}(?=\S)")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Asset(WireModel):
    """A file of a release, with GitHub's identifier and its digest ``sha256:…``, if there is one."""

    id: Annotated[int, Field(gt=0, lt=2**63)]
    # Printable and not empty.
    name: Annotated[str, Field(max_length=255, pattern=r"^( |[^\p{C}\p{Z}])+$")]
    size: Annotated[int, Field(ge=0, le=LARGEST_WHEEL_BYTES)]
    digest: str | None = None
    state: object = "uploaded"


class GithubRelease(WireModel):
    """A release as GitHub describes it; the body contains the notes."""

    tag_name: Annotated[str, Field(max_length=100)]
    assets: Annotated[list[Asset], Field(max_length=MOST_ASSETS)]
    body: object = None


@dataclass(frozen=True, slots=True)
class Release:
    """A published version of the core, without the tag's ``v``.

    Its requirements are those in the release notes, one per line as ``Requires-Dist: numpy>=1.26``, so that a
    missing one is reported before the download; the wheel's METADATA decides in the end.
    """

    version: str
    assets: tuple[Asset, ...]
    requires: tuple[str, ...] = ()
    requires_python: str | None = None


def find_release(settings: Settings, token: SecretStr, version: str | None = None) -> Flow[Release]:
    """Request the release of a version, or the latest one if omitted.

    Source: GitHub REST API, "Releases" (version 2022-11-28).
    """
    wanted = None if version is None else version_of(version)
    path = "releases/latest" if wanted is None else f"releases/tags/v{quote(str(wanted), safe='')}"
    subject = "release of the core" if wanted is None else f"release {wanted} of the core"
    release = _release((yield from request_release(settings, token, path, subject)))
    if wanted is not None and version_of(release.version) != wanted:
        raise errors.CoreDownloadError(f"GitHub sent release {release.version} instead of {wanted}.")
    return release


def choose_wheel(release: Release) -> Asset:
    """Return the wheel of a release that fits the running interpreter best."""
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    order, ranked, published = supported_tags(), [], []
    for asset in release.assets:
        with suppress(InvalidWheelFilename):
            name, version, build, tags = parse_wheel_filename(asset.name)
            if name == canonicalize_name(DISTRIBUTION) and str(version) == release.version:
                published.append(asset.name)
                ranks = [order[tag] for tag in tags if tag in order]
                if ranks:
                    ranked.append((min(ranks), -build[0] if build else 1, asset.id, asset))
    if ranked:
        return min(ranked, key=lambda item: item[:3])[-1]
    listed = "".join(f"\n  - {name}" for name in published) or " no wheel at all"
    raise errors.CoreIncompatibleError(
        f"No wheel of core {release.version} fits this interpreter, which needs {next(iter(order))} "
        f"or a more general one. Published:{listed}\n",
        hint="Use a Python version and platform from that list, or install another version of the core.",
    )


def expected_digest(settings: Settings, release: Release, asset: Asset, token: SecretStr) -> Flow[str]:
    """Return the SHA-256 that an asset must have: GitHub's ``digest``, else that in ``SHA256SUMS``."""
    digest = _DIGEST.fullmatch(asset.digest or "")
    if digest is not None:
        return digest[1].lower()
    sums = next((other for other in release.assets if other.name.upper() in CHECKSUMS), None)
    reason = "the release has no checksums"
    if sums is not None:
        answer = yield from open_asset(settings, token, sums.id, "checksums", sums.name)
        digests = find_sha256(answer.body, asset.name)
        if len(digests) == 1:
            return next(iter(digests))
        reason = f"{sums.name} has {'more than one' if digests else 'none'} for it"
    raise errors.CoreIntegrityError(
        f"No SHA-256 is known for {asset.name}, so it is not downloaded: {reason}.",
        hint=f"Install another version of the core, and write to {errors.SUPPORT}.",
    )


def _release(answer: Response) -> Release:
    try:
        fields = parse_response(GithubRelease, answer)
    except errors.ResponseFormatError as error:
        raise errors.CoreDownloadError(
            f"GitHub sent no release of the core: {error.message}", hint=_NO_RELEASE
        ) from error
    version = parse_version(fields.tag_name)
    if version is None:
        raise errors.CoreDownloadError(
            f"GitHub's tag {fields.tag_name!r} is not a version.", hint=_NO_RELEASE
        )
    requires, requires_python = [], None
    # In notes written by people, a line that is not a requirement is prose.
    for line in fields.body[:MOST_NOTES].splitlines() if isinstance(fields.body, str) else ():
        kind, _, text = line.lstrip(_BEFORE_LINE).rstrip(_AFTER_LINE).partition(":")
        if kind == "Requires-Dist" and (needed := parse_requirement(text.strip())) is not None:
            requires.append(str(needed))
        if kind == "Requires-Python" and (versions := parse_specifiers(text.strip())) is not None:
            requires_python = str(versions)
    assets = tuple(asset for asset in fields.assets if asset.state == "uploaded")
    return Release(str(version), assets, tuple(requires), requires_python)


def find_sha256(content: bytes, name: str) -> frozenset[str]:
    """Return the SHA-256 digests that a file of checksums gives for a file name, in lower-case hexadecimal.

    More than one means that the file contradicts itself. Formats: ``sha256sum``, ``shasum``, ``cksum`` and
    ``openssl dgst``, in the form of GNU or BSD; ``certutil``; PowerShell's ``Get-FileHash``, as table, list,
    CSV or JSON; ``gpg --print-md``; ``pip hash``; ``7z h``. The file may be UTF-8, UTF-16 or UTF-32, with any
    line endings; names may have a folder, and digests capitals or separators.
    """
    lines = re.split(r"[\r\n\0]+", _CONTINUED.sub("", _decode(content)))
    # The time that a pattern takes grows with the square of the line's length.
    short = (" ".join(line.split()) for line in lines if len(line) < MOST_LINE_LETTERS)
    plain = "\n".join(filter(None, short))
    digests = set()
    for entry in _ENTRIES:
        # The name alone must be spelt as it is.
        pattern = entry.replace("PATH", _PATH).replace("NAME", f"(?-i:{re.escape(name)})")
        digests.update(re.findall(f"(?im)^{pattern}$", plain))
    return frozenset(
        base64.b64decode(digest).hex() if digest.endswith("=") else re.sub("[ :]", "", digest).lower()
        for digest in digests
    )


def _decode(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    # The first character is ASCII, and UTF-16 has a zero beside it.
    if content[1:2] == b"\0":
        return content.decode("utf-16-le", "replace")
    return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-8", "replace")
