"""One line of a diagnosis, and the diagnosis."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal

    Verdict = Literal["ok", "warning", "fault", "skipped"]

_COLUMNS = ("check", "verdict", "what was seen, and what to do")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was seen, and what to do about it.

    Attributes:
        check: What was looked at, such as ``dns`` or ``session``.
        verdict: ``ok``; ``warning`` where work goes on; ``fault`` where it does not; ``skipped``.
        cause: What was seen, in words, without any secret.
        fix: What to do, or empty where nothing is to be done.
    """

    check: str
    verdict: Verdict
    cause: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings; true where none of them is a fault.

    Attributes:
        findings: In the order in which a person would mend them.
        usable_offline: Whether core and session work now, with no network.
        offline_until: When the session ends (UTC); None where it does not end, or where there is none.

    Example:
        >>> bool(Diagnosis((Finding("dns", "warning", "no answer"),), True, None))
        True
    """

    findings: tuple[Finding, ...]
    usable_offline: bool
    offline_until: datetime | None

    def __bool__(self) -> bool:
        return not any(finding.verdict == "fault" for finding in self.findings)

    def __str__(self) -> str:
        from nimbus_sdk.display import tables

        return tables.format_table(_COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        from nimbus_sdk.display import tables

        return tables.table_html("Nimbus diagnosis", _COLUMNS, self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        return [(one.check, one.verdict, f"{one.cause} {one.fix}".rstrip()) for one in self.findings]

    def to_dict(self) -> dict[str, object]:
        """Everything as JSON can hold it."""
        until = None if self.offline_until is None else self.offline_until.isoformat()
        return {
            "healthy": bool(self),
            "usable_offline": self.usable_offline,
            "offline_until": until,
            "findings": [asdict(finding) for finding in self.findings],
        }


def in_words(seconds: float) -> str:
    """A span of time for people.

    Example:
        >>> in_words(10_920), in_words(90), in_words(200_000)
        ('3 h 2 min', '1 min 30 s', '2 d 7 h')
    """
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    left, parts = int(seconds), []
    for unit, size in units:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def ok(check: str, cause: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", cause)


def trouble(check: str, cause: str, fix: str, *, fatal: bool) -> Finding:
    """Something to mend: a fault where work cannot go on, else a warning."""
    return Finding(check, "fault" if fatal else "warning", cause, fix)
