"""Extension of the API pages: a function that runs a flow returns the result of the flow."""

from __future__ import annotations

from typing import Any

import griffe

_FLOWS = ("Prepared", "Flow")


class FlowResults(griffe.Extension):
    """Shows ``AuthSession`` where the function that was inspected says ``Prepared[AuthSession]``."""

    def on_function_instance(self, *, func: griffe.Function, **_: Any) -> None:
        """Replace the return annotation of a function."""
        returns = func.returns
        if isinstance(returns, griffe.ExprSubscript) and str(returns.left).rpartition(".")[2] in _FLOWS:
            func.returns = returns.slice
