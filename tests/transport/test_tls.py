"""Certificates: the system's roots and those that the environment names; never fewer checks."""

import datetime
import ssl
import subprocess
import sys
import warnings

import pytest
import trustme

from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError
from nimbus_sdk.transport import tls
from nimbus_sdk.transport.flow import Request
from nimbus_sdk.transport.tls import tls_context
from tests.support.evidence import strangers_in
from tests.support.raw_server import saying, serving

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(scope="module")
def authority():
    """A certificate authority that no system trusts."""
    return trustme.CA()


@pytest.fixture
def root(authority, tmp_path):
    """Its root certificate as a PEM file."""
    path = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def speaking_tls(certificate, *, adjust=lambda context: None):
    """Makes a server's connections TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    adjust(context)
    return lambda connection: context.wrap_socket(connection, server_side=True)


@pytest.fixture
def secure(authority):
    """A loopback server with a certificate of that authority."""
    with serving(saying(b"{}"), speaking_tls(authority.issue_cert("127.0.0.1"))) as server:
        yield server


def over_tls(server):
    """A call to a server over TLS."""
    return Request(name="health", method="GET", url=f"https://127.0.0.1:{server.port}/api/health")


def refused(send, server):
    """The error of an exchange that must not come about."""
    with pytest.raises(NimbusConnectionError) as caught:
        send(over_tls(server))
    assert server.requests == []
    assert strangers_in(caught.value) == []
    return caught.value


def test_an_unknown_authority_is_refused_with_the_way_out(send, secure):
    """The message says that the certificate is not trusted; the hint names SSL_CERT_FILE and the clock."""
    error = refused(send, secure)
    assert "is not trusted" in error.message
    assert "SSL_CERT_FILE" in error.hint
    assert error.passing is False


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_root_that_the_environment_names_is_trusted(send, secure, root, monkeypatch, variable):
    """The root certificate of one's own network opens the way."""
    monkeypatch.setenv(variable, str(root))
    assert send(over_tls(secure)).status == 200


def test_a_folder_of_roots_is_trusted(send, secure, root, monkeypatch, tmp_path):
    """SSL_CERT_DIR names folders of hashed certificates, several of them as PATH does."""
    asked = ["openssl", "x509", "-hash", "-noout", "-in", str(root)]
    name = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    folder, empty = tmp_path / "roots", tmp_path / "empty"
    folder.mkdir()
    empty.mkdir()
    (folder / f"{name}.0").write_bytes(root.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", f"{empty}:{folder}")
    assert send(over_tls(secure)).status == 200


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_error_for_a_variable_that_names_no_file_names_it(send, secure, monkeypatch, tmp_path, variable):
    """A missing file is a mistake in the setting, and not a reason to trust less or more."""
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match=variable) as caught:
        send(over_tls(secure))
    assert "missing.pem" in caught.value.message
    assert secure.requests == []


def test_a_file_without_a_certificate_is_an_error_too(tmp_path):
    """An empty or unrelated file contains no certificate."""
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "notes.pem").write_text("nothing to see\n")
    for name in ("empty.pem", "notes.pem"):
        with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
            tls_context({"SSL_CERT_FILE": str(tmp_path / name)})


def test_a_certificate_of_another_host_is_refused(send, authority, root, monkeypatch):
    """The right authority and the wrong name is not enough."""
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    certificate = authority.issue_cert("elsewhere.example")
    with serving(saying(b"{}"), speaking_tls(certificate)) as server:
        assert "not trusted" in refused(send, server).message


def test_an_expired_certificate_is_refused_with_a_word_about_the_clock(send, authority, root, monkeypatch):
    """A clock that is wrong looks like this, so the hint says so."""
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    past = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
    with serving(saying(b"{}"), speaking_tls(authority.issue_cert("127.0.0.1", not_after=past))) as server:
        error = refused(send, server)
    assert "expired" in error.message
    assert "clock" in error.hint


def only_tls_1_1(context):
    """Make a context speak nothing newer than TLS 1.1."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def test_a_service_that_speaks_only_tls_1_1_is_refused(send, authority, root, monkeypatch):
    """Nothing older than TLS 1.2 is spoken, although the certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    old = speaking_tls(authority.issue_cert("127.0.0.1"), adjust=only_tls_1_1)
    with serving(saying(b"{}"), old) as server:
        assert "TLS" in refused(send, server).message


def test_the_context_checks_everything():
    """Host name, chain, and TLS 1.2 at least."""
    context = tls_context({})
    assert context.check_hostname is True
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_one_context_serves_all_and_another_environment_gets_another(root):
    """Building one costs time; what the environment names is part of which one."""
    assert tls_context({}) is tls_context({"SSL_CERT_FILE": "", "UNRELATED": "1"})
    assert tls_context({}) is not tls_context({"SSL_CERT_FILE": str(root)})


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_where_the_system_keeps_its_roots_elsewhere_truststore_asks_it(monkeypatch, root, platform):
    """On macOS and Windows the system's own store decides, and named roots are added."""
    import truststore

    monkeypatch.setattr(sys, "platform", platform)
    context = tls_context({"SSL_CERT_FILE": str(root), "CURL_CA_BUNDLE": str(root)})
    assert isinstance(context, truststore.SSLContext)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_python_that_finds_no_roots_takes_certifis(monkeypatch):
    """A relocated Python looks for the system's roots where there are none."""

    class Nowhere:
        cafile = capath = None

    tls._context.cache_clear()
    monkeypatch.setattr(ssl, "get_default_verify_paths", Nowhere)
    monkeypatch.setattr(ssl, "create_default_context", lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    try:
        assert tls_context({}).cert_store_stats()["x509_ca"] > 50
    finally:
        tls._context.cache_clear()
