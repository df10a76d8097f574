"""The program behind ``python`` and ``nimbus-sdk`` in shells of tests: a fork server runs the command.

``python -I -S forked_command.py SOCKET ARGUMENT...`` hands over its arguments, environment, folder and
standard files, passes on the signals that end a program, and ends with the exit code of the command.
"""

import json
import os
import signal
import socket
import sys


def main() -> int:
    """Run the command, and return its exit code."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    request = {
        "task": "tests.support.programs:run_python",
        "environ": dict(os.environ),
        "folder": os.getcwd(),
        "arguments": {"arguments": sys.argv[2:]},
    }
    socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
    answers = connection.makefile()
    child = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    answer = answers.readline()
    return int(json.loads(answer)["value"]) if answer else 1


if __name__ == "__main__":
    sys.exit(main())
