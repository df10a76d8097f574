"""Names for the array types of this package."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IndexArray: TypeAlias = npt.NDArray[np.intp]
FeatureArray: TypeAlias = npt.NDArray[np.float64 | np.float32]
LabelArray: TypeAlias = npt.NDArray[np.int64 | np.str_ | np.bool_]
