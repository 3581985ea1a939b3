"""``--perf-compile-cache``: compiled code is loaded before the first compiled variant and kept at the end."""

import pytest

# Once, here: pytester forgets what a run imports, and torch cannot be loaded again.
import torch._inductor.cpp_builder
import torch._inductor.exc
import torch._inductor.graph  # noqa: F401

from perfsuite.store.compiled import read_compiled

MADE_FOR = {"torch": "replayed"}


@pytest.fixture
def compiled(monkeypatch):
    """Stands in for what torch compiled in this process."""
    from perfsuite.bench import caching
    from perfsuite.pipelines.watching.caches import Artifact

    class Loading(Artifact):
        def load(self, parts, size_bytes):
            self.keys = tuple(frozenset(part.decode().split()) for part in parts)
            return []

    monkeypatch.setattr(caching, "LOADED", Loading())
    monkeypatch.setattr(caching, "made_for", lambda device: MADE_FOR)

    def holds(keys):
        monkeypatch.setattr(caching, "recorded", lambda: (keys.encode(), frozenset(keys.split())))

    holds("a b")
    return holds


def test_the_file_is_written_once_and_then_only_with_more(suite, compiled):
    """The summary says what was written; a run that finds all of it there says nothing."""
    run = suite.latency("--perf-compile-cache=code/artifact", variants="fp32,fp32-sdpa-compile")
    path = suite.path / "code" / "artifact"
    run.stdout.re_match_lines([rf"compile cache {path}: 2 entries of this run, 0\.0 MiB"])
    assert read_compiled(path, MADE_FOR) == (b"a b",)
    again = suite.latency("--perf-compile-cache=code/artifact", variants="fp32-sdpa-compile")
    assert "compile cache" not in again.stdout.str()
    compiled("a b c")
    suite.latency("--perf-compile-cache=code/artifact", variants="fp32-sdpa-compile")
    assert read_compiled(path, MADE_FOR) == (b"a b c",)


def test_a_damaged_file_is_refused_and_the_run_goes_on(suite, compiled):
    """The reason is in the summary; the file is made anew."""
    path = suite.path / "artifact"
    path.write_bytes(b"no artifact")
    run = suite.latency("--perf-compile-cache=artifact", variants="fp32-sdpa-compile")
    run.assert_outcomes(passed=1)
    run.stdout.re_match_lines([rf"compile cache refused: {path}: not an artifact of compiled code.*"])
    assert read_compiled(path, MADE_FOR) == (b"a b",)


def test_eager_variants_leave_it_alone(suite, compiled):
    """Nothing is loaded or written for them, and without the option for none."""
    suite.latency("--perf-compile-cache=artifact", variants="fp32")
    suite.latency(variants="fp32-sdpa-compile")
    assert not (suite.path / "artifact").exists()
