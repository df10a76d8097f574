"""Replay samples as an LSL stream on the loopback: ``python lsl_player.py SAMPLES.npy DESCRIPTION.json``.

The description has ``name``, ``source`` id, ``channels``, ``unit`` (or null), ``rate`` in Hz, ``speed`` (1 is
real time) and ``lost``, the first and last second of samples that are not sent (or null). It waits for a
reader, and sends chunks of uneven sizes; at the end it stays silent until its input is closed.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from mne_lsl.lsl import StreamInfo, StreamOutlet, local_clock


def main(samples_file: str, description_file: str) -> None:
    """Replay."""
    samples = np.load(samples_file)
    about = json.loads(Path(description_file).read_text(encoding="utf-8"))
    rate, speed, lost = about["rate"], about["speed"], about["lost"] or (1e9, 1e9)
    info = StreamInfo(about["name"], "EEG", len(samples), rate, "float64", about["source"])
    info.set_channel_names(about["channels"])
    info.set_channel_types("eeg")
    if about["unit"]:
        info.set_channel_units(about["unit"])
    outlet = StreamOutlet(info)
    print("ready", flush=True)
    outlet.wait_for_consumers(timeout=30)
    # A reader measures the difference of the clocks first, and meanwhile buffers a few seconds only.
    time.sleep(1.5)
    random, start, began = np.random.default_rng(5), 0, local_clock()
    while start < samples.shape[1]:
        stop = min(start + int(random.integers(2, 60)), samples.shape[1])
        time.sleep(max(0.0, began + stop / rate / speed - local_clock()))
        if not lost[0] <= start / rate < lost[1]:
            chunk = np.ascontiguousarray(samples[:, start:stop].T)
            outlet.push_chunk(chunk, timestamp=began + (stop - 1) / rate)
        start = stop
    print("sent", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
