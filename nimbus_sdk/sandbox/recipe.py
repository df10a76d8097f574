"""What kind of wheel is wanted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """What kind of wheel is wanted.

    Attributes:
        version: The core's version; None takes the one its sources tell.
        padding: Bytes of incompressible filler.
        broken: Whether importing it fails.
        tag: Compatibility tag; None takes the builder's.
        requires: Requirements to add to the core's own.
        requires_python: In place of the core's own; None keeps that.
    """

    version: str | None = None
    padding: int = 0
    broken: bool = False
    tag: str | None = None
    requires: tuple[str, ...] = ()
    requires_python: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the wheel as the builder makes it will do."""
        return self == Recipe(version=self.version, broken=self.broken)
