"""Files of checksums, as people make them with the tools of their systems."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.core.wheel.release import find_sha256

NAME = "nimbus_sdk_core-1.2.0+cu12-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
HEX = "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"
UPPER = HEX.upper()
BYTES = [HEX[place : place + 2] for place in range(0, 64, 2)]
GROUPS = [UPPER[place : place + 8] for place in range(0, 64, 8)]
OTHER = "ab" * 32
BASE64 = base64.b64encode(bytes.fromhex(HEX)).decode()
CERTUTIL = "CertUtil: -hashfile command completed successfully.\n"
TABLE = "Algorithm       Hash                                            Path\n---------       ----    ----\n"
LIST = f"\nAlgorithm : SHA256\nHash      : {UPPER}\nPath      : "

FILES = {
    "sha256sum": f"{HEX}  {NAME}\n",
    "sha256sum -b": f"{HEX} *{NAME}\n",
    "sha256sum -z": f"{OTHER}  other.whl\0{HEX}  {NAME}\0",
    "an escaped line": f"\\{HEX}  {NAME}\n",
    "one blank": f"{HEX} {NAME}\n",
    "a tab": f"{HEX}\t{NAME}\n",
    "here": f"{HEX}  ./{NAME}\n",
    "a folder": f"{HEX}  dist/{NAME}\n",
    "a folder, binary": f"{HEX} *./dist/{NAME}\n",
    "an absolute path": f"{HEX}  /home/me/core/dist/{NAME}\n",
    "a path of Windows": f"{UPPER}  C:\\my core\\dist\\{NAME}\n",
    "in capitals": f"{UPPER}  {NAME}\n",
    "white space around it": f"  {HEX}   {NAME}  \n",
    "quoted": f'{HEX}  "{NAME}"\n',
    "BSD": f"SHA256 (dist/{NAME}) = {HEX}\n",
    "BSD in lower case": f"sha256 ({NAME}) = {HEX}\n",
    "cksum --base64": f"SHA256 ({NAME}) = {BASE64}\n",
    "cksum --base64 --untagged": f"{BASE64}  {NAME}\n",
    "openssl 1": f"SHA256({NAME})= {HEX}\n",
    "openssl 3": f"SHA2-256(dist/{NAME})= {HEX}\n",
    "openssl -c": f"SHA2-256({NAME})= {':'.join(BYTES)}\n",
    "openssl -r": f"{HEX} *dist/{NAME}\n",
    "certutil": f"SHA256 hash of dist\\{NAME}:\r\n{HEX}\r\n{CERTUTIL}",
    "certutil of older systems": f"SHA256 hash of file {NAME}:\r\n{' '.join(BYTES)}\r\n{CERTUTIL}",
    "certutil in German": f"SHA256-Hash von {NAME}:\r\n{HEX}\r\nCertUtil: fertig.\r\n",
    "Get-FileHash": f"\n{TABLE}SHA256          {UPPER}       C:\\dist\\{NAME}   \n\n",
    "Get-FileHash as list": f"{LIST}C:\\dist\\{NAME}\n\n",
    "Get-FileHash as narrow list": f"{LIST}C:\\dist\\{NAME[:50]}\r\n            {NAME[50:]}\r\n",
    "Get-FileHash as CSV": f'"Algorithm","Hash","Path"\n"SHA256","{UPPER}","C:\\dist\\{NAME}"\n',
    "Get-FileHash as JSON": f'{{\n "Hash":  "{UPPER}",\n "Path":  "C:\\\\d\\\\{NAME}"\n}}',
    "gpg --print-md": f"{NAME}: \n{' '.join(GROUPS[:4])}  {' '.join(GROUPS[4:])}\n",
    "gpg --print-md of a short name": f"{NAME}: {' '.join(GROUPS)}\n",
    "pip hash": f"dist/{NAME}:\n--hash=sha256:{HEX}\n",
    "7z h": f"SHA256   Size  Name\n-----\n{HEX}      1024  {NAME}\n-----\n{HEX}      1024\n",
    "name first": f"{NAME}  {HEX}\n",
    "name, colon, digest": f"{NAME}: sha256:{HEX}\n",
    "several algorithms": f"SHA256 ({NAME}) = {HEX}\nSHA512 ({NAME}) = {'2' * 128}\n",
    "signed": f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{HEX}  {NAME}\n-----BEGIN PGP\n",
}


@pytest.mark.parametrize("made_by", FILES)
def test_every_form_is_read(made_by):
    """Whatever tool wrote the file, in whatever encoding, the digest of the name is found."""
    text = FILES[made_by].replace("\r\n", "\n")
    for line_ending in ("\n", "\r\n", "\r"):
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            written = text.replace("\n", line_ending).encode(encoding)
            assert find_sha256(written, NAME) == {HEX}, (line_ending, encoding)


@pytest.mark.parametrize(
    "command",
    [
        ["sha256sum", "--tag"],
        ["sha256sum", "--zero"],
        ["shasum", "-a", "256", "-b"],
        ["openssl", "dgst", "-sha256"],
        ["openssl", "dgst", "-sha256", "-c"],
        ["cksum", "-a", "sha256"],
    ],
    ids=" ".join,
)
def test_the_tools_of_this_machine_are_understood(tmp_path, command):
    """The output of the tool itself, and not a copy of it, is read."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    path = tmp_path / "dist" / NAME
    path.parent.mkdir()
    path.write_bytes(b"a wheel\r\n")
    written = subprocess.run(
        [*command, str(Path("dist", NAME))], cwd=tmp_path, capture_output=True, check=False
    )
    if written.returncode:
        pytest.skip(f"{command[0]} is too old")
    assert find_sha256(written.stdout, NAME) == {hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        NAME,
        f"{HEX}  {NAME}.asc",
        f"{HEX}  old_{NAME}",
        f"{HEX}  {NAME}/other",
        f"{HEX[:-1]}  {NAME}",
        f"{HEX}0  {NAME}",
        f"SHA512/256 ({NAME}) = {HEX}",
        f"SM3 ({NAME}) = {HEX}",
        f"BLAKE2b-256 ({NAME}) = {HEX}",
        f"SHA3-256 ({NAME}) = {HEX}",
        f"{HEX}  other.whl\n# see {NAME}",
        f"# {NAME}:\n{HEX}  other.whl",
        f"{NAME}:\n\nother.whl: {HEX}",
        f"Hash : {HEX}\nPath : C:\\dist\\other.whl\n{NAME}",
        f"{HEX}  {NAME}{' ' * 2000}x",
    ],
)
def test_what_is_no_digest_of_the_file_is_none(text):
    """Other names, other algorithms, and digests that belong to the next line are not taken for it."""
    assert find_sha256(text.encode(), NAME) == frozenset()


def test_a_file_that_contradicts_itself_gives_both():
    """The caller refuses it."""
    assert find_sha256(f"{HEX}  {NAME}\n{NAME}:\n{OTHER}\n".encode(), NAME) == {HEX, OTHER}


@given(
    st.binary(max_size=300)
    | st.text(alphabet=f'{HEX[:6]} :=,*\\()"\n\r\0ASH256Path', max_size=600).map(str.encode)
)
def test_no_file_is_a_failure(content):
    """Whatever it contains, there are digests or there are none."""
    assert isinstance(find_sha256(content, "a"), frozenset)
