"""One line of a diagnosis, and the diagnosis."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from nimbus_sdk.errors.printable import printable_texts

Verdict: TypeAlias = Literal["ok", "warning", "fault", "skipped"]

_COLUMNS = ("check", "verdict", "result and fix")


@printable_texts
@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do about it.

    Attributes:
        check: What was checked, such as ``dns`` or ``session``.
        verdict: ``ok``; ``warning`` if work can continue; ``fault`` if it cannot; ``skipped``.
        cause: What was found, in words, without any secret.
        fix: What to do, or empty if there is nothing to do.
    """

    check: str
    verdict: Verdict
    cause: str
    fix: str = ""


@printable_texts
@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings; true if none of them is a fault.

    Attributes:
        findings: In the order in which to fix them.
        usable_offline: Whether core and session work now, without network.
        offline_until: When the session ends (UTC); None if it does not end, or if there is none.

    Examples:
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
        rows: list[tuple[str, ...]] = []
        for each in self.findings:
            text = f"{each.cause.removesuffix('.')}. {each.fix}" if each.fix else each.cause
            rows.append((each.check, each.verdict, text))
        return rows

    def to_dict(self) -> dict[str, object]:
        """Return the diagnosis as plain values, for JSON."""
        findings = [asdict(finding) for finding in self.findings]
        until = None if self.offline_until is None else self.offline_until.isoformat()
        state = {"healthy": bool(self), "usable_offline": self.usable_offline, "offline_until": until}
        return {**state, "findings": findings}


def ok(check: str, cause: str) -> Finding:
    """Return a finding with nothing to do."""
    return Finding(check, "ok", cause)


def problem(check: str, cause: str, fix: str, *, fatal: bool) -> Finding:
    """Return a finding with something to fix: a fault if work cannot continue, else a warning."""
    return Finding(check, "fault" if fatal else "warning", cause, fix)


def format_span(seconds: float) -> str:
    """Return a span of time in its two largest units.

    Examples:
        >>> format_span(10_920), format_span(90), format_span(200_000)
        ('3 h 2 min', '1 min 30 s', '2 d 7 h')
    """
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    left, parts = int(seconds), []
    for unit, size in units:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
