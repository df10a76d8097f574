"""The page at ``/``, the description of the HTTP APIs at ``/docs`` and ``/openapi.json``, and their files.

None of them contains a key or the control token. The page reads the token from the part of its address after
``#``, which a browser sends to no server, and sends it with every request to the control routes.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/openapi.json": ("openapi.json", "application/json"),
    "/_page/page.css": ("page.css", "text/css; charset=utf-8"),
    "/_page/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/_page/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
}
# The page loads nothing from elsewhere, and no other page can show it in a frame.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page_routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route(path, _serve_file, methods=["GET"]) for path in _FILES]


async def _serve_file(request: Request) -> Response:
    name, content_type = _FILES[request.url.path]
    return Response((_FOLDER / name).read_bytes(), headers={**_HEADERS, "Content-Type": content_type})
