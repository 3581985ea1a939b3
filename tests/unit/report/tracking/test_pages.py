"""The pages say what the history says; whatever stands in names stays text; all of it is there as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import jinja2
import pytest
from overviews import HOSTILE, LINK, Made, by_metric, large, night, trial
from parsed_page import Page

from perfsuite.records import (
    Absence,
    Decision,
    Environment,
    HistoryEvent,
    NightRun,
    Outcome,
    Overview,
    Point,
    Series,
    SeriesKind,
    State,
    Tracked,
)
from perfsuite.report.html import shell
from perfsuite.report.tracking.pages import pages

STEP = "series-latency-bf16-sdpa-compile-sdxl-base-h100"
EXCLUDED = "series-latency-bf16-sdxl-base-h100"
FOUND = "group-10a7b3c9d2c"
IGNORED = "group-14a7b3c9d24"


def words(text: str) -> str:
    """With ordinary spaces."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_first_page_says_what_is_open_and_what_is_missing(page):
    found = page("index")
    text = words(found.text)
    assert "1 open, 1 undecided, 1 absence on 2026-11-18" in text
    assert "5 nights missing on cpu-epyc-8t; health: 4 worse, 1 better in 90 nights" in text
    assert "cpu-epyc-8t: no run since 2026-11-13, 5 nights" in text
    assert "5 no run, 24 complete, 1 partial" in text


def test_groups_have_their_nights_size_state_and_the_next_command(page):
    text = words(page("index").text)
    first = text[text.index("counts first: everything compiled on h100-80gb") :]
    for said in (
        "7 changes",
        "2026-11-02 to 2026-11-03",
        "12 -> 24",
        "found",
        "say what becomes of it",
        "perfsuite track decide 10a7b3c9d2c acknowledged --reason WHY --db 'night history.db'",
    ):
        assert said in first, said
        first = first[first.index(said) :]
    assert text.index("compare both nights in an A/B") < text.index("2 closed, or for the better")


def test_the_grid_has_every_measured_series_on_its_page(page, files, history):
    """Relative latency first; counts that never changed are a line."""
    found = page("index")
    led = {a["href"] for a in found.all("a", class_="cell")}
    made = {name for name in files if name.startswith("series-") and name.endswith(".html")}
    assert led == made
    assert len(made) == sum(t.series.kind is SeriesKind.NOISY for t in history.tracked) + 1
    assert found.text.index("relative latency sdxl-base") < found.text.index("peak memory sdxl-base")
    assert "720 counts never changed, of 6 variants on 3 devices, and have no page of their own" in found.text
    folds = [attributes for tag, attributes in found.elements if tag == "details"]
    assert ["open" in attributes for attributes in folds] == [False, True, True, False, False, False, False]


def test_a_series_has_its_points_levels_marks_and_events(page):
    found = page(STEP)
    assert len([c for c in found.all("circle") if "cx" in c and "%" in (c["cx"] or "")]) == 58
    assert len(found.all("line", class_="level")) == 2 + 1  # and one in the legend
    assert {a["aria-label"] for a in found.all("a") if "aria-label" in a} == {"change A"}
    assert found.all("a", aria_label="change A")[0]["href"].startswith(f"{FOUND}.html#")
    text = words(found.text)
    assert "A ◎ found 2026-11-02 to 2026-11-03 +6.0 %, a step, 95 % interval +4.9 % to +7.1 %" in text
    assert "1 driver 2026-10-10 550.90 -> 560.35" in text
    assert "latency, measured in s; lower is better" in text


def test_versions_that_changed_since_the_point_before_are_bold(page):
    """Also where nights are missing between; what never changed is said once."""
    source = page(STEP).source
    assert "<b>diffusers 0.43.0</b>, <b>torch 2.14.0.dev20261030" in source
    assert "diffusers 0.43.0, <b>torch 2.14.0.dev20261031" in source
    assert source.count("triton 3.7.0") == 1
    after_gap = source[source.index(f'class="beside">{night(29)}') :]
    assert "<b>driver" not in after_gap[:400]


def test_points_without_weight_are_hollow_with_their_reason(page):
    found = page(EXCLUDED)
    assert len(found.all("circle", class_="hollow")) == 4 + 1
    assert found.text.count("○ without weight: throttled: clocks fell by 22 %") == 3
    assert "not finite" in found.text
    assert "n=58, 4 without weight" in found.text


def test_a_group_has_evidence_trials_decisions_and_who_did_it(page):
    found = page(FOUND)
    text = words(found.text)
    assert "1 counted and 6 measured changes: as before on 2026-11-02, other on 2026-11-03." in text
    evidence = text[text.index("counts first, then by size") :]
    assert evidence.index("aten.clone") < evidence.index("bf16-sdpa-compile relative latency")
    assert found.all("a", href=LINK)[0]["rel"] == "noreferrer"
    assert "REGRESSED +5.8 % (+5.0 % to +6.6 %)" in text
    assert "torch 2.14.0.dev20261102 against 2.14.0.dev20261103; 12 rounds in turns; 94 s" in text
    assert "INCONCLUSIVE no figure" in text
    assert "perfsuite track show 10a7b3c9d2c" in text
    assert "ignored until triton>=3.8 by mara, 2026-10-28: triton 3.8 brings it back" in page(IGNORED).text


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "http://example.org/", 'https://x.org/"onload=', "data:text/html,x", "//x.org"],
)
def test_only_a_plain_https_address_becomes_a_link(history, link):
    """Anything else is text."""
    groups = [
        replace(group, changes=tuple(
            replace(c, culprit={**c.culprit, "link": link}) if c.culprit else c for c in group.changes
        ))
        for group in history.groups
    ]  # fmt: skip
    name = f"{FOUND}.html"
    found = Page(pages(replace(history, groups=tuple(groups), tracked=()), "db")[name].decode())
    assert all("://" not in a["href"] and "javascript" not in a["href"] for a in found.all("a"))
    assert link in found.text


def hostile() -> Overview:
    """A text that would be elements, wherever a text stands."""
    made = Made(6, ("h100-80gb",), (HOSTILE,), exact=0)
    made.events.append(HistoryEvent("h100-80gb", night(2), HOSTILE, HOSTILE))
    one = made.of("h100-80gb", HOSTILE, "latency")
    made.excluded[one, 1] = HOSTILE
    change = made.change(
        one, 3, 1.1, State.FOUND, culprit=dict.fromkeys(("package", "good", "link"), HOSTILE)
    )
    said = Decision(change.id, State.CONFIRMED, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    tried = replace(
        trial(change.id, HOSTILE, 1.1, 4), base={HOSTILE: HOSTILE}, detail=HOSTILE, purpose=HOSTILE
    )
    made.changes[0] = replace(change, decisions=(said,), trials=(tried,))
    found = made.overview()
    odd = [
        replace(run, environment=Environment("e", {HOSTILE: f"{HOSTILE}{run.night}", "plain": HOSTILE}))
        for run in found.runs
    ]
    absence = Absence(HOSTILE, HOSTILE, "2026-01-01", 3)
    return replace(found, runs=tuple(odd), absences=(absence,))


def test_text_stays_text_wherever_it_stands():
    """Of variants, reasons, versions, decisions: no page has an element or attribute of it."""
    files = pages(hostile(), f"{HOSTILE}.db")
    shown = {name: Page(data.decode()) for name, data in files.items() if name.endswith(".html")}
    for name, found in shown.items():
        assert not found.all("img"), name
        assert not [key for _, attributes in found.elements for key in attributes if key.startswith("on")]
        assert len(found.raw["script"]) == 1
        assert "://" not in "".join(str(a["href"]) for a in found.all("a"))
    latency = next(found for name, found in shown.items() if name.startswith("series-latency"))
    group = next(found for name, found in shown.items() if name.startswith("group"))
    assert [found.text.count(HOSTILE) for found in (shown["index.html"], latency, group)] == [11, 21, 19]


def test_the_templates_escape_by_themselves(monkeypatch):
    """These tests can fail: without autoescape a text becomes elements."""
    plain = jinja2.Environment
    monkeypatch.setattr(jinja2, "Environment", lambda **o: plain(**{**o, "autoescape": False}))
    shell.environment.cache_clear()
    try:
        found = pages(hostile(), "db")["index.html"].decode()
    finally:
        shell.environment.cache_clear()
    assert Page(found).all("img")


def test_every_link_leads_somewhere(parsed, files):
    """Within the folder; anchors too."""
    ids = {name: {attributes.get("id") for _, attributes in found.elements} for name, found in parsed.items()}
    followed = 0
    for name, found in parsed.items():
        for link in found.all("a"):
            target, _, anchor = (link["href"] or "").partition("#")
            if target.startswith("https://"):
                continue
            assert target in files or not target, (name, target)
            assert not anchor or anchor in ids[target or name], (name, link)
            followed += 1
    assert followed > 400


def test_nothing_is_loaded_and_the_policy_holds_it(parsed):
    for name, found in parsed.items():
        policy = found.all("meta", http_equiv="Content-Security-Policy")[0]["content"]
        assert policy.startswith("default-src 'none'; img-src data:;")
        assert not [a for _, a in found.elements if "src" in a or "style" in a], name
        assert [a["href"] for a in found.all("link")] == ["data:,"]


def test_everything_is_there_as_json(files, history):
    """Beside each page its own, and strict: what is not finite is null."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = {
        name: json.loads(data, parse_constant=refuse) for name, data in files.items() if name.endswith("json")
    }
    assert {name.removesuffix(".json") for name in read} == {
        name.removesuffix(".html") for name in files if name.endswith(".html")
    }
    first = read["index.json"]
    assert first["verdict"].startswith("1 open")
    assert first["groups"][0]["page"] == f"{FOUND}.html"
    assert len(first["series"]) == len(history.tracked)
    assert sum(series["page"] is None for series in first["series"]) == 720
    (name,) = [name for name in read if name.startswith(EXCLUDED)]
    assert [p["value"] for p in read[name]["points"] if p["excluded"] == "not finite"] == [None]
    same = by_metric(history)["h100-80gb", "bf16", "latency"]
    assert [p["value"] for p in read[name]["points"]][:40] == [p.value for p in same.points[:40]]
    change = read[f"{FOUND}.json"]["changes"][0]
    assert (change["nomination"]["shape"], change["nomination"]["statistic"]) == ("exact", None)
    assert read[f"{FOUND}.json"]["changes"][1]["trials"][0]["verdict"] == "REGRESSED"


def test_the_same_history_makes_the_same_bytes(files, history):
    assert pages(history, "night history.db") == files


# -- little and much ---------------------------------------------------------------------------------

ONE = Series("cpu", "shapes", "shapes 64", "fp32", "latency", "s", SeriesKind.NOISY)
RUN = NightRun(
    "r", "2026-03-01", "2026-03-01T02:00:00", "cpu", Environment("e", {"torch": "2.13"}), Outcome.COMPLETE
)


def test_an_empty_history_has_a_page():
    found = pages(Overview("2026-03-01", (), (), (), ()), "db")
    assert set(found) == {"index.html", "index.json"}
    assert "nothing open on 2026-03-01" in found["index.html"].decode()
    assert "There are no series in this history yet." in found["index.html"].decode()


@pytest.mark.parametrize(
    ("values", "said"),
    [((0.5,), "500.0 ms on 2026-03-01"), ((math.nan,), "No point of this series has weight"),
     ((0.0, 0.0), "0.000 ms"), ((0.5, 0.5), "500.0 ms"), ((-1.0,), "-1.000 s")],
)  # fmt: skip
def test_a_series_of_hardly_any_points_has_a_page(values, said):
    points = tuple(
        Point("2026-03-01", "r", v, excluded="not finite" if math.isnan(v) else "") for v in values
    )
    found = pages(Overview("2026-03-01", (RUN,), (Tracked(ONE, points),), (), ()), "db")
    (name,) = [name for name in found if name.startswith("series-") and name.endswith("html")]
    assert said in Page(found[name].decode()).text
    assert len(Page(found[name].decode()).all("circle")) >= len(values)


def test_a_run_that_is_not_there_has_no_versions():
    """The history may hold a point of a later night's run, or of none."""
    points = (Point("2026-03-01", "elsewhere", 0.5),)
    event = HistoryEvent("cpu", "2026-02-01", "other", "<b>fans</b>")
    found = pages(Overview("2026-03-01", (), (Tracked(ONE, points, epochs=(event,)),), (), ()), "db")
    (name,) = [name for name in found if name.startswith("series-") and name.endswith("html")]
    assert "<b>fans</b>" in Page(found[name].decode()).text


def test_many_counts_need_few_pages():
    """Of what never changed there are none."""
    found = pages(large(series=25, nights=3), "db")
    assert sum(name.endswith(".html") for name in found) == 25 + 1 + len({State.CONFIRMED})
