"""The page in a browser: what it is made of, and what other web pages cannot do."""

from __future__ import annotations

import pytest

FILES = ("/", "/docs", "/openapi.json", "/_page/page.css", "/_page/page.js", "/_page/docs.js")


@pytest.mark.parametrize("path", FILES)
def test_every_file_is_served_and_loads_nothing_from_elsewhere(sandbox, http, path):
    """A page without network works: no file names another host, and a browser would not load from one."""
    answer = http.get(f"{sandbox.api_url}{path}")
    assert answer.status_code == 200
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_the_page_contains_neither_a_key_nor_the_token(sandbox, http, key):
    """Whoever can reach the port learns nothing from the page: the token is with its owner alone."""
    texts = "".join(http.get(f"{sandbox.api_url}{path}").text for path in FILES)
    assert sandbox.control_token not in texts
    assert key not in texts


def test_the_address_of_the_page_has_the_token_where_no_server_sees_it(sandbox, http):
    """The token is in the fragment of the address, which is part of no request and of no log."""
    assert sandbox.page_url == f"{sandbox.api_url}/#{sandbox.control_token}"
    http.get(sandbox.page_url)
    assert sandbox.journal() == []


def test_the_page_is_read_only_without_the_control_routes(sandbox, http):
    """Only GET exists for the page's own files."""
    assert http.post(f"{sandbox.api_url}/", json={}).status_code == 405
