"""Settings: who wins, what is refused, and which .env counts."""

import os
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.config.dotenv import dotenv_values, find_dotenv
from nimbus_sdk.config.settings import LOOPBACK, Settings, base_url, origin
from nimbus_sdk.errors import ConfigurationError
from tests.support.examples import examples

KEY = "nbci_test_" + "0123456789ab" * 4
NOBODY = 65_534


@pytest.fixture
def project(tmp_path):
    """A project three folders deep: top/middle/start."""
    start = tmp_path / "top" / "middle" / "start"
    start.mkdir(parents=True)
    return start


def load(directory="/", given=None, **environ):
    """Settings from these variables, without any .env unless a folder is named."""
    return Settings.load(environ=environ, directory=str(directory), **(given or {}))


def make_foreign(monkeypatch, path):
    """Make a file another user's: really so for root, by being somebody else for everyone else."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)


def test_the_defaults_are_the_documented_ones():
    """Without any setting: the public services, the default profile, 30 seconds, online."""
    assert load() == Settings(
        api_url="https://api.nimbusbci.com",
        github_url="https://api.github.com",
        core_repo="nimbusbci/NimbusSDKCore",
        home=None,
        profile="default",
        offline=False,
        credential_store=None,
        key_file=None,
        timeout=30.0,
        no_progress=False,
        dotenv=None,
    )


VARIABLES = [
    (
        "api_url",
        "NIMBUS_SDK_API_URL",
        " https://nimbus.example:8443/base/ ",
        "https://nimbus.example:8443/base",
    ),
    ("github_url", "NIMBUS_SDK_GITHUB_URL", "http://127.0.0.1:9/", "http://127.0.0.1:9"),
    ("core_repo", "NIMBUS_SDK_CORE_REPO", " lab/core.x ", "lab/core.x"),
    ("home", "NIMBUS_SDK_HOME", "/srv/../srv/nimbus", "/srv/nimbus"),
    ("profile", "NIMBUS_SDK_PROFILE", " lab-2.x_y ", "lab-2.x_y"),
    ("offline", "NIMBUS_SDK_OFFLINE", "1", True),
    ("credential_store", "NIMBUS_SDK_CREDENTIAL_STORE", "Keyring", "keyring"),
    ("key_file", "NIMBUS_SDK_API_KEY_FILE", "/run/secrets/nimbus", "/run/secrets/nimbus"),
    ("timeout", "NIMBUS_SDK_TIMEOUT", "2.5", 2.5),
    ("no_progress", "NIMBUS_SDK_NO_PROGRESS", "yes", True),
]


@pytest.mark.parametrize(("field", "variable", "text", "value"), VARIABLES, ids=[row[0] for row in VARIABLES])
def test_every_setting_has_its_variable(project, field, variable, text, value):
    """Environment and argument set it, and the value is put into its plain form."""
    assert getattr(load(**{variable: text}), field) == value
    assert getattr(load(given={field: text}), field) == value
    assert getattr(load(**{variable: "  "}), field) == getattr(Settings(), field)


@pytest.mark.parametrize("quotes", [" '{}' ", '"{}"', "'{}' ", '"  {}\t"'])
@pytest.mark.parametrize(("field", "variable", "text", "value"), VARIABLES, ids=[row[0] for row in VARIABLES])
def test_quotes_around_a_value_are_not_part_of_it(project, field, variable, text, value, quotes):
    """One pair of quotes is removed from every value, since some tools pass on a file's quotes."""
    assert getattr(load(**{variable: quotes.format(text)}), field) == value
    assert getattr(load(**{variable: quotes.format("")}), field) == getattr(Settings(), field)


@pytest.mark.parametrize(("field", "variable", "text", "value"), VARIABLES, ids=[row[0] for row in VARIABLES])
@pytest.mark.parametrize("text_with", ["${OTHER}", "${OTHER:-{}}", "{}/${OTHER}"])
def test_a_variable_within_a_value_is_said_not_to_be_expanded(
    project, field, variable, text, value, text_with
):
    """Neither the environment nor a .env is expanded, and the literal text is never used instead."""
    (project / ".env").write_text(f"{variable}={text_with.replace('{}', text)}\n")
    environ = {variable: text_with.replace("{}", text)} if field in REDIRECTING else {}
    with pytest.raises(ConfigurationError, match=f"{variable} refers to another variable"):
        load(project, **environ)


@pytest.mark.parametrize("variable", ["NIMBUS_SDK_HOME", "NIMBUS_SDK_API_KEY_FILE"])
@pytest.mark.parametrize("text", ["$HOME/nimbus", "%APPDATA%/nimbus"])
def test_a_path_that_starts_with_a_variable_is_refused(variable, text):
    """No folder is ever made that is called like a variable."""
    with pytest.raises(ConfigurationError, match=f"{variable} starts with a variable"):
        load(**{variable: text})


@pytest.mark.parametrize("variable", ["NIMBUS_SDK_HOME", "NIMBUS_SDK_API_KEY_FILE"])
@pytest.mark.parametrize("text", ['"/data', "/data'", "''/data''", """\"'/data'\"""", '"', "'/data\""])
def test_a_path_with_quotes_that_are_no_pair_is_refused(variable, text):
    """No folder is ever made that has a quotation mark in its name because of a slip."""
    with pytest.raises(ConfigurationError, match=f"{variable} has a quotation mark"):
        load(**{variable: text})


REDIRECTING = ("api_url", "github_url", "core_repo", "home", "key_file", "credential_store")


@pytest.mark.parametrize(("field", "variable", "text", "value"), VARIABLES, ids=[row[0] for row in VARIABLES])
def test_a_dotenv_sets_how_and_never_where(project, caplog, field, variable, text, value):
    """A .env may say how the SDK behaves, and not where keys go or code comes from; a log says so."""
    (project / ".env").write_text(f'{variable}="{text}"\n')
    if field in REDIRECTING:
        assert getattr(load(project), field) == getattr(Settings(), field)
        assert f"{variable} in" in caplog.text
    else:
        assert getattr(load(project), field) == value
        assert not caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "https://@evil.example",
        "https://h.example/#",
        "https://h.example?",
        "https://api\n.evil.example",
        "https://a b",
        "https://h.example\\@evil.example",
        "ftp://h.example",
        "http://h.example",
        "https://",
        "https://h.example:x",
    ],
)
def test_a_base_url_has_nothing_but_host_and_path(url):
    """What could smuggle another host or a query into later requests is refused, without echo."""
    with pytest.raises(ConfigurationError, match="NIMBUS_SDK_API_URL") as caught:
        load(NIMBUS_SDK_API_URL=url)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("variable", [row[1] for row in VARIABLES if row[0] not in ("home", "key_file")])
def test_a_key_in_the_wrong_variable_is_not_echoed(variable):
    """Whoever puts the key into another variable reads the variable's name, not the key."""
    key = "nbci_live_" + "0123456789ab" * 4
    with pytest.raises(ConfigurationError, match=variable) as caught:
        load(**{variable: key})
    assert key not in str(caught.value)


@pytest.mark.parametrize(("field", "variable", "text", "value"), VARIABLES, ids=[row[0] for row in VARIABLES])
def test_argument_beats_environment_beats_dotenv(project, field, variable, text, value):
    """Of three places that name a setting, the nearest to the call wins; None is not given."""
    other = {"offline": "0", "no_progress": "0", "timeout": "9", "credential_store": "none"}.get(
        field,
        "https://other.example" if "url" in field else "other/other" if field == "core_repo" else "other",
    )
    (project / ".env").write_text(f"{variable}={other}\n")
    assert getattr(load(project, **{variable: text}), field) == value
    assert getattr(load(project, given={field: None}, **{variable: text}), field) == value
    assert getattr(load(project, given={field: text}, **{variable: other}), field) == value


def test_the_environment_of_the_process_is_the_default(monkeypatch, project):
    """os.environ and the working directory are where a plain load looks."""
    monkeypatch.setenv("NIMBUS_SDK_PROFILE", "from-environ")
    monkeypatch.chdir(project)
    (project / ".env").write_text("NIMBUS_SDK_TIMEOUT=7\n")
    settings = Settings.load()
    assert (settings.profile, settings.timeout) == ("from-environ", 7.0)
    assert settings.dotenv == str(project / ".env")


def test_paths_are_made_absolute(monkeypatch, project):
    """A home relative to the folder or to ~ means the same after the folder has changed."""
    monkeypatch.chdir(project)
    assert load(NIMBUS_SDK_HOME="data").home == str(project / "data")
    assert load(NIMBUS_SDK_HOME="~/nimbus").home == os.path.expanduser("~/nimbus")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("NIMBUS_SDK_API_URL", "http://api.nimbusbci.com"),
        ("NIMBUS_SDK_API_URL", "http://127.0.0.1.evil.example"),
        ("NIMBUS_SDK_API_URL", "http://127.evil.example"),
        ("NIMBUS_SDK_API_URL", "http://127.1"),
        ("NIMBUS_SDK_API_URL", "http://128.0.0.1"),
        ("NIMBUS_SDK_API_URL", "http://0.0.0.0"),
        ("NIMBUS_SDK_API_URL", "http://[::2]"),
        ("NIMBUS_SDK_API_URL", "http://[::1%25evil.example]"),
        ("NIMBUS_SDK_API_URL", "ftp://api.nimbusbci.com"),
        ("NIMBUS_SDK_API_URL", "api.nimbusbci.com"),
        ("NIMBUS_SDK_API_URL", "//api.nimbusbci.com"),
        ("NIMBUS_SDK_API_URL", "https://"),
        ("NIMBUS_SDK_API_URL", "https://user@host"),
        ("NIMBUS_SDK_API_URL", "https://:word@host"),
        ("NIMBUS_SDK_API_URL", "https://host?x=1"),
        ("NIMBUS_SDK_API_URL", "https://host#part"),
        ("NIMBUS_SDK_API_URL", "https://host:99999"),
        ("NIMBUS_SDK_API_URL", "https://[::1"),
        ("NIMBUS_SDK_GITHUB_URL", "http://github.example"),
        ("NIMBUS_SDK_CORE_REPO", "no-slash"),
        ("NIMBUS_SDK_CORE_REPO", "/core"),
        ("NIMBUS_SDK_CORE_REPO", "lab/"),
        ("NIMBUS_SDK_CORE_REPO", "a/b/c"),
        ("NIMBUS_SDK_CORE_REPO", "lab/.."),
        ("NIMBUS_SDK_CORE_REPO", "lab/co re"),
        ("NIMBUS_SDK_PROFILE", "../../etc"),
        ("NIMBUS_SDK_PROFILE", ".hidden"),
        ("NIMBUS_SDK_PROFILE", "ünï"),
        ("NIMBUS_SDK_PROFILE", "x" * 65),
        ("NIMBUS_SDK_OFFLINE", "perhaps"),
        ("NIMBUS_SDK_CREDENTIAL_STORE", "vault"),
        ("NIMBUS_SDK_TIMEOUT", "soon"),
        ("NIMBUS_SDK_TIMEOUT", "0"),
        ("NIMBUS_SDK_TIMEOUT", "-1"),
        ("NIMBUS_SDK_TIMEOUT", "nan"),
        ("NIMBUS_SDK_TIMEOUT", "inf"),
        ("NIMBUS_SDK_TIMEOUT", "86400"),
        ("NIMBUS_SDK_HOME", "a\0b"),
        ("NIMBUS_SDK_API_KEY_FILE", "\0"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(variable, text):
    """The message names the variable; in a .env and as an argument the same text is refused."""
    with pytest.raises(ConfigurationError, match=variable):
        load(**{variable: text})
    field = next(row[0] for row in VARIABLES if row[1] == variable)
    with pytest.raises(ConfigurationError, match=field):
        load(given={field: text})


@pytest.mark.parametrize("name", ["Lab", "LAB", " lAb "])
def test_spellings_of_one_profile_are_one_profile(name):
    """Upper and lower case make no two accounts: on some disks they would be one folder."""
    assert load(NIMBUS_SDK_PROFILE=name) == load(given={"profile": name}) == load(NIMBUS_SDK_PROFILE="lab")


@pytest.mark.parametrize("name", ["con", "NUL", "aux.txt", "Com1", "lpt0.a.b", "prn.", "lab.", "lab..."])
def test_a_profile_that_some_system_cannot_store_is_refused_on_all(name):
    """Names of devices and a dot at the end mean something else on Windows."""
    with pytest.raises(
        ConfigurationError, match="NIMBUS_SDK_PROFILE must not be the name of a Windows device"
    ):
        load(NIMBUS_SDK_PROFILE=name)


@pytest.mark.parametrize("name", ["console", "com", "com10", "auxiliary.txt", "lab.con", "null", "a.b"])
def test_a_profile_that_only_looks_like_a_device_is_taken(name):
    """Only the names of devices themselves are refused."""
    assert load(NIMBUS_SDK_PROFILE=name).profile == name


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), (" on ", True), ("", False), ("No", False)])
def test_switches_read_the_usual_words(text, value):
    """Yes and no in any of the usual spellings; set to nothing is off."""
    assert load(NIMBUS_SDK_OFFLINE=text).offline is value


def test_a_switch_may_be_given_as_a_bool():
    """False as an argument wins over a variable that says yes."""
    assert load(given={"offline": False}, NIMBUS_SDK_OFFLINE="1").offline is False


def test_an_unknown_setting_is_refused():
    """A misspelt name is an error."""
    with pytest.raises(ConfigurationError, match=r"Unknown setting: proflie\."):
        load(given={"proflie": "lab"})


def test_settings_are_frozen():
    """They are immutable."""
    with pytest.raises(FrozenInstanceError):
        load().profile = "other"


@pytest.mark.parametrize("host", [*sorted(LOOPBACK), "127.0.0.2", "127.255.255.254", "0:0:0:0:0:0:0:1"])
def test_plain_http_is_for_loopback_alone(host):
    """This machine's own addresses may be spoken to without TLS."""
    url = f"http://[{host}]:8" if ":" in host else f"http://{host}:8"
    assert base_url(url, "NIMBUS_SDK_API_URL") == url


def test_the_usual_addresses_are_judged_without_a_library(fresh):
    """What reads a session offline loads nothing to judge an address that it will not even use."""
    code = """if True:
        import sys
        import urllib.parse  # which loads ipaddress in some versions of Python
        sys.modules["ipaddress"] = None
        from nimbus_sdk.config.settings import Settings
        Settings.load(environ={"NIMBUS_SDK_API_URL": "http://127.0.0.1:1"}, directory="/")
        Settings.load(environ={"NIMBUS_SDK_API_URL": "https://host"}, directory="/")
    """
    fresh(code)


@pytest.mark.parametrize(
    ("url", "value"),
    [
        ("https://API.nimbusbci.com/v1/auth", "https://api.nimbusbci.com:443"),
        ("https://api.nimbusbci.com:443", "https://api.nimbusbci.com:443"),
        ("HTTPS://api.nimbusbci.com", "https://api.nimbusbci.com:443"),
        ("http://localhost", "http://localhost:80"),
        ("http://[::1]:8000/x", "http://[::1]:8000"),
        ("https://user:word@host/", "https://host:443"),
        ("ws://host", "ws://host:0"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url, value):
    """Different spellings of one place are one origin; another port or scheme is another."""
    assert origin(url) == value


HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z]{2,5})?", fullmatch=True)


@given(
    host=HOSTS,
    port=st.none() | st.integers(1, 65535),
    path=st.from_regex(r"(/[a-z0-9]{1,5}){0,3}/?", fullmatch=True),
)
def test_a_base_url_keeps_its_origin(host, port, path):
    """An accepted URL has the same origin, without a slash at its end."""
    url = f"https://{host}{'' if port is None else f':{port}'}{path}"
    accepted = base_url(url, "NIMBUS_SDK_API_URL")
    assert not accepted.endswith("/")
    assert origin(accepted) == origin(url) == f"https://{host}:{port or 443}"


@examples(200)
@given(text=st.text(max_size=30).filter(lambda text: "\0" not in text), row=st.sampled_from(VARIABLES))
def test_any_text_is_a_setting_or_a_configuration_error(text, row):
    """No other error is raised, whatever a variable contains."""
    try:
        settings = load(**{row[1]: text})
    except ConfigurationError as error:
        settings = None
        message = str(error)
    assert settings is not None or row[1] in message


def test_a_refused_url_never_repeats_what_may_be_a_secret():
    """A key in the wrong variable, or a password in a URL, is not in the message."""
    for text in (KEY, f"https://user:{KEY}@host", f"https://host?api_key={KEY}", f"https://host#{KEY}"):
        with pytest.raises(ConfigurationError) as caught:
            load(NIMBUS_SDK_API_URL=text)
        assert KEY not in str(caught.value)


# --- which .env counts ---


def test_the_nearest_dotenv_upwards_counts(project):
    """The folder's own first, then the one above it, and so on."""
    assert find_dotenv(str(project))[0] is None
    (project.parents[1] / ".env").touch()
    assert find_dotenv(str(project))[0] == str(project.parents[1] / ".env")
    (project / ".env").touch()
    assert find_dotenv(str(project))[0] == str(project / ".env")


@pytest.mark.parametrize("mark", [".git", "pyproject.toml"])
def test_the_search_ends_at_the_top_of_a_project(project, mark):
    """The project's own .env counts; nothing above it does."""
    (project.parents[1] / ".env").touch()
    (project.parent / mark).mkdir()
    assert find_dotenv(str(project))[0] is None
    (project.parent / ".env").touch()
    assert find_dotenv(str(project))[0] == str(project.parent / ".env")


def test_a_worktree_is_a_project_too(project):
    """.git may be a file, as in a worktree or a submodule."""
    (project.parent / ".git").write_text("gitdir: elsewhere")
    (project.parents[1] / ".env").touch()
    assert find_dotenv(str(project))[0] is None


def test_the_home_folders_own_dotenv_never_counts(project, monkeypatch):
    """Neither from within the home folder nor from below it; and nothing above it."""
    monkeypatch.setenv("HOME", str(project.parent))
    (project.parent / ".env").touch()
    (project.parents[1] / ".env").touch()
    assert find_dotenv(str(project))[0] is None
    assert find_dotenv(str(project.parent))[0] is None
    (project / ".env").touch()
    assert find_dotenv(str(project))[0] == str(project / ".env")


@pytest.mark.parametrize("depth", [0, 1], ids=["own folder", "parent"])
def test_a_dotenv_of_another_user_is_skipped_and_named(project, monkeypatch, caplog, depth):
    """Nobody plants settings in a folder of ours; the log and the settings say which file was skipped."""
    planted, own = [project, *project.parents][depth] / ".env", project.parents[1] / ".env"
    planted.write_text("NIMBUS_SDK_PROFILE=theirs\n")
    own.write_text("NIMBUS_SDK_PROFILE=ours\n")
    make_foreign(monkeypatch, planted)
    expected = ("ours", str(own)) if os.geteuid() == 0 else ("default", None)
    for _ in range(2):
        settings = load(project)
    assert (settings.profile, settings.dotenv) == expected
    assert settings.skipped_dotenv == str(planted)
    assert caplog.text.count(f"{planted} was skipped: it belongs to another user.") == 1


def test_a_dotenv_that_is_a_link_to_another_users_file_is_skipped(project, monkeypatch, tmp_path):
    """Whoever owns the content decides what it says."""
    (tmp_path / "theirs").write_text("NIMBUS_SDK_PROFILE=theirs\n")
    (project / ".env").symlink_to(tmp_path / "theirs")
    make_foreign(monkeypatch, tmp_path / "theirs")
    assert find_dotenv(str(project)) == (None, str(project / ".env"))


def test_a_skipped_dotenv_without_a_word_for_the_sdk_is_not_logged(project, monkeypatch, caplog):
    """A colleague's file about something else is nobody's concern."""
    (project / ".env").write_text("OTHER=1\n")
    make_foreign(monkeypatch, project / ".env")
    assert load(project).dotenv is None
    assert not caplog.text


def test_on_windows_owners_are_not_compared(project, monkeypatch):
    """There is no user id to compare there."""
    (project.parent / ".env").touch()
    make_foreign(monkeypatch, project.parent / ".env")
    path, expected = str(project), str(project.parent / ".env")
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        found = find_dotenv(path)[0]
    assert found == expected


def test_a_folder_named_dotenv_is_none(project):
    """Some tools keep a virtual environment in a folder of that name."""
    (project / ".env").mkdir()
    assert find_dotenv(str(project))[0] is None


def test_a_working_directory_that_is_gone_has_no_dotenv(tmp_path, monkeypatch):
    """A shell whose folder was removed still works."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_dotenv()[0] is None
    os.chdir("/")


def test_nothing_above_the_root_is_searched():
    """The search ends where the file system ends."""
    assert find_dotenv("/")[0] in (None, "/.env")


# --- what is read from it ---


def test_only_nimbus_lines_are_taken_and_nothing_enters_the_environment(project):
    """Values are read, quotes and export included; the process's environment stays as it was."""
    path = project / ".env"
    path.write_text(
        "# comment\nOTHER=1\nexport NIMBUS_API_KEY='" + KEY + "'\n"
        "NIMBUS_SDK_PROFILE=$OTHER\nNIMBUS_SDK_TIMEOUT\nMY_NIMBUS_SDK_HOME=/x\n"
    )
    before = dict(os.environ)
    assert dotenv_values(str(path)) == {"NIMBUS_API_KEY": KEY, "NIMBUS_SDK_PROFILE": "$OTHER"}
    assert dict(os.environ) == before


def test_a_byte_order_mark_and_windows_lines_do_no_harm(project):
    """Notepad's files are read too."""
    path = project / ".env"
    path.write_bytes(b"\xef\xbb\xbfNIMBUS_SDK_PROFILE=lab\r\nNIMBUS_SDK_TIMEOUT=5\r\n")
    assert dotenv_values(str(path)) == {"NIMBUS_SDK_PROFILE": "lab", "NIMBUS_SDK_TIMEOUT": "5"}


def test_another_systems_lines_are_read_by_their_own_prefix(tmp_path):
    """Each system sees the names that are its own, and no others."""
    path = tmp_path / ".env"
    path.write_text("NIMBUS_API_KEY=a\nNEXUS_API_KEY=b\nPATH=c\n")
    assert dotenv_values(str(path), "NEXUS_") == {"NEXUS_API_KEY": "b"}
    assert dotenv_values(str(path), "NEUROAI_") == {}


def test_without_a_file_there_are_no_values():
    """No .env, no values."""
    assert dotenv_values(None) == {}


def test_a_dotenv_without_our_lines_is_not_parsed(project, fresh):
    """The parser is only loaded for a file that speaks of us, so a start costs nothing more."""
    (project / ".env").write_bytes(b"OTHER=\xff\xfe broken = = '\n")
    code = f"""if True:
        import sys
        from nimbus_sdk.config.settings import Settings
        assert Settings.load(environ={{}}, directory={str(project)!r}).dotenv
        print("dotenv" in sys.modules)
    """
    assert fresh(code).stdout == "False\n"


def test_a_dotenv_that_is_no_text_is_refused_by_name(project):
    """The message has the path and not the content."""
    path = project / ".env"
    path.write_bytes(b"NIMBUS_API_KEY=" + KEY.encode() + b"\xff\n")
    with pytest.raises(
        ConfigurationError, match=r"\.env is not UTF-8 where it sets NIMBUS_API_KEY"
    ) as caught:
        load(project)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_dotenv_from_windows_is_read(project, encoding):
    """PowerShell's redirection writes UTF-16 with a byte order mark, Notepad UTF-8 with one."""
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    (project / ".env").write_bytes(f"{mark}NIMBUS_SDK_PROFILE=lab\r\n".encode(encoding))
    assert load(project).profile == "lab"


def test_a_foreign_byte_in_a_comment_spoils_no_other_line(project):
    """A comment in Latin-1 is none of our business."""
    (project / ".env").write_bytes(
        "# f\u00fcr das Labor\nOTHER=\u00e4\nNIMBUS_SDK_PROFILE=lab\n".encode("latin-1")
    )
    assert load(project).profile == "lab"


def test_a_dotenv_that_is_gone_again_is_refused_by_name(project):
    """Between the search and the reading it may vanish."""
    with pytest.raises(ConfigurationError, match="No such file"):
        dotenv_values(str(project / ".env"))


def test_no_setting_holds_the_key(project):
    """The key is read from its source when it is needed; settings can be printed."""
    (project / ".env").write_text(f"NIMBUS_API_KEY={KEY}\n")
    assert KEY not in repr(load(project, NIMBUS_API_KEY=KEY))


@examples(60)
@given(content=st.binary(max_size=200))
def test_any_dotenv_is_values_or_a_configuration_error(tmp_path_factory, content):
    """No other error comes out, whatever bytes are in the file."""
    path = Path(tmp_path_factory.getbasetemp()) / "any.env"
    path.write_bytes(b"NIMBUS_SDK_PROFILE=lab\n" + content)
    try:
        values = dotenv_values(str(path))
    except ConfigurationError:
        values = {}
    assert all(name.startswith("NIMBUS_") for name in values)
