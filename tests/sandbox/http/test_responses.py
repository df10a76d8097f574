"""Files are served whole and in ranges."""

from __future__ import annotations

import pytest


def test_storage_serves_whole_files(http, link):
    """Without a range the whole file comes, with what a later resume needs."""
    answer = http.get(link)
    assert answer.status_code == 200
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("requested", "part", "content_range"),
    [
        ("bytes=0-9", slice(0, 10), "bytes 0-9/{size}"),
        ("bytes=10-", slice(10, None), "bytes 10-{last}/{size}"),
        ("bytes=-7", slice(-7, None), "bytes {tail}-{last}/{size}"),
        ("bytes=5-999999999", slice(5, None), "bytes 5-{last}/{size}"),
    ],
)
def test_ranges_are_honoured(http, link, requested, part, content_range):
    """A single range is answered with 206 and exactly those bytes."""
    whole = http.get(link).content
    answer = http.get(link, headers={"Range": requested})
    size = len(whole)
    assert answer.status_code == 206
    assert answer.content == whole[part]
    assert answer.headers["content-range"] == content_range.format(size=size, last=size - 1, tail=size - 7)


def test_unsatisfiable_ranges_are_416(http, link):
    """A range past the end is 416 with the size."""
    size = len(http.get(link).content)
    answer = http.get(link, headers={"Range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert http.get(link, headers={"Range": "bytes=-0"}).status_code == 416


@pytest.mark.parametrize("ignored", ["lines=0-5", "bytes=a-b", "bytes=0-1,4-5", "bytes=-"])
def test_invalid_ranges_return_the_whole_file(http, link, ignored):
    """Other units, several ranges and nonsense are ignored, as RFC 9110 allows."""
    assert http.get(link, headers={"Range": ignored}).status_code == 200


def test_a_range_of_thousands_of_digits_is_invalid(http, link):
    """Such a range is ignored."""
    answer = http.get(link, headers={"Range": f"bytes={'9' * 5000}-"})
    assert answer.status_code == 200


def test_if_range_resumes_the_same_file_only(http, link):
    """The right entity tag gets the part, any other the whole file."""
    etag = http.get(link).headers["etag"]
    same = http.get(link, headers={"Range": "bytes=1-2", "If-Range": etag})
    other = http.get(link, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    weak = http.get(link, headers={"Range": "bytes=1-2", "If-Range": f"W/{etag}"})
    assert [same.status_code, other.status_code, weak.status_code] == [206, 200, 200]
