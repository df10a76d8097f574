"""Certificates: the system's roots and those that the environment names; never fewer checks."""

import datetime
import ssl
import subprocess
import sys
import warnings

import certifi
import pytest
import trustme

from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError
from nimbus_sdk.transport import tls
from nimbus_sdk.transport.flow import Request
from nimbus_sdk.transport.tls import tls_context
from tests.support.evidence import strangers_in
from tests.support.raw_server import saying, serving

FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True, scope="module")
def few_roots(tmp_path_factory):
    """The system trusts one authority, since a hundred roots take long to load."""
    patch = pytest.MonkeyPatch()
    path = tmp_path_factory.mktemp("system") / "cert.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    systems = ssl.get_default_verify_paths()._replace(openssl_cafile=str(path), openssl_capath="/absent")
    patch.setattr(ssl, "get_default_verify_paths", lambda: systems)
    tls._context.cache_clear()
    yield
    tls._context.cache_clear()
    patch.undo()


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
    """The message says that the certificate is not trusted; the hint names both ways out."""
    error = refused(send, secure)
    assert "is not trusted" in error.message
    assert "SSL_CERT_FILE" in error.hint
    assert "guest network" in error.hint
    assert error.passing is False


def trusts(context, certificate):
    """Whether a context trusts a server's certificate for 127.0.0.1."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(server)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for end in (*ends, *ends):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError:
            return False
    return True


@pytest.mark.parametrize("variable", FILES)
def test_a_root_that_the_environment_names_is_trusted(send, secure, root, monkeypatch, variable):
    """The root certificate of one's own network opens the way."""
    monkeypatch.setenv(variable, str(root))
    assert send(over_tls(secure)).status == 200


@pytest.mark.parametrize("variable", FILES)
@pytest.mark.parametrize("form", [" {}\n", '"{}"', "' {} '"])
def test_white_space_and_quotes_around_a_path_do_not_count(authority, root, variable, form):
    """Tools that read variables from a file pass them on."""
    assert trusts(tls_context({variable: form.format(root)}), authority.issue_cert("127.0.0.1"))


@pytest.fixture
def folder(root, tmp_path):
    """A folder of hashed certificates with that root."""
    asked = ["openssl", "x509", "-hash", "-noout", "-in", str(root)]
    name = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    made = tmp_path / "roots"
    made.mkdir()
    (made / f"{name}.0").write_bytes(root.read_bytes())
    return made


def test_folders_of_roots_are_trusted_and_absent_ones_skipped(authority, folder):
    """SSL_CERT_DIR names folders of hashed certificates, as PATH does; OpenSSL skips what is not there."""
    certificate = authority.issue_cert("127.0.0.1")
    for form in ("{}", "/absent:{}", "{}:/absent", " /absent : {} :: ", '"{}:/etc/hostname"'):
        assert trusts(tls_context({"SSL_CERT_DIR": form.format(folder)}), certificate)
    for text in ("/absent", "/absent:/absent/too", " : ", "/etc/hostname"):
        assert not trusts(tls_context({"SSL_CERT_DIR": text}), certificate)


@pytest.mark.parametrize("variable", [*FILES, "SSL_CERT_DIR"])
@pytest.mark.parametrize("place", ["file", "folder"])
def test_the_systems_roots_stay_beside_those_that_the_environment_names(
    authority, folder, root, tmp_path, monkeypatch, variable, place
):
    """Whether the system has its roots in one file or in a folder, the named ones are added to them."""
    systems = ssl.get_default_verify_paths()._replace(
        openssl_cafile=str(root) if place == "file" else "/absent",
        openssl_capath=str(folder) if place == "folder" else "/absent",
    )
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: systems)
    other = trustme.CA()
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    named = tmp_path if variable == "SSL_CERT_DIR" else tmp_path / "other.pem"
    # OpenSSL itself reads two of the variables.
    monkeypatch.setenv(variable, str(named))
    context = tls_context()
    assert trusts(context, authority.issue_cert("127.0.0.1"))
    assert trusts(context, other.issue_cert("127.0.0.1")) == (variable != "SSL_CERT_DIR")


def test_an_intermediate_authority_may_be_named_alone(authority, tmp_path):
    """As for curl: the certificate of the box that opens the connections is enough."""
    box = authority.create_child_ca()
    box.cert_pem.write_to_path(str(tmp_path / "box.pem"))
    context = tls_context({"SSL_CERT_FILE": str(tmp_path / "box.pem")})
    assert trusts(context, box.issue_cert("127.0.0.1"))
    assert not trusts(context, authority.issue_cert("127.0.0.1"))


@pytest.mark.parametrize("place", ["", "nowhere/keys.log", "keys.log"])
def test_no_log_of_tls_keys_is_opened(send, secure, root, monkeypatch, tmp_path, place):
    """Whether it can be opened or not, SSLKEYLOGFILE has no effect."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / place))
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    tls._context.cache_clear()
    assert send(over_tls(secure)).status == 200
    assert not (tmp_path / "keys.log").exists()


@pytest.mark.parametrize("variable", FILES)
def test_plain_http_on_this_machine_needs_no_certificates(send, monkeypatch, variable):
    """A stale file concerns connections over TLS alone."""
    monkeypatch.setenv(variable, "/absent/roots.pem")
    with serving(saying(b"{}")) as server:
        url = f"{server.url}/api/health"
        assert send(Request(name="health", method="GET", url=url)).status == 200


@pytest.mark.parametrize("variable", FILES)
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
        error = refused(send, server)
    assert "not trusted" in error.message
    assert "log in to the network" in error.hint
    assert "SSL_CERT_FILE" not in error.hint, "the certificate of a log-in page is not to be trusted"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_asks_for_a_client_certificate_is_named(send, authority, root, monkeypatch, version):
    """A proxy that admits only machines with a certificate of their own; it is asked once."""
    monkeypatch.setenv("SSL_CERT_FILE", str(root))

    def adjust(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=str(root))
        context.maximum_version = context.minimum_version = version

    with serving(saying(b"{}"), speaking_tls(authority.issue_cert("127.0.0.1"), adjust=adjust)) as server:
        error = refused(send, server)
    assert "for a client certificate" in error.message
    assert "proxy" in error.hint
    assert (error.passing, error.sent) == (False, False)


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


def test_a_system_with_roots_of_its_own_needs_no_certifi(monkeypatch, root, tmp_path):
    """A bundled program may have left its file out; where the system has one, nobody misses it."""
    nowhere = ssl.get_default_verify_paths()._replace(openssl_cafile="/absent", openssl_capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    monkeypatch.setattr(tls, "_KNOWN_FILES", (str(root),))
    monkeypatch.delattr(certifi, "where")
    tls._context.cache_clear()
    try:
        assert tls_context({}).cert_store_stats()["x509_ca"] == 1
    finally:
        tls._context.cache_clear()


@pytest.mark.parametrize("named", [False, True])
def test_a_python_that_finds_no_roots_looks_where_systems_keep_them(monkeypatch, root, tmp_path, named):
    """A relocated Python looks where there are none: then the usual places count, and at last certifi's."""
    nowhere = ssl.get_default_verify_paths()._replace(openssl_cafile="/absent", openssl_capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    environ = {"SSL_CERT_FILE": str(root)} if named else {}
    for files, fewest in (((str(root),), 1), ((), 50)):
        monkeypatch.setattr(tls, "_KNOWN_FILES", files)
        tls._context.cache_clear()
        try:
            assert tls_context(environ).cert_store_stats()["x509_ca"] >= fewest + (named and not files)
        finally:
            tls._context.cache_clear()
