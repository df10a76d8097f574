"""LSL streams on the loopback, each test by itself, for processes with mne-lsl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
CORE = FOLDER.parents[1] / "nimbus_sdk" / "reference_core" / "src"


class LoopbackLsl:
    """Starts processes that see each other's streams and no others of this machine or network.

    Args:
        folder: For configuration and samples.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        configuration = folder / "lsl_api.cfg"
        # Multicast may not be there, so the machine itself is a known peer. Nothing is logged.
        configuration.write_text(
            "[multicast]\nResolveScope = machine\n"
            f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = {uuid.uuid4().hex}\n[log]\nlevel = -3\n",
            encoding="utf-8",
        )
        self.environ = {**os.environ, "LSLAPICFG": str(configuration), "PYTHONPATH": str(CORE)}

    @contextmanager
    def play(
        self,
        samples: np.ndarray,
        *,
        channels: Sequence[str],
        rate: float,
        unit: str | None = "microvolts",
        name: str = "amplifier",
        source: str = "amplifier",
        speed: float = 4.0,
        lost: tuple[float, float] | None = None,
    ) -> Iterator[subprocess.Popen[str]]:
        """Replay samples while the context lasts; see ``lsl_player.py``."""
        samples_file = self._folder / f"{uuid.uuid4().hex}.npy"
        np.save(samples_file, samples)
        description_file = samples_file.with_suffix(".json")
        about = {"name": name, "source": source, "channels": list(channels), "unit": unit, "rate": rate}
        description_file.write_text(json.dumps({**about, "speed": speed, "lost": lost}), encoding="utf-8")
        command = [sys.executable, str(FOLDER / "lsl_player.py"), str(samples_file), str(description_file)]
        player = subprocess.Popen(
            command, env=self.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert player.stdout is not None
            assert player.stdout.readline() == "ready\n"
            yield player
        finally:
            player.kill()
            player.communicate()

    def start_decoder(
        self, model_file: Path, name: str = "amplifier", **options: object
    ) -> subprocess.Popen[str]:
        """Decode a stream in a process of its own; see ``lsl_decoder.py``."""
        options_file = self._folder / f"{uuid.uuid4().hex}.json"
        options_file.write_text(json.dumps(options), encoding="utf-8")
        command = [sys.executable, str(FOLDER / "lsl_decoder.py"), str(model_file), name, str(options_file)]
        return subprocess.Popen(
            command, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def decode(self, model_file: Path, name: str = "amplifier", **options: object) -> list[dict]:
        """Decode a stream until an error ends it, and return what was printed."""
        decoder = self.start_decoder(model_file, name, **options)
        out, errors = decoder.communicate(timeout=100)
        assert decoder.returncode == 0, errors
        return [json.loads(line) for line in out.splitlines()]
