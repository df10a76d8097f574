"""Decode an LSL stream and print its results as JSON: ``python lsl_decoder.py MODEL NAME OPTIONS.json``.

The options are those of `decode_stream`. A line for each result has what tests compare; the last line has the
class and the text of an error, if there is one.
"""

import json
import sys
from pathlib import Path

from nimbus_sdk_core import ChunkResult, NimbusCoreError, Pipeline, decode_stream, load_model


def main(model_file: str, name: str, options_file: str) -> None:
    """Decode."""
    pipeline = load_model(Pipeline, model_file)
    options = json.loads(Path(options_file).read_text(encoding="utf-8"))
    try:
        for result in decode_stream(pipeline, name, **options):
            line = {
                "chunk": isinstance(result, ChunkResult),
                "posterior": result.posterior.tolist(),
                "timestamp": result.timestamp,
                "gap": result.gap,
            }
            print(json.dumps(line), flush=True)
    except NimbusCoreError as error:
        print(json.dumps({"error": type(error).__name__, "text": str(error)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
