"""What differs from person to person."""

from __future__ import annotations

import numpy as np

from .._types import FloatArray


class Person:
    """Anatomy and physiology of a simulated subject.

    Attributes:
        anatomy: Random stream of the head; draw from it before `deviations`.
    """

    __slots__ = ("_spread", "anatomy")

    def __init__(self, anatomy: np.random.RandomState, *, is_average: bool) -> None:
        self.anatomy = anatomy
        self._spread = 0.0 if is_average else 1.0

    def deviations(self, spread: float, *shape: int) -> FloatArray:
        """Draw how far this person is from the average in something; 0 for the average person.

        Args:
            spread: Standard deviation over people.
            shape: How many numbers.
        """
        return np.asarray(self._spread * spread * self.anatomy.standard_normal(shape))

    def factors(self, spread: float, *shape: int) -> FloatArray:
        """Draw factors by which something is larger than average; 1 for the average person.

        Args:
            spread: Standard deviation over people of the factor's natural logarithm.
            shape: How many numbers.
        """
        return np.exp(self.deviations(spread, *shape))
