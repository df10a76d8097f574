"""Figures, axes, colours and texts that all plots share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .._types import LabelArray
from ..data.argument_checks import describe_kind
from ..errors import CoreDataError, MissingLibraryError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

INK, FAINT = "#333333", "#bbbbbb"
MAX_NAMED = 30
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")


def new_figure(width: float, height: float) -> Figure:
    """Create a figure without axes.

    Args:
        width: In inches.
        height: In inches.

    Raises:
        MissingLibraryError: Matplotlib is not installed.
    """
    try:
        matplotlib_figure = import_module("matplotlib.figure")
    except ModuleNotFoundError:
        raise MissingLibraryError(
            "Matplotlib is not installed, and plots need it.",
            "Install matplotlib in this environment (`pip install matplotlib`), then try again.",
        ) from None
    if "ipykernel" in sys.modules and find_spec("matplotlib_inline") is not None:
        # This registers how a notebook displays figures; otherwise only importing pyplot does.
        import_module("matplotlib_inline.backend_inline")
    figure: Figure = matplotlib_figure.Figure(figsize=(width, height), layout="constrained", dpi=120)
    return figure


def get_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the given axes, or those of a new figure of this size.

    Raises:
        CoreDataError: ``ax`` is not Axes.
        MissingLibraryError: Matplotlib is not installed.
    """
    if ax is None:
        drawn: Axes = new_figure(width, height).subplots()
        return drawn
    kind: type[Axes] = import_module("matplotlib.axes").Axes
    if not isinstance(ax, kind):
        raise CoreDataError(
            f"ax is {describe_kind(ax)}, not Axes of Matplotlib.",
            "Give one that plt.subplots() returned, such as axes[0].",
        )
    return ax


def find_figure(axes: Axes) -> Figure:
    """Return the whole figure that axes belong to, also if they are in a subfigure."""
    return axes.figure.canvas.figure


def name_classes(classes: LabelArray, names: Sequence[str] | None) -> list[str]:
    """Return the name of each class: the given one, or else its label.

    Raises:
        CoreDataError: Not one name for each class.

    Examples:
        >>> import numpy as np
        >>> name_classes(np.array([1, 2]), None), name_classes(np.array([1, 2]), ["rest", "move"])
        (['1', '2'], ['rest', 'move'])
    """
    if names is None:
        return [str(label) for label in classes.tolist()]
    if isinstance(names, str) or len(names) != len(classes):
        raise CoreDataError(
            f"names are {names!r}, but the classes are {classes.tolist()}.",
            "Give a list with one name for each class, in this order.",
        )
    return [str(name) for name in names]


def set_titles(axes: Axes, title: str, below: str, left: str) -> None:
    """Set the title and the names of the axes, and hide the top and right spines."""
    disable_math(axes.set_title(title, fontsize=10, color=INK, loc="left"))
    disable_math(axes.set_xlabel(below, color=INK))
    disable_math(axes.set_ylabel(left, color=INK))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)


def set_tick_names(axes: Axes, which: str, names: Sequence[str]) -> None:
    """Set names along the axis ``"x"`` or ``"y"``; of many, evenly chosen ones."""
    set_ticks = axes.set_xticks if which == "x" else axes.set_yticks
    indices = range(0, len(names), -(-len(names) // MAX_NAMED))
    labels = [names[index] for index in indices]
    rotation = 45 if which == "x" and max(map(len, labels)) > 6 else 0
    set_ticks(indices, labels, rotation=rotation, ha="right" if rotation or which == "y" else "center")
    for text in axes.get_xticklabels() if which == "x" else axes.get_yticklabels():
        disable_math(text)


def add_legend(axes: Axes, names: Sequence[str]) -> None:
    """Add a legend of the classes beside the axes."""
    patch = import_module("matplotlib.patches").Patch
    handles = [patch(color=class_colour(k), label=name) for k, name in enumerate(names)]
    drawn = axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for text in drawn.get_texts():
        disable_math(text)


def disable_math(text: Text) -> None:
    """Turn off formulas in a text, so that names can contain dollar signs."""
    text.set_parse_math(False)


def result_title(model_name: str, simulated: bool) -> str:
    """Return the title of a result of a model."""
    return f"{model_name} (trained on simulated data)" if simulated else model_name


def class_colour(k: int) -> str | tuple[float, ...]:
    """Return the colour of class ``k``, counted from 0."""
    if k < len(_COLOURS):
        return _COLOURS[k]
    shade: tuple[float, ...] = import_module("matplotlib").colormaps["turbo"]((0.618 * k) % 1.0)
    return shade
