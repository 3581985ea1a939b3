"""Fresh processes: real ones, whose commands do nothing; what happens when they fail, die or hang."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import annotated_types
import pytest

from perfsuite.workers import Server, WorkerError
from perfsuite.workers.client import RefusedError

Stub = Callable[..., Path]
Ended = Callable[..., bool]


@pytest.fixture(params=[True, False], ids=["forked", "started"])
def server(request: pytest.FixtureRequest, stub: Stub) -> Iterator[Server]:
    """A server in both ways; whatever it leaves open is an error (ResourceWarning)."""
    with Server(stub(), fork=request.param) as server:
        yield server
    gc.collect()


@pytest.fixture
def forking(stub: Stub) -> Iterator[Server]:
    with Server(stub(), fork=True) as server:
        yield server


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The interpreter of an environment that has no package at all."""
    venv.create(tmp_path / "bare", with_pip=False)
    return tmp_path / "bare" / "bin" / "python"


def test_answers_come_in_order_and_as_plain_data(server: Server) -> None:
    worker = server.worker()

    values = [1, 2.5, "ä\n\u2028", None, {"a": [True]}, "x" * 3_000_000]

    assert [worker.ask("echo", value=v) for v in values] == values
    assert worker.hello["pid"] != os.getpid()


def test_each_worker_is_a_fresh_process(server: Server) -> None:
    """With its own state, while others are alive and after."""
    first, second = server.worker(), server.worker()
    assert [first.ask("count"), first.ask("count"), second.ask("count")] == [1, 2, 1]
    second.close()
    third = server.worker()

    assert third.ask("count") == 1
    assert first.ask("count") == 3
    assert len({w.hello["pid"] for w in (first, second, third)}) == 3


def test_a_command_that_fails_says_how_and_the_worker_goes_on(server: Server) -> None:
    """Type, message and traceback of there."""
    worker = server.worker()

    with pytest.raises(WorkerError) as found:
        worker.ask("fail")

    said = str(found.value)
    assert said.startswith(f"{server.python}: fail failed: KeyError: 'of the stub'\nTraceback ")
    assert "in do_fail" in said
    assert worker.ask("count") == 1


def test_a_command_that_is_refused_says_so_in_one_line(server: Server) -> None:
    """What is wrong with what was asked for: no traceback, and a kind of error that nobody tries again."""
    worker = server.worker()

    with pytest.raises(RefusedError) as found:
        worker.ask("refuse")

    assert str(found.value) == f"{server.python}: BufferError: no such device; use another"
    assert worker.ask("count") == 1


def test_a_fork_that_cannot_use_the_gpu_is_given_up_for_started_processes(stub: Stub, ended: Ended) -> None:
    """Where importing has asked the driver already, as torch does for a slice of a GPU (MIG)."""
    with Server(stub(), fork=True, environment={"SPOILT": "1"}) as server:
        first, second = server.worker(), server.worker()
        assert [w.hello["forked"] for w in (first, second)] == [False, False]
        assert first.hello["pid"] != second.hello["pid"]
        assert first.ask("echo", value=1) == second.ask("echo", value=1) == 1
    with Server(stub(), fork=True) as server:
        assert server.worker().hello["forked"]


def test_commands_of_another_module_are_known(stub: Stub, tmp_path: Path) -> None:
    """A higher room's, which this one does not import."""
    module = tmp_path / "more_commands.py"
    module.write_text(
        "import os\n"
        "from perfsuite.workers import commands\n"
        "class Commands(commands.Commands):\n"
        "    def do_more(self):\n"
        "        return 'more'\n"
    )
    preload = f"sys.path.insert(0, {str(tmp_path)!r})"
    with Server(stub(preload), fork=True, commands="more_commands:Commands") as server:
        worker = server.worker()
        assert worker.ask("more") == "more"
        assert worker.ask("count") == 1


def test_wrong_arguments_are_a_failed_command(server: Server) -> None:
    worker = server.worker()

    with pytest.raises(WorkerError, match=r"echo failed: TypeError: .*'other'"):
        worker.ask("echo", other=1)
    assert worker.ask("echo", value=1) == 1


def test_a_worker_that_is_killed_is_an_error_and_the_next_one_works(server: Server) -> None:
    worker = server.worker()
    os.kill(worker.hello["pid"], signal.SIGKILL)

    with pytest.raises(WorkerError, match="the process ended during 'count'; it printed nothing"):
        worker.ask("count")

    assert server.worker().ask("count") == 1


def test_a_worker_that_dies_in_a_command_shows_its_last_words(server: Server) -> None:
    worker = server.worker()

    with pytest.raises(WorkerError, match=r"the process ended during 'die':\nout of luck$"):
        worker.ask("die")
    with pytest.raises(WorkerError, match="the process ended during 'count'"):
        worker.ask("count")
    assert server.worker().ask("count") == 1


@pytest.mark.parametrize("stopped", [False, True])
def test_a_worker_that_hangs_is_ended(server: Server, stopped: bool, ended: Ended) -> None:
    """Within the limit of the command, or of the worker; also one that does not even take signals."""
    worker = server.worker(reply_limit_s=0.4)
    if stopped:
        os.kill(worker.hello["pid"], signal.SIGSTOP)
    began = time.monotonic()

    with pytest.raises(WorkerError, match=r"no answer to 'hang' in 0\.4 s; the process was ended"):
        worker.ask("hang")

    assert 0.4 <= time.monotonic() - began < 3
    assert ended(worker.hello["pid"])
    assert server.worker().ask("count") == 1
    with pytest.raises(WorkerError, match=r"no answer to 'hang' in 0\.1 s"):
        server.worker().ask("hang", limit_s=0.1)


def test_what_a_command_prints_goes_where_errors_go(server: Server) -> None:
    """More than a pipe holds: nobody reads it, and it must not break the worker."""
    worker = server.worker()

    worker.ask("print", lines=20_000)

    assert worker.ask("count") == 1
    with pytest.raises(WorkerError, match=r"to nobody\s+out of luck$"):
        worker.ask("die")


def test_close_leaves_nothing(server: Server, ended: Ended) -> None:
    """No process and no folder; the server can be used again."""
    workers = [server.worker() for _ in range(2)]
    folder = server._folder
    assert folder is not None
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
    pids = [w.hello["pid"] for w in workers]
    if server._process is not None:
        pids.append(server._process.pid)

    server.close()

    assert all(ended(pid) for pid in pids)
    assert not folder.exists()
    server.close()
    assert server.worker().ask("count") == 1


def test_a_closed_worker_ends(server: Server, ended: Ended) -> None:
    worker = server.worker()
    worker.close()

    assert ended(worker.hello["pid"])


def test_an_interrupted_command_does_not_go_on(server: Server, ended: Ended) -> None:
    """Ctrl-C while a worker compiles for minutes: closing ends it now."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    worker = server.worker()
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.ask("hang")
    finally:
        signal.signal(signal.SIGALRM, before)
    began = time.monotonic()
    server.close()

    assert ended(worker.hello["pid"], limit_s=2)
    assert time.monotonic() - began < 2


def test_ctrl_c_reaches_the_parent_alone(server: Server) -> None:
    """It goes to the whole process group; what a worker does with it is not its decision."""
    worker = server.worker()
    os.kill(worker.hello["pid"], signal.SIGINT)
    if server._process is not None:
        os.kill(server._process.pid, signal.SIGINT)

    assert worker.ask("count") == 1
    assert server.worker().ask("count") == 1


def test_a_server_that_died_is_started_again(forking: Server) -> None:
    first = forking.worker()
    assert forking._process is not None
    forking._process.kill()
    forking._process.wait()

    assert first.ask("count") == 1
    assert forking.worker().ask("count") == 1


def test_launch_does_not_wait_and_needs_no_worker(stub: Stub) -> None:
    """A server that is closed before anyone asked for a worker leaves nothing open."""
    server = Server(stub("time.sleep(30)"), fork=True)
    began = time.monotonic()

    server.launch()
    server.launch()
    process = server._process
    server.close()

    assert time.monotonic() - began < 3
    assert process is not None
    assert process.returncode == -signal.SIGKILL
    del server, process
    gc.collect()  # a pipe left open would be a ResourceWarning


def test_processes_end_with_a_parent_that_was_killed(stub: Stub, ended: Ended) -> None:
    """Nobody closed anything: the server and its worker see it themselves."""
    program = (
        "import sys, time; from perfsuite.workers import Server; s = Server(sys.argv[1], fork=True);"
        "w = s.worker(); print(s._process.pid, w.hello['pid'], s._folder, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, stub()], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    server, worker, folder = parent.stdout.readline().split()
    parent.kill()
    parent.wait()
    parent.stdout.close()

    assert ended(int(server))
    assert ended(int(worker))
    shutil.rmtree(folder)


@pytest.mark.parametrize("fork", [True, False])
def test_an_interpreter_that_is_not_there(fork: bool) -> None:
    with (
        Server("/no/such/python", fork=fork) as server,
        pytest.raises(WorkerError, match=r"/no/such/python: cannot be started \(No such file or directory\)"),
    ):
        server.worker()


def test_a_file_that_is_no_interpreter(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("")
    with (
        Server(tmp_path / "python") as server,
        pytest.raises(WorkerError, match=r"cannot be started \(Permission denied\); name a Python interp"),
    ):
        server.worker()


@pytest.mark.parametrize("program", ["true", "echo"])
def test_a_program_that_is_no_python(program: str) -> None:
    """Says nothing, or something else."""
    python = shutil.which(program)
    assert python is not None
    with (
        Server(python) as server,
        pytest.raises(WorkerError, match=f"^{python}: did not start as a worker; it printed nothing"),
    ):
        server.worker()


@pytest.mark.parametrize("fork", [True, False])
def test_a_missing_package_is_named_with_the_remedy(fork: bool, bare: Path) -> None:
    """In an environment that has nothing, and in one that lacks the stack under test."""
    with Server(bare, fork=fork) as server:
        with pytest.raises(WorkerError) as found:
            server.worker()
        assert str(found.value) == (
            f"{bare}: the package 'annotated_types' is not installed there; "
            f"{bare} -m pip install annotated_types"
        )
        (site,) = bare.parents[1].glob("lib/python*/site-packages")
        shutil.copytree(Path(annotated_types.__file__).parent, site / "annotated_types")
        # A server imports the stack at once, a started worker when it needs it.
        with pytest.raises(WorkerError, match=r"the package '(\w+)' is not installed .* -m pip install \1$"):
            server.worker().ask("prepare", workload="shapes", variant="fp32")


def test_a_missing_module_of_a_package_that_is_there_is_no_missing_package(stub: Stub) -> None:
    """A broken commit of the package under test: pip would not help, its own words do."""
    with (
        Server(stub("import json.gone"), fork=True) as server,
        pytest.raises(
            WorkerError, match=r"did not start as a worker:(?s:.*)No module named 'json\.gone'"
        ) as e,
    ):
        server.worker()
    assert "pip install" not in str(e.value)


def test_a_server_that_does_not_start_in_time(stub: Stub) -> None:
    began = time.monotonic()
    with (
        Server(stub("time.sleep(30)"), fork=True, start_limit_s=0.3) as server,
        pytest.raises(WorkerError, match="did not start as a worker"),
    ):
        server.worker()
    assert time.monotonic() - began < 3
    assert server._process is None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('{"listening": 1, "protocol": 99}', "speaks protocol 99, not 1"),
        ('{"listening": 1, "protocol": 1}', "cannot be reached"),
        ("not JSON", "did not start as a worker"),
    ],
)
def test_a_program_that_speaks_otherwise(said: str, message: str, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho why >&2\necho '{said}'\nsleep 0.2\n")
    program.chmod(0o755)

    with Server(program) as server, pytest.raises(WorkerError, match=f"{message}(?s:.*):\nwhy$"):
        server.worker()
    gc.collect()


def test_environment_of_a_worker(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours with what was given, without our own path: it would bring our packages along."""
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("PERFSUITE_TEST", "before")
    with Server(stub(), environment={"PERFSUITE_TEST": "given"}) as server:
        worker = server.worker()
        assert worker.ask("environment", name="PERFSUITE_TEST") == "given"
        assert worker.ask("environment", name="PYTHONPATH") is None
        assert worker.ask("environment", name="PATH") == os.environ["PATH"]
