"""Run as a process of its own by the tests: stores numbered sessions of one device, as fast as it can.

``workers.py DIRECTORY PREFIX COUNT``; COUNT 0 goes on until the process is killed. It says ``ready`` and
begins at the first line of its standard input, so that several begin together.
"""

import itertools
import sys

from perfsuite.records import Device, Result, Session
from perfsuite.store import Baselines

DEVICE = Device("cpu", "Example CPU", "cpu-example-4", 4, 17_179_869_184)


def session(name: str) -> Session:
    return Session(name, "2025-01-02", (0.1,) * 50, 1, 1.0, None, (), True, None, {}, {}, 1.0)


def main(directory: str, prefix: str, count: int) -> None:
    baselines = Baselines(directory)
    baselines.update(DEVICE, [Result("shapes", "other", "p", session(prefix))], "append")  # imports pydantic
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count) if count else itertools.count():
        name = f"{prefix}{number}"
        baselines.update(DEVICE, [Result("shapes", "bf16", "p", session(name))], "append")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
