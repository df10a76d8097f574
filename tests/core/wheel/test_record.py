"""RECORD and the content of a wheel must agree, file by file."""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest

from nimbus_sdk.core.wheel import verify
from tests.support.wheels import SOURCE, check_and_stage, core_files, entry, issues_of, make_wheel

INFO = "nimbus_sdk_core-1.0.0.dist-info"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda record: record.replace(b"sha256=", b"sha256=A", 1), "does not match RECORD"),
        (lambda record: b"\n".join(record.split(b"\n")[1:]), "is not in RECORD"),
        (lambda record: record + b"nimbus_sdk_core/ghost.py,sha256=x,1\n", "in RECORD and not in the wheel"),
        (lambda record: record.replace(b",sha256=", b",,", 1), "RECORD': cannot be read"),
        (lambda record: b"\xff\xfe", "RECORD': cannot be read"),
        (lambda record: record.replace(b"RECORD,,", b"RECORD,sha256=x,1"), "must not have a hash"),
        (lambda record: record.replace(b",sha256=", b",md5=", 1), "no valid hash and size"),
        (lambda record: record.replace(b",sha256=", b",", 1), "no valid hash and size"),
        (
            lambda record: record.replace(b'__init__.py",', b'__init__.py",,5\nx,', 1),
            "no valid hash and size",
        ),
        (
            lambda record: record + f"{INFO}/RECORD.jws,sha256=x,1\n".encode(),
            "in RECORD and not in the wheel",
        ),
    ],
)
def test_a_record_that_does_not_fit_is_refused(tmp_path, change, fault):
    """RECORD and content are compared, with hashes, in both directions."""
    issues = issues_of(make_wheel(tmp_path, recorded=change))
    assert any(fault in issue for issue in issues)


def test_changed_content_is_refused(tmp_path):
    """Content that does not fit its own checksum is reported, and no foreign error ends the check."""
    path = make_wheel(tmp_path, method=0)
    path.write_bytes(path.read_bytes().replace(b"A core that does nothing", b"A core that does evil   "))
    assert any("cannot be read (BadZipFile" in issue for issue in issues_of(path))


def test_a_size_that_lies_is_refused(tmp_path):
    """An entry whose directory tells a smaller size than it unpacks to is not cut short in silence."""
    path = make_wheel(tmp_path)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<L", content, directory + 24, 10)
    struct.pack_into("<L", content, 22, 10)
    path.write_bytes(content)
    assert issues_of(path)


def test_a_signature_file_is_fine(tmp_path):
    """RECORD.jws is by definition not listed in RECORD."""
    path = make_wheel(tmp_path, change=lambda opened: opened.writestr(entry(f"{INFO}/RECORD.jws"), b"{}"))
    assert verify.check_wheel(str(path), path.name)


@pytest.mark.parametrize("algorithm", ["sha512", "sha3_256", "blake2b"])
def test_record_may_use_another_hash(core_folder, tmp_path, algorithm):
    """Any hash that is not weaker than SHA-256 counts; the manifest has SHA-256 all the same."""
    files = {"nimbus_sdk_core/__init__.py": SOURCE.encode()}
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, SOURCE.encode()).digest()).rstrip(b"=")

    def rewritten(record):
        lines = record.split(b"\n")
        at = next(i for i, line in enumerate(lines) if b"__init__.py" in line)
        lines[at] = b"nimbus_sdk_core/__init__.py,%s=%s,%d" % (
            algorithm.encode(),
            digest,
            len(SOURCE.encode()),
        )
        return b"\n".join(lines)

    wheel = make_wheel(tmp_path, files=files, recorded=rewritten)
    core = check_and_stage(wheel, core_folder)
    assert verify.check_installed(core.folder) == ()
    wrong = make_wheel(
        tmp_path / "wrong", files=files, recorded=lambda text: rewritten(text).replace(digest, b"x")
    )
    assert any("does not match RECORD" in issue for issue in issues_of(wrong))


def test_the_content_of_a_faulty_wheel_is_compared_as_well(tmp_path):
    """Where nothing will be unpacked, the error still lists what does not match RECORD."""
    files = {**core_files(), "json.py": b""}
    wheel = make_wheel(tmp_path, files=files, recorded=lambda text: text.replace(b"sha256=", b"sha256=A", 1))
    issues = "\n".join(issues_of(wheel))
    assert "does not belong to the core" in issues
    assert "does not match RECORD" in issues
