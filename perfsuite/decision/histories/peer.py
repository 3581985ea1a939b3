"""A peer's own code in a process of its own, whose interpreter need not have this suite.

Run as a script: ``python peer.py NAME``. Reads one JSON list of numbers a line, and answers with a JSON list of
the places where a new level begins, one line each. Only the standard library and the peer are imported.
"""

# Not imported by the suite's own process but for the names: those pins contradict this suite's.
import json
import sys


def otava(values):
    """Otava's default: windows of 50, p .001, any magnitude."""
    from otava.analysis import compute_change_points

    found, _ = compute_change_points(values, window_len=50, max_pvalue=0.001, min_magnitude=0.0)
    return [int(point.index) for point in found]


def otava_strict(values):
    """Otava with p 1e-6."""
    from otava.analysis import compute_change_points

    found, _ = compute_change_points(values, window_len=50, max_pvalue=1e-6, min_magnitude=0.0)
    return [int(point.index) for point in found]


def mongodb(values):
    """MongoDB's e-divisive: 100 permutations, p .01."""
    from signal_processing_algorithms.energy_statistics.energy_statistics import e_divisive

    return sorted(int(place) for place in e_divisive(values, pvalue=0.01, permutations=100))


PEERS = {"Otava, p .001": otava, "Otava, p 1e-6": otava_strict, "MongoDB e-divisive, p .01": mongodb}
MODULES = {
    "Otava, p .001": "otava",
    "Otava, p 1e-6": "otava",
    "MongoDB e-divisive, p .01": "signal_processing_algorithms",
}


def main(name):
    """Answer line by line until there are no more."""
    __import__(MODULES[name])
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(PEERS[name](json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
