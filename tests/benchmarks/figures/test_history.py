"""What two years of nights cost: to add one more, and to read them all."""

import statistics
import time
from datetime import date, timedelta

import pytest
from nights import counts, measured, night_run

POINTS, VARIANTS = 100_000, 9
MOST_ADD_S, MOST_READ_S, MOST_LIST_S, MOST_REPORT_S = 2.0, 8.0, 1.0, 20.0
NEW_NIGHTS = 5


def run(night):
    """Nine variants with 188 counts each, some of which change from night to night."""
    operators = {f"aten.op{i} in Block": i + 1 + (night // 10 if i < 3 else 0) for i in range(140)}
    kernels = {f"triton_{i}_{night // 5 if i < 5 else 0}": i + 1 for i in range(38)}
    flop = {f"part {i}": 10**12 for i in range(5)}
    found = counts(operators, kernels=kernels, flop=flop, code_bytes={"generated source": 10**5 + night})
    return night_run(night, *(measured(f"variant-{i}", counts=found) for i in range(VARIANTS)))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A history of so many points of figures; its nights but the last ones are copies of the first."""
    from perfsuite.store.history import History
    from perfsuite.store.history.connecting import Database

    place = tmp_path_factory.mktemp("history") / "history.db"
    with History.open(place, create=True) as history:
        added = history.add(run(0))
    nights = POINTS // added.figures
    with Database(place).writing() as connection:
        copy = Copies(connection)
        for night in range(1, nights):
            copy.make(night + 1, (date(2026, 3, 4) - timedelta(days=nights - night)).isoformat())
    return place


class Copies:
    """Copies of the first night, with other counts on every tenth."""

    def __init__(self, connection):
        from perfsuite.store.history import tables

        self.connection, self.tables = connection, tables
        families = {row["pk"]: row["family"] for row in self._rows(tables.series)}
        (self.run,) = self._rows(tables.run)
        points = self._rows(tables.point)
        self.figures = [row for row in points if not families[row["series"]]]
        self.counts = [row for row in points if families[row["series"]]]
        self.same = {table: self._rows(table) for table in (tables.session, tables.counted)}

    def _rows(self, table):
        return [dict(row._mapping) for row in self.connection.execute(table.select())]

    def make(self, number, day):
        new = {**self.run, "pk": number, "id": f"copy-{number}", "night": day, "position": f"{day} x"}
        self.connection.execute(self.tables.run.insert().values(new))
        changed = [{**row, "value": row["value"] + number} for row in self.counts if number % 10 == 0]
        for table, rows in {**self.same, self.tables.point: self.figures + changed}.items():
            self.connection.execute(table.insert(), [{**row, "run": number} for row in rows])


@pytest.mark.benchmark(group="figures", timer=time.perf_counter)
def test_a_night_more(benchmark, place):
    """Added within 2 s."""
    from perfsuite.store.history import History

    runs = iter([run(night) for night in range(1, NEW_NIGHTS + 1)])
    with History.open(place) as history:
        added = benchmark.pedantic(lambda: history.add(next(runs)), rounds=NEW_NIGHTS)
        assert added.new
    spent = benchmark.stats.stats.data
    said = f"{statistics.median(spent):.2f} s, {min(spent):.2f} to {max(spent):.2f} (n={NEW_NIGHTS})"
    print(f"a night of {added.figures} figures and {added.counts} counts, beside {POINTS} points: {said}")
    assert statistics.median(spent) <= MOST_ADD_S


@pytest.mark.benchmark(group="figures", timer=time.perf_counter)
def test_all_points(benchmark, place):
    """Read within 8 s, and what only lists within 1 s."""
    from perfsuite.store.history import History

    with History.open(place) as history:
        found = benchmark.pedantic(lambda: list(history.all_points()), rounds=3)
        began = time.perf_counter()
        runs, series, changes = history.runs(), history.series(), history.changes()
        listed_s = time.perf_counter() - began
    points = sum(len(some) for _, some in found)
    read_s = statistics.median(benchmark.stats.stats.data)
    size = place.stat().st_size / 1e6
    print(
        f"{points} points of {len(series)} series and {len(runs)} runs ({size:.0f} MB): {read_s:.2f} s (n=3)"
    )
    print(f"runs, series and changes: {listed_s:.2f} s (n=1)")
    assert points >= POINTS
    assert changes == []
    assert read_s <= MOST_READ_S
    assert listed_s <= MOST_LIST_S


@pytest.mark.benchmark(group="figures", timer=time.perf_counter)
def test_pages(benchmark, place, tmp_path):
    """Written within 20 s, levels and all."""
    from perfsuite.report.tracking import site
    from perfsuite.store.history import History
    from perfsuite.tracking.nightly import full_overview

    def report():
        with History.open(place) as history:
            overview = full_overview(history, history.runs()[-1].night)
        return site.write(overview, tmp_path / "pages", "history.db")

    benchmark.pedantic(report, rounds=1)
    files = list((tmp_path / "pages").iterdir())
    spent = benchmark.stats.stats.data[0]
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{len(files)} files ({size:.0f} MB) of {POINTS} points and their counts: {spent:.1f} s (n=1)")
    assert spent <= MOST_REPORT_S
