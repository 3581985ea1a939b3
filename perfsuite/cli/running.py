"""``perfsuite run``: a plan over what machines there are."""

from __future__ import annotations

import importlib
import os
import shlex
import signal
import socket
import sys
import time
import traceback
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from perfsuite.cli.app import Comparison, app, terminal, to_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from rich.live import Live

    from perfsuite.fleet.executors import Executor
    from perfsuite.fleet.ledger.account import Account
    from perfsuite.fleet.ledger.file import Ledger
    from perfsuite.fleet.ledger.times import Expectation
    from perfsuite.fleet.results.status import Status
    from perfsuite.records import Plan

_ENGINES = {
    "local": ("local", "LocalExecutor"),
    "ray": ("ray", "RayExecutor"),
    "slurm": ("slurm", "SlurmExecutor"),
}
"""Module and class; none is imported before it is asked for."""
RUNNING = "running"
"""Below ``--out``, folder in which blocks work on this machine."""
RENEW_S = 2.0
"""Between two looks at how far it is, on a terminal."""


@app.command(cls=Comparison)
def run(
    plan: Annotated[Path | None, typer.Argument(help="default: that of --out")] = None,
    on: Annotated[str, typer.Option(help="engine: local, ray, ray=ADDRESS or slurm")] = "local",
    out: Annotated[Path, typer.Option(help="folder of this plan alone: its ledger and its results")] = Path(
        ".perfsuite/fleet"
    ),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say how long it will take, from past times; run nothing")
    ] = False,
    show_status: Annotated[
        bool, typer.Option("--status", help="say how far it is, also beside the driver; run nothing")
    ] = False,
    limit: Annotated[float | None, typer.Option(min=0, help="minutes after which no block is begun")] = None,
    wait: Annotated[
        float | None,
        typer.Option(min=0, help="minutes to wait for a device that no machine has; default: 10, local: 0"),
    ] = None,
    no_doctor: Annotated[
        bool, typer.Option("--no-doctor", help="time on any machine, fit or not; verdicts may mislead")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="try broken blocks again")] = False,
    past: Annotated[
        list[Path] | None,
        typer.Option(help="folder of another run, for its times; default: those beside --out"),
    ] = None,
) -> None:
    """Run a plan's blocks on all machines that an engine has, and go on where an earlier run ended.

    Exit code 0: all cells are known, and none is bad; 1: some are bad;
    2: some are not known, since they are broken, without a machine, or
    stopped, or unjudged; 3: wrong options, another plan's folder, or no such engine.
    """
    from perfsuite.fleet.driving.driver import DriverError
    from perfsuite.fleet.executors import ExecutorError
    from perfsuite.fleet.ledger.file import LedgerError
    from perfsuite.store import StoreError

    try:
        asked = _Asked(_plan_of(plan, out), on, out, limit, wait, no_doctor, again, tuple(past or ()))
        if dry_run and show_status:
            raise ValueError("--dry-run and --status: give one of both")
        if show_status:
            _say_status(asked)
            return
        code = _say_forecast(asked) if dry_run else _drive(asked)
    except KeyboardInterrupt as error:
        typer.echo("perfsuite: stopped at once; run it again to go on", err=True)
        raise typer.Exit(2) from error
    except (ValueError, OSError, StoreError, DriverError, ExecutorError, LedgerError) as error:
        typer.echo(f"perfsuite: {error}", err=True)
        raise typer.Exit(3) from error
    except Exception as error:
        # Left to Python it would end with 1: bad verdicts.
        traceback.print_exc()
        raise typer.Exit(3) from error
    raise typer.Exit(code)


@dataclass(frozen=True)
class _Asked:
    """The options."""

    plan: Plan
    on: str
    out: Path
    limit: float | None
    wait: float | None
    no_doctor: bool
    again: bool
    past: tuple[Path, ...]

    @property
    def wait_s(self) -> float:
        """For a device that no machine has: none comes to this machine."""
        return 60 * (self.wait if self.wait is not None else 0.0 if self.on == "local" else 10.0)


def _plan_of(plan: Path | None, out: Path) -> Plan:
    from perfsuite.fleet.planning.files import PLAN, read_plan

    if plan is None and not (out / PLAN).exists():
        raise ValueError(f"{out}: no plan was run there; name one: perfsuite run plan.json")
    return read_plan(plan or out / PLAN)


def _engine(on: str, out: Path) -> Executor:
    """What ``--on`` names; only this imports an engine. Raises `ExecutorError` for one that is not there."""
    kind, _, address = on.partition("=")
    if kind not in _ENGINES or (address and kind != "ray"):
        raise ValueError(f"--on {on}: one of local, ray, ray=ADDRESS, slurm")
    module, name = _ENGINES[kind]
    make = getattr(importlib.import_module(f"perfsuite.fleet.executors.{module}"), name)
    # Where the next driver of this folder finds what blocks of a killed one have left.
    options = {"scratch": out / RUNNING} if kind == "local" else {}
    found: Executor = make(address) if address else make(**options)
    return found


def _expected(asked: _Asked) -> dict[str, Expectation]:
    """What blocks are expected to take, from this folder's ledger and those of others."""
    from perfsuite.fleet.ledger.file import read_account
    from perfsuite.fleet.ledger.times import Past, expect, pasts_beside, read_past

    account = read_account(asked.out)
    own = Past({block.id: block for block in asked.plan.blocks}, account.attempts if account else [])
    others = [read_past(folder) for folder in asked.past] or pasts_beside(asked.out, to_stderr)
    return expect(asked.plan.blocks, [own, *others])


def _drive(asked: _Asked) -> int:
    from perfsuite.fleet.blocks import orders
    from perfsuite.fleet.driving import driver
    from perfsuite.fleet.ledger.file import Ledger
    from perfsuite.fleet.ledger.times import seconds_of
    from perfsuite.fleet.planning.files import PLAN, write_plan
    from perfsuite.fleet.results.reading import read
    from perfsuite.report import running as show
    from perfsuite.report.fleet import page, text

    driver.check(asked.plan)
    # The engine first: a folder is of the first plan that could begin there.
    with (
        closing(_engine(asked.on, asked.out)) as engine,
        Ledger.open(asked.out, asked.plan) as ledger,
        _stops() as stopped,
    ):
        write_plan(asked.out / PLAN, asked.plan)
        expected = _expected(asked)
        with _Screen(asked, ledger, expected) as screen:
            conduct = driver.Conduct(
                order=orders.order, ending=orders.ending, seconds=seconds_of(expected), engine=asked.on,
                again=asked.again, examines=not asked.no_doctor, wait_s=asked.wait_s,
                limit_s=None if asked.limit is None else 60 * asked.limit,
                stopped=stopped, tell=screen.tell, turned=screen.turn,
            )  # fmt: skip
            driver.Driver(asked.plan, ledger, engine, conduct).run()
        found = _status(asked, ledger.account, expected, driven=False)
    whole = read(asked.out)
    shown = page.view(whole, {})
    typer.echo(show.status(found, asked.plan, terminal().width, shown.unsaid))
    typer.echo(f"\n{text.matrix(shown, terminal().width)}\n")
    for path, _ in whole.runs:
        typer.echo(f"wrote {path}")
    typer.echo(f"all of it on a page: perfsuite report {shlex.quote(str(asked.out))}")
    return page.exit_code(whole, shown)


def _say_status(asked: _Asked) -> None:
    from perfsuite.fleet.ledger.file import is_driven, read_account
    from perfsuite.fleet.results.reading import read
    from perfsuite.report import running as show
    from perfsuite.report.fleet import page

    driven = is_driven(asked.out)
    account = read_account(asked.out)
    if account is None or account.plan != asked.plan.id:
        raise ValueError(f"{asked.out}: the plan {asked.plan.name!r} was not run there; name its --out")
    found = _status(asked, account, _expected(asked), driven=driven)
    # Reading all results would disturb what is timed on this machine.
    busy = found.may_time(socket.gethostname())
    unsaid = None if busy else page.view(read(asked.out), {}).unsaid
    typer.echo(show.status(found, asked.plan, terminal().width, unsaid))


def _say_forecast(asked: _Asked) -> int:
    """How long it will take; its exit code is 2 where a run would begin nothing, and not all is known."""
    from perfsuite.fleet.ledger.account import Account
    from perfsuite.fleet.ledger.file import check_account, read_account
    from perfsuite.fleet.ledger.times import seconds_of
    from perfsuite.fleet.results.status import left
    from perfsuite.fleet.scheduling.forecasting import forecast
    from perfsuite.fleet.scheduling.placing import Park
    from perfsuite.report import running as show

    account = read_account(asked.out)
    if account is not None:
        check_account(account, asked.out, asked.plan)
    blocks, done = left(asked.plan, account or Account("", ""), again=asked.again)
    every = len(asked.plan.blocks)
    if not blocks:
        typer.echo(show.nothing_left(asked.plan, done))
        return 0 if done == every else 2
    expected = _expected(asked)
    engine = _engine(asked.on, asked.out)
    try:
        park = Park(asked.plan.devices, list(engine.slots()))
        examined = engine.knows_machines and not asked.no_doctor
    finally:
        engine.close()
    found = forecast(blocks, park, seconds_of(expected), examined=examined)
    typer.echo(show.forecast(found, expected, asked.plan, park, terminal().width))
    return 0 if found.steps else 2


def _status(asked: _Asked, account: Account, expected: Mapping[str, Expectation], *, driven: bool) -> Status:
    from perfsuite.fleet.driving.attempts import utc_now
    from perfsuite.fleet.results.status import status

    return status(asked.plan, account, utc_now(), driven=driven, expected=expected)


@contextmanager
def _stops() -> Iterator[Callable[[], bool]]:
    """Whether somebody has said stop: by Ctrl-C, or as an operating system does. Twice ends at once."""
    told: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if told:
            raise KeyboardInterrupt
        told.append(number)
        to_stderr("stopping: what runs is ended and noted; once more to stop at once")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(told)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Screen:
    """Lines of what has happened and, on a terminal, how far it is below them."""

    def __init__(self, asked: _Asked, ledger: Ledger, expected: Mapping[str, Expectation]) -> None:
        self._asked, self._ledger, self._expected = asked, ledger, expected
        self._live: Live | None = None
        self._shown_s = -RENEW_S

    def __enter__(self) -> Self:
        from perfsuite.report.progress import is_plain

        if sys.stderr.isatty() and not is_plain(os.environ):
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, line: str) -> None:
        """Something that has happened."""
        from perfsuite.report.format import plain

        if self._live is None:
            to_stderr(plain(line))
        else:
            self._live.console.print(plain(line), markup=False, highlight=False)

    def turn(self, changed: bool) -> None:
        """Renew what is shown; while something is timed on this machine only when something has changed."""
        if self._live is None:
            return
        now_s = time.monotonic()
        found = None
        if changed or now_s - self._shown_s >= RENEW_S:
            found = _status(self._asked, self._ledger.account, self._expected, driven=True)
        if found is None or (not changed and self._asked.on == "local" and found.times):
            return
        from rich.text import Text

        from perfsuite.report import running as show

        self._shown_s = now_s
        width = self._live.console.width
        self._live.update(Text(show.status(found, self._asked.plan, width)), refresh=True)
