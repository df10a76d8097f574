"""NeuroAI's JSON: pages, and the camelCase spelling of names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nimbus_sdk.sandbox.http.errors import HttpError

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def parse_page(query: Mapping[str, str]) -> tuple[int, int]:
    """Return the page that ``?limit=&cursor=`` requests.

    Returns:
        Number of the last row of the page before, and the maximum number of rows.

    Raises:
        HttpError: invalid_request.
    """
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 0 < int(text) <= MAX_LIMIT:
        raise HttpError("invalid_request", f"limit is a number from 1 to {MAX_LIMIT}.")
    cursor = query.get("cursor", "0")
    if not re.fullmatch(r"[0-9]{1,18}", cursor):
        raise HttpError("invalid_request", "cursor does not come from a list.")
    return int(cursor), int(text)


def page_json(rows: Sequence[tuple[int, object]], limit: int) -> dict[str, object]:
    """Return a page of numbered rows; one row more than the limit means that another page follows."""
    page = rows[:limit]
    cursor = str(page[-1][0]) if len(rows) > limit else None
    return {"data": [row for _, row in page], "next_cursor": cursor}


def camel_case(value: object) -> object:
    """Return JSON with its names in camelCase.

    Examples:
        >>> camel_case({"next_cursor": None, "data": [{"key_prefix": "nai_1"}]})
        {'nextCursor': None, 'data': [{'keyPrefix': 'nai_1'}]}
    """
    if isinstance(value, dict):
        return {_camel_name(name): camel_case(item) for name, item in value.items()}
    return [camel_case(item) for item in value] if isinstance(value, list) else value


def _camel_name(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
