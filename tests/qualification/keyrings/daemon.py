"""gnome-keyring on a private session bus: it can be locked, unlocked, frozen and killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import secretstorage
from jeepney import message_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, open_dbus_connection  # type: ignore[import-untyped]
from secretstorage.util import DBusAddressWrapper, format_secret, open_session

PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")
PASSWORD = "opensesame"
_BACK_DOOR = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"
_SECONDS = 10.0
# Nothing is started on demand: neither a second keyring, nor what opens its prompts.
_BUS = """<busconfig>
  <type>session</type>
  <listen>unix:tmpdir={folder}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def missing_programs() -> str:
    """Return the programs that this machine lacks, as text; empty if it has all."""
    return ", ".join(name for name in PROGRAMS if shutil.which(name) is None)


class Daemon:
    """A bus with gnome-keyring, whose default collection is unlocked.

    Args:
        folder: Where the keyrings are.

    Attributes:
        environment: What a process needs to talk to it.
        is_silent: Whether it does not answer, so that nobody needs to wait long for it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True)
        # The path of a socket may have some hundred characters only.
        self._runtime = tempfile.mkdtemp(prefix="keyring-")
        configuration = folder / "bus.conf"
        configuration.write_text(_BUS.format(folder=tempfile.gettempdir()))
        self._bus = subprocess.Popen(
            ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._bus.stdout is not None
        self._address = self._bus.stdout.readline().strip()
        self.environment = {
            "DBUS_SESSION_BUS_ADDRESS": self._address,
            "XDG_RUNTIME_DIR": self._runtime,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
        }
        self._own = {**os.environ, **self.environment, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        self._keyring: subprocess.Popen[bytes] | None = None
        self.is_silent = False
        self._prompters: list[DBusConnection] = []
        self._threads = set(threading.enumerate())
        self.start()

    def start(self) -> None:
        """Start the keyring, unlocked."""
        command = ["gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock"]
        self._keyring = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._own,
        )
        assert self._keyring.stdin is not None
        self._keyring.stdin.write(PASSWORD.encode())
        self._keyring.stdin.close()
        deadline = time.monotonic() + _SECONDS
        while self._is_starting():
            if time.monotonic() > deadline:
                raise TimeoutError("gnome-keyring does not start")
            time.sleep(0.01)

    def lock(self) -> None:
        """Lock the default collection. No prompt can be opened here, so whoever asks is refused at once."""
        with self._connection() as connection:
            secretstorage.Collection(connection).lock()

    def unlock(self) -> None:
        """Unlock the default collection, as a person does who types the password."""
        self.is_silent = False
        with self._connection() as connection:
            session = open_session(connection)
            service = DBusAddressWrapper("/org/freedesktop/secrets", _BACK_DOOR, connection)
            (path,) = DBusAddressWrapper(
                "/org/freedesktop/secrets", "org.freedesktop.Secret.Service", connection
            ).call("ReadAlias", "s", "default")
            secret = format_secret(session, PASSWORD.encode(), "text/plain")
            service.call("UnlockWithMasterPassword", "o(oayays)", path, secret)

    def leave_prompts_open(self) -> None:
        """Open prompts from now on, which nobody answers."""
        prompter = open_dbus_connection(bus=self._address)
        prompter.send_and_get_reply(message_bus.RequestName("org.gnome.keyring.SystemPrompter"))
        self._prompters.append(prompter)
        self.is_silent = True

    def freeze(self) -> None:
        """Stop answering."""
        self._signal(signal.SIGSTOP)
        self.is_silent = True

    def thaw(self) -> None:
        """Answer again, first what has been asked meanwhile."""
        self._signal(signal.SIGCONT)
        self.is_silent = False

    def kill(self) -> None:
        """End the keyring; the bus stays."""
        if self._keyring is not None:
            self._signal(signal.SIGCONT)
            self._keyring.kill()
            self._keyring.wait()
            self._keyring = None

    def delete_collection(self) -> None:
        """Remove the default collection with everything in it."""
        with self._connection() as connection:
            secretstorage.Collection(connection).delete()

    def secrets(self) -> dict[str, list[str]]:
        """Return the secrets of the service ``nimbus-sdk`` by user; the collection must be unlocked."""
        found: dict[str, list[str]] = {}
        with self._connection() as connection:
            items = secretstorage.search_items(connection, {"service": "nimbus-sdk"})
            for item in items:
                found.setdefault(item.get_attributes()["username"], []).append(item.get_secret().decode())
        return found

    def store(self, user: str, secret: str, **further: str) -> None:
        """Store an entry as another program does, with further attributes."""
        attributes = {"service": "nimbus-sdk", "username": user, **further}
        with self._connection() as connection:
            secretstorage.Collection(connection).create_item("stored by hand", attributes, secret.encode())

    def join_threads(self) -> None:
        """Wait for the threads of this process that were left behind by calls to the keyring."""
        for thread in set(threading.enumerate()) - self._threads:
            thread.join(_SECONDS)

    def stop(self) -> None:
        """End keyring and bus."""
        for prompter in self._prompters:
            prompter.close()
        self.kill()
        self._bus.terminate()
        self._bus.wait()
        assert self._bus.stdout is not None
        self._bus.stdout.close()
        shutil.rmtree(self._runtime, ignore_errors=True)

    @contextmanager
    def _connection(self) -> Iterator[DBusConnection]:
        with closing(open_dbus_connection(bus=self._address)) as connection:
            yield connection

    def _signal(self, number: int) -> None:
        assert self._keyring is not None
        self._keyring.send_signal(number)

    def _is_starting(self) -> bool:
        try:
            with self._connection() as connection:
                return secretstorage.Collection(connection).is_locked()
        except secretstorage.SecretStorageException:
            return True
