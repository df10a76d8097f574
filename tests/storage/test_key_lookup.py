"""Where the key comes from: the order, what ends the search, and what is reported of each source."""

import getpass
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.account.session_lookup import key_from_environment
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import DEFAULT_ORIGIN, Settings
from nimbus_sdk.errors import (
    ConfigurationError,
    CredentialStoreError,
    InvalidKeyFormatError,
    MissingKeyError,
    NimbusError,
)
from nimbus_sdk.storage import fs, key_lookup
from nimbus_sdk.storage.credentials import save_key
from nimbus_sdk.storage.file_backend import FileStore
from nimbus_sdk.storage.key_kind import KeyEntry
from nimbus_sdk.storage.key_lookup import explain, find_key, find_key_without_store, no_prompt
from tests.support.examples import examples

SOURCES = ("argument", "environment", "dotenv", "key_file", "store", "julia")
KEYS = {name: ApiKey.parse("nbci_test_" + f"{number:x}" * 48) for number, name in enumerate(SOURCES)}
NOT_A_KEY = "nbci_live_0123456789abcdefnotquite"


class World:
    """Every source of a key; each can be filled with a text or left empty."""

    def __init__(self, settings, tmp_path, patch):
        self.settings = replace(settings, credential_store="file")
        self.paths = settings.paths
        self.patch = patch
        self.given = None
        self._folder = tmp_path

    def fill(self, source, text=None):
        """Put a text, or the source's own key, where that source looks."""
        text = KEYS[source].reveal() if text is None else text
        if source == "argument":
            self.given = text
        elif source == "environment":
            self.patch.setenv("NIMBUS_API_KEY", text)
        elif source == "dotenv":
            path = self._write("dotenv", f"OTHER=1\nNIMBUS_API_KEY='{text}'\n")
            self.settings = replace(self.settings, dotenv=path)
        elif source == "key_file":
            self.settings = replace(self.settings, key_file=self._write("mounted", f"{text}\n"))
        elif source == "store":
            fs.write_private(self.paths.credentials, json.dumps({"default": text}).encode())
        else:
            self.julia(f'[nimbus]\napi_key = "{text}"\n'.encode())

    def julia(self, content):
        """Write NimbusSDK.jl's file."""
        folder = Path.home() / ".nimbus"
        folder.mkdir(exist_ok=True)
        (folder / "credentials.toml").write_bytes(content)

    def find(self, **more):
        """The key that counts."""
        return find_key(self.settings, self.given, **more)

    def explain(self):
        """All sources, by name."""
        resolution = explain(self.settings)
        return {report.source: report for report in resolution.sources}

    def _write(self, name, text):
        path = self._folder / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def world(settings, tmp_path, monkeypatch):
    """A world without any key."""
    return World(settings, tmp_path, monkeypatch)


@pytest.mark.parametrize("first", range(len(SOURCES)))
def test_the_first_source_that_has_a_key_wins(world, first):
    """With this source and all behind it filled, this one's key comes back, with where it is from."""
    for source in SOURCES[first:]:
        world.fill(source)
    found = world.find()
    assert (found.key, found.source) == (KEYS[SOURCES[first]], SOURCES[first])
    assert (found.store != "") is (SOURCES[first] == "store")
    assert found.location


@examples(40)
@given(filled=st.sets(st.sampled_from(SOURCES)))
def test_any_set_of_sources_is_searched_in_order(tmp_path_factory, filled):
    """Whatever is filled, find_key and explain name the same first source, and the rest is shadowed."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HOME", str(folder))
        world = World(Settings(home=str(folder / "home")), folder, patched)
        for source in filled - {"argument"}:
            world.fill(source)
        order = [source for source in SOURCES if source in filled - {"argument"}]
        reports = world.explain()
        assert {name: report.state for name, report in reports.items() if name in order} == {
            name: "shadowed" if number else "found" for number, name in enumerate(order)
        }
        if "argument" in filled:
            world.fill("argument")
            order = ["argument", *order]
        if order:
            assert world.find().key == KEYS[order[0]]
        else:
            with pytest.raises(MissingKeyError):
                world.find()


def test_a_checked_key_is_taken_as_it_is(world):
    """A caller that has checked the key already hands it on."""
    assert find_key(world.settings, KEYS["store"]).key is KEYS["store"]


@pytest.mark.parametrize("source", SOURCES[:4])
def test_the_cheap_sources_are_found_without_the_rest(world, source):
    """The first four need no store; behind them find_key_without_store says that there is none."""
    world.fill("store")
    world.fill("julia")
    assert find_key_without_store(world.settings) is None
    world.fill(source)
    assert find_key_without_store(world.settings, world.given) == KEYS[source]


def test_the_cheap_sources_import_nothing_that_is_not_needed(fresh):
    """A start without network pays for none of the packages behind stores and settings."""
    code = """if True:
        import sys
        from nimbus_sdk.config.settings import Settings
        from nimbus_sdk.storage.key_lookup import find_key_without_store
        assert find_key_without_store(Settings()) is None
        print(*{"keyring", "filelock", "platformdirs", "dotenv", "httpcore"} & set(sys.modules))
        print(*{name for name in sys.modules if name.startswith("nimbus_sdk.storage.cred")})
    """
    assert fresh(code).stdout.split() == []


def test_every_search_reads_the_environment_of_the_process(world):
    """A variable of this process counts for find_key, find_key_without_store and explain."""
    world.fill("environment")
    assert find_key(world.settings).source == "environment"
    assert find_key_without_store(world.settings) == KEYS["environment"]
    assert explain(world.settings).winner.source == "environment"


@pytest.mark.parametrize("source", SOURCES[:4] + SOURCES[5:])
@pytest.mark.parametrize("text", [NOT_A_KEY, "Bearer " + KEYS["store"].reveal(), "sk-1234567890"])
def test_a_source_that_wins_with_no_key_ends_the_search(world, source, text, everything_in):
    """The error names the source and never its text; no key behind it is used in its place."""
    world.fill(source, text)
    if source != "julia":
        world.fill("store")
    with pytest.raises(InvalidKeyFormatError) as caught:
        world.find()
    assert str(caught.value).startswith(
        {
            "argument": "the argument:",
            "environment": "NIMBUS_API_KEY in the environment:",
            "dotenv": f"NIMBUS_API_KEY in {world.settings.dotenv}:",
            "key_file": f"{world.settings.key_file} (NIMBUS_SDK_API_KEY_FILE):",
            "julia": f"[nimbus] api_key in {Path.home()}/.nimbus/credentials.toml:",
        }[source]
    )
    world.patch.delenv("NIMBUS_API_KEY", raising=False)
    assert text not in everything_in(caught.value)
    assert text[-9:] not in str(caught.value)


def test_an_entry_of_the_store_that_is_no_key_ends_the_search(world, everything_in):
    """The store's own error, without the text, and not the key behind it."""
    world.fill("store", NOT_A_KEY)
    world.fill("julia")
    with pytest.raises(CredentialStoreError, match="not a Nimbus API key") as caught:
        world.find()
    assert NOT_A_KEY not in everything_in(caught.value)
    assert world.explain()["store"].state == "unreadable"
    assert world.explain()["julia"].state == "shadowed"


@pytest.mark.parametrize("source", ["environment", "dotenv", "julia"])
@pytest.mark.parametrize("text", ["", "  "])
def test_empty_counts_as_absent(world, source, text):
    """A variable that is set to nothing, as CI systems do, hides no other source."""
    world.fill(source, text)
    assert world.explain()[source].state == "absent"
    assert world.explain()[source].detail == "it is empty"
    with pytest.raises(MissingKeyError):
        world.find()


@pytest.mark.parametrize("text", ['""', "''", ' " " '])
def test_empty_quotes_count_as_absent_too(world, text, monkeypatch):
    """A variable that was set to nothing within quotes, which docker hands over, hides no other source."""
    world.fill("environment", text)
    world.fill("store")
    assert world.find().source == "store"
    monkeypatch.setenv("NIMBUS_API_KEY", text)
    assert key_from_environment(world.settings) is None


@pytest.mark.parametrize("source", ["argument", "key_file"])
def test_an_empty_argument_or_key_file_is_a_mistake(world, source):
    """Who hands over a key, or names a file for it, does not mean another account."""
    world.fill(source, "")
    world.fill("store")
    with pytest.raises(InvalidKeyFormatError, match="it is empty"):
        world.find()


@pytest.mark.parametrize("fault", ["missing", "folder", "large"])
def test_a_key_file_that_cannot_be_read_ends_the_search(world, tmp_path, fault):
    """Missing, no file, far too large: an error that names the file, and not another account."""
    path = tmp_path / "secret"
    if fault == "folder":
        path.mkdir()
    elif fault != "missing":
        path.write_bytes(b"a" * 5000)
    world.settings = replace(world.settings, key_file=str(path))
    world.fill("store")
    with pytest.raises(ConfigurationError, match=f"key file {path} .* cannot be read"):
        world.find()
    assert world.explain()["key_file"].state == "unreadable"
    assert world.explain()["store"].state == "shadowed"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_key_file_from_windows_is_read(world, tmp_path, encoding):
    """A byte order mark and line ends around the key are dropped; PowerShell writes UTF-16."""
    path = tmp_path / "secret"
    path.write_bytes(f"{KEYS['key_file'].reveal()}\r\n".encode(encoding))
    world.settings = replace(world.settings, key_file=str(path))
    assert world.find().key == KEYS["key_file"]


def test_a_key_that_comes_through_a_pipe_is_read_once_and_known_from_then_on(fresh):
    """`<(pass show …)` and `/dev/stdin` give their key a single time: every later look-up has it too."""
    code = "import nimbus_sdk; print([bool(nimbus_sdk.explain()) for _ in range(3)])"
    key = KEYS["key_file"].reveal()
    assert (
        fresh(code, stdin=f"{key}\n", NIMBUS_SDK_API_KEY_FILE="/dev/stdin").stdout == "[True, True, True]\n"
    )


def test_a_pipe_is_awaited_until_its_writer_is_done(world, tmp_path):
    """A program that asks for a passphrase first writes the key later, and perhaps in two parts."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    world.settings = replace(world.settings, key_file=str(path), timeout=20)
    key = KEYS["key_file"].reveal()
    script = f"exec > {path}; sleep 0.2; printf {key[:9]}; sleep 0.2; echo {key[9:]}"
    with subprocess.Popen(["sh", "-c", script]):
        assert world.find().key == KEYS["key_file"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("silent pipe", "the pipe was not closed within 0.05 s"),
        ("endless pipe", "more than 4096 bytes came through the pipe"),
        ("device", "it is a device or terminal, and not a file"),
        ("missing", "No such file or directory"),
    ],
)
def test_a_key_file_without_a_key_is_refused_in_bounded_time_and_size(world, tmp_path, kind, reason):
    """A pipe that nobody writes to or closes, an endless one, a device: an error that says what is there."""
    path = "/dev/full" if kind == "device" else str(tmp_path / "pipe")
    if "pipe" in kind:
        os.mkfifo(path)
    world.settings = replace(world.settings, key_file=path, timeout=0.05)
    with ExitStack() as stack:
        if kind == "endless pipe":
            stack.enter_context(subprocess.Popen(["sh", "-c", f"exec yes > {path}"]))
            world.settings = replace(world.settings, timeout=20)
        with pytest.raises(ConfigurationError, match=reason):
            world.find()


def test_a_skipped_dotenv_is_named_where_a_key_is_looked_for(world):
    """Whoever misses a key reads that a file was not read, and why."""
    world.settings = replace(world.settings, dotenv=None, skipped_dotenv="/srv/shared/.env")
    assert world.explain()["dotenv"].detail == "/srv/shared/.env was skipped: it belongs to another user"
    with pytest.raises(MissingKeyError, match=r"/srv/shared/\.env was skipped: it belongs to another user\."):
        world.find()


@pytest.mark.parametrize("source", ["environment", "dotenv", "key_file", "argument"])
def test_a_variable_in_place_of_a_key_is_said_not_to_be_expanded(world, source):
    """`NIMBUS_API_KEY=${OTHER}` is not a key, and the message says what to write instead."""
    world.fill(source, "${OTHER_KEY}")
    with pytest.raises(InvalidKeyFormatError, match="refers to another variable"):
        world.find()


def test_a_dotenv_that_became_unreadable_ends_the_search(world, tmp_path, everything_in):
    """The file that the settings came from is named when it can no longer be read; not its content."""
    path = tmp_path / "dotenv"
    path.write_bytes(b"NIMBUS_API_KEY=" + KEYS["dotenv"].reveal().encode() + b"\xff")
    world.settings = replace(world.settings, dotenv=str(path))
    with pytest.raises(ConfigurationError, match="is not UTF-8") as caught:
        world.find()
    assert KEYS["dotenv"].reveal() not in everything_in(caught.value)
    assert world.explain()["dotenv"].state == "unreadable"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nimbus = 3",
        b"[other]\napi_key = 'x'",
        b"[nimbus]\napi_key = 7",
        b"[nimbus]\nuser = 'x'",
        b"\xff\xfe",
        b"[nimbus",
        b"a = " + b"[" * 5000,
    ],
    ids=range(8),
)
def test_a_foreign_file_that_makes_no_sense_stops_nothing(world, content):
    """NimbusSDK.jl's file is read with tolerance: what cannot be used is skipped."""
    world.julia(content)
    assert world.explain()["julia"].state in ("absent", "unreadable")
    with pytest.raises(MissingKeyError):
        world.find()


def test_a_foreign_file_that_was_skipped_is_reported(world):
    """Whoever counts on that file learns why it gave no key."""
    world.julia(b"[nimbus")
    with pytest.raises(MissingKeyError, match=r"credentials\.toml was skipped: it cannot be read"):
        world.find()


def test_only_the_toml_file_of_that_folder_is_read(world):
    """credentials.json beside it belongs to another program and is never opened."""
    world.julia(b"")
    (Path.home() / ".nimbus" / "credentials.json").write_text(json.dumps({"api_key": KEYS["julia"].reveal()}))
    with pytest.raises(MissingKeyError):
        world.find()


def test_a_user_without_a_home_has_no_such_file(world, monkeypatch):
    """Where no home folder is known, nothing is read relative to the working directory."""
    Path(".nimbus").mkdir()
    Path(".nimbus/credentials.toml").write_text(f'[nimbus]\napi_key = "{KEYS["julia"].reveal()}"')
    Path("~").mkdir()
    Path(".nimbus").rename("~/.nimbus")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert world.explain()["julia"].state == "absent"


@pytest.mark.parametrize("source", ["store", "julia"])
def test_a_stored_key_is_withheld_from_another_api(world, source):
    """A poisoned NIMBUS_SDK_API_URL never gets it: it counts as absent, and the message says why."""
    world.fill(source)
    world.settings = replace(world.settings, api_url="https://evil.example")
    with pytest.raises(
        MissingKeyError, match=r"was not used: it is for .*, not for https://evil\.example"
    ) as caught:
        world.find()
    assert KEYS[source].masked in str(caught.value)
    assert KEYS[source].reveal() not in str(caught.value)
    report = world.explain()[source]
    assert (report.state, report.key_masked) == ("withheld", KEYS[source].masked)
    assert report.detail == f"it is for {DEFAULT_ORIGIN}, not for https://evil.example:443"


def test_a_withheld_key_does_not_hide_a_later_one(world):
    """What is given by a person for the API in use still counts."""
    world.fill("store")
    world.settings = replace(world.settings, api_url="http://127.0.0.1:9")
    found = world.find(prompt=lambda problem: KEYS["argument"].reveal())
    assert (found.key, found.source) == (KEYS["argument"], "prompt")


def test_a_key_saved_for_an_api_is_given_for_it(world):
    """The origin stored with the key decides, for a sandbox too."""
    save_key(world.settings, KEYS["store"], "http://127.0.0.1:9")
    with pytest.raises(MissingKeyError):
        world.find()
    world.settings = replace(world.settings, api_url="http://127.0.0.1:9")
    assert world.find().store == "file"


def test_no_store_is_asked_where_none_is_set(world, use_backend):
    """NIMBUS_SDK_CREDENTIAL_STORE=none opens neither keyring nor file."""
    backend = use_backend("Memory")
    world.fill("store")
    world.settings = replace(world.settings, credential_store="none")
    assert world.explain()["store"].state == "skipped"
    with pytest.raises(MissingKeyError):
        world.find()
    assert backend.asked == []


def test_a_keyring_in_trouble_is_named_when_there_is_no_key(world, use_backend):
    """The message says that a place could not be searched."""
    use_backend("Locked")
    world.settings = replace(world.settings, credential_store=None)
    with pytest.raises(MissingKeyError, match=r"No API key was found\. The keyring stayed locked\."):
        world.find()
    assert world.explain()["store"].detail == "The keyring stayed locked."


def test_a_locked_keyring_that_has_the_key_gives_way_to_no_other_account(world, use_backend):
    """If the metadata names the keyring, its problem is the error."""
    use_backend("Memory")
    world.settings = replace(world.settings, credential_store=None)
    save_key(world.settings, KEYS["store"], DEFAULT_ORIGIN)
    world.fill("julia")
    use_backend("Locked")
    with pytest.raises(CredentialStoreError, match="stayed locked"):
        world.find()


def test_nothing_anywhere_says_what_to_do(world):
    """The message is short, and names the ways to give a key."""
    with pytest.raises(MissingKeyError) as caught:
        world.find()
    assert caught.value.message == "No API key was found."
    assert "NIMBUS_API_KEY" in caught.value.hint


def test_the_prompt_is_asked_last_and_three_times_at_most(world):
    """Each fault is reported without the text; after the third the error comes."""
    answers, problems = iter([NOT_A_KEY, "nbci_live_12", "", "never"]), []
    with pytest.raises(MissingKeyError):
        world.find(prompt=lambda problem: problems.append(problem) or next(answers))
    assert problems[0] == ""
    assert [problem.startswith("This is not a Nimbus API key") for problem in problems[1:]] == [True, True]
    assert NOT_A_KEY not in "".join(problems)

    answers = iter([NOT_A_KEY] * 4)
    with pytest.raises(InvalidKeyFormatError):
        world.find(prompt=lambda problem: next(answers))
    assert len(list(answers)) == 1


def test_what_is_typed_wrong_is_in_no_frame(world, everything_in, capsys):
    """The error after the last try carries nothing of what was typed."""
    with pytest.raises(InvalidKeyFormatError) as caught:
        world.find(prompt=lambda problem: NOT_A_KEY)
    assert NOT_A_KEY not in everything_in(caught.value) + capsys.readouterr().err


def test_a_second_try_counts(world):
    """A key that is pasted right after a slip is taken, white space and all."""
    answers = iter(["oops", f" {KEYS['argument'].reveal()}\n"])
    found = world.find(prompt=lambda problem: next(answers))
    assert (found.key, found.source, found.store) == (KEYS["argument"], "prompt", "")


def test_the_hidden_prompt_is_for_people_alone(world, monkeypatch):
    """In a terminal it asks, and says which API the key will go to; elsewhere nobody is asked."""
    asked = []
    monkeypatch.setattr(getpass, "getpass", lambda label: asked.append(label) or KEYS["argument"].reveal())
    with pytest.raises(MissingKeyError):
        world.find()
    terminal = SimpleNamespace(isatty=lambda: True, write=lambda text: None, flush=lambda: None)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", terminal)
        patched.setattr(sys, "stderr", terminal)
        assert world.find().key == KEYS["argument"]
        with pytest.raises(MissingKeyError):
            world.find(prompt=no_prompt)
    assert asked == ["Nimbus API key for https://api.nimbusbci.com (hidden; Enter for none): "]


def test_what_is_typed_at_a_terminal_is_not_shown(fresh_environment, python):
    """In a real terminal the key is taken and its text appears nowhere."""
    import pty

    ours, theirs = pty.openpty()
    code = (
        "from nimbus_sdk.config.settings import Settings\n"
        "from nimbus_sdk.storage.key_lookup import find_key\n"
        "from nimbus_sdk.config.paths import Paths\n"
        "settings = Settings.load()\n"
        "print(find_key(settings))"
    )
    process = subprocess.Popen(
        [python, "-c", code],
        env=fresh_environment(NIMBUS_SDK_CREDENTIAL_STORE="file"),
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    assert "hidden" in shown
    os.write(ours, KEYS["argument"].reveal().encode() + b"\n")
    output, _ = process.communicate(timeout=20)
    shown += os.read(ours, 4096).decode()
    os.close(ours)
    assert "source='prompt'" in output
    assert KEYS["argument"].reveal() not in output + shown


def test_explain_reports_every_source_in_order(world):
    """All seven, the first hit as found, those behind it as shadowed by it, nobody asked."""
    for source in ("dotenv", "store", "julia"):
        world.fill(source)
    resolution = explain(world.settings)
    assert [(report.source, report.state) for report in resolution.sources] == [
        ("argument", "absent"),
        ("environment", "absent"),
        ("dotenv", "found"),
        ("key_file", "absent"),
        ("store", "shadowed"),
        ("julia", "shadowed"),
        ("prompt", "skipped"),
    ]
    assert resolution
    assert resolution.winner.key_masked == KEYS["dotenv"].masked
    assert resolution.winner.fingerprint == KEYS["dotenv"].fingerprint
    assert resolution.sources[4].key_masked == KEYS["store"].masked
    assert resolution.sources[5].detail == f"NIMBUS_API_KEY in {world.settings.dotenv} comes first"


def test_explain_without_a_key_is_false(world):
    """A resolution is true exactly where a key was found."""
    resolution = explain(world.settings)
    assert not resolution
    assert resolution.winner is None
    assert resolution.to_dict()["found"] is False
    assert resolution.to_dict()["source"] is None


def test_explain_never_raises_for_a_malformed_key(world):
    """What would end the search is reported: no winner, and what is behind it as shadowed."""
    world.fill("environment", NOT_A_KEY)
    world.fill("store")
    reports = world.explain()
    assert reports["environment"].state == "malformed"
    assert "This is not a Nimbus API key" in reports["environment"].detail
    assert reports["store"].state == "shadowed"
    assert not explain(world.settings)


def test_explain_opens_no_keyring_where_the_metadata_is_enough(world, use_backend):
    """Behind a source that decides, the stored key is known by its metadata."""
    use_backend("Memory")
    world.settings = replace(world.settings, credential_store=None)
    save_key(world.settings, KEYS["store"], DEFAULT_ORIGIN)
    backend = use_backend("Memory")
    world.fill("environment")
    report = world.explain()["store"]
    assert (report.state, report.key_masked) == ("shadowed", KEYS["store"].masked)
    assert report.fingerprint == KEYS["store"].fingerprint
    assert backend.asked == []


@pytest.mark.parametrize("metadata", ["none", "of another store", "unreadable"])
def test_explain_opens_the_store_where_no_metadata_fits(world, use_backend, metadata):
    """Without metadata that fits the setting, the store itself is asked."""
    world.fill("environment")
    if metadata == "of another store":
        use_backend("Memory")
        keyring = replace(world.settings, credential_store="keyring")
        save_key(keyring, KEYS["julia"], DEFAULT_ORIGIN)
    elif metadata == "unreadable":
        os.makedirs(world.paths.key_metadata)
    FileStore(world.paths.credentials).write("default", KeyEntry(KEYS["store"], DEFAULT_ORIGIN))
    report = world.explain()["store"]
    if metadata == "unreadable":
        assert report.state == "unreadable"
    else:
        assert (report.state, report.key_masked) == ("shadowed", KEYS["store"].masked)


def test_nothing_of_it_shows_a_key(world):
    """repr, str and dict of what is found and reported hold masked keys alone."""
    for source in SOURCES:
        world.fill(source)
    resolution = explain(world.settings)
    shown = f"{world.find()!r} {resolution!r} {resolution} {json.dumps(resolution.to_dict())}"
    for key in KEYS.values():
        assert key.reveal() not in shown
    assert KEYS["environment"].masked in shown


def test_a_resolution_is_plain_and_frozen(world):
    """to_dict is JSON, with every field of every source; nothing can be changed afterwards."""
    world.fill("environment")
    resolution = explain(world.settings)
    plain = json.loads(json.dumps(resolution.to_dict()))
    assert (plain["found"], plain["source"]) == (True, "environment")
    assert plain["sources"][1] == {
        "source": "environment",
        "location": "NIMBUS_API_KEY in the environment",
        "state": "found",
        "key_masked": KEYS["environment"].masked,
        "fingerprint": KEYS["environment"].fingerprint,
        "detail": "",
    }
    for one in (resolution, resolution.sources[0], world.find()):
        with pytest.raises(FrozenInstanceError):
            setattr(one, fields(one)[0].name, "other")


STARTS = st.sampled_from(["", "nbci_live_", "nbci_test_", "Bearer nbci_"])
TEXTS = st.builds(str.__add__, STARTS, st.text(max_size=80)).filter(lambda text: "\0" not in text)


@examples(60)
@given(text=TEXTS)
def test_no_text_ever_leaks_or_escapes(tmp_path_factory, text):
    """Any text at all in the environment: a key, an error of ours, or absent; never the text itself."""
    settings = Settings(home=str(tmp_path_factory.getbasetemp() / "nowhere"), credential_store="none")
    message = ""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NIMBUS_API_KEY", text)
        try:
            find_key(settings, prompt=no_prompt)
        except NimbusError as error:
            message = str(error)
    assert message
    assert len(text) < 12 or text not in message


def test_the_prompt_has_a_bound():
    """Three attempts, as documented."""
    assert key_lookup.PROMPT_ATTEMPTS == 3
