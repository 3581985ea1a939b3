"""The page: all of a run is on it, and whatever stands in the records stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sample_runs import (
    DATE,
    DEVICE,
    LADDER,
    edit_lines,
    exhibits,
    mixed,
    quality,
    result,
    session,
    verdict,
    write_baselines,
    write_run,
)

from perfsuite.records import Cause, PictureStatus, Status
from perfsuite.report.html import shell
from perfsuite.store import Baselines

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'><svg onload=alert(3)>",
    "</script><script>alert(4)</script>",
    "javascript:alert(5)",
    "{{ 7 * 7 }}{% raw %}",
    "</title><h1>six</h1>",
    "--><b>seven</b>",
    "\u202eright to left\u0000 and \u2028 lines",
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of the ladder with its baselines, one regression and one picture that got worse."""
    path = tmp_path / "run.jsonl"
    results = mixed(path)
    write_baselines(tmp_path / "baselines", results)
    return write_run(path, results, chosen=tuple(f"shapes/{name}" for name in LADDER))


def test_everything_about_a_run_is_there(page, run):
    """Verdict, device, versions, dates, what to do, each variant's figures, charts, pictures and proofs."""
    found = page(run)
    for said in (
        "bf16-sdpa is slower than its baseline (+15.0 %)",
        "bf16-sdpa-compile-qkv draws too far from float32",
        "measured again in 4 fresh processes",
        "Example CPU", "torch 2.13.0", "2026-03-04 05:06 UTC", "abc1234",
        "3 sessions for each of 5 variants, the newest of 2026-03-02 05:06 UTC, 2 days before this run",
        "pytest --benchmark-only -k test_latency --perf-workload=shapes --perf-variant=bf16-sdpa",
        "--perf-update=reset", "perfsuite calibrate --sessions",
        "n=19", "FEW_SESSIONS", "SLOW_TAIL", "warm: 4 graphs found", "640 MiB", "30 denoising steps",
        "SSIM", "48.2 dB", "0.0042 mean error", "90 W · 100 W · 120 W", "bf16: took hold", "a red circle",
        "0.7x (median of n=3 pairs)", "95 % interval",
    ):  # fmt: skip
        assert said in found.text, said
    assert len(found.all("details", class_="variant")) == len(LADDER)
    for kind in ("strip", "stack", "bars", "change"):
        assert len(found.all("svg", class_=kind)) >= 4, kind
    assert len(found.all("path", class_="variant")) >= 4 * len(LADDER)
    assert len(found.all("input", type="range")) == 4 * len(LADDER)


def test_failing_variants_are_open_and_first_in_words(page, run):
    """The others are closed."""
    found = page(run)
    opened = [d["id"] for d in found.all("details", class_="variant") if "open" in d]
    assert opened == ["run-0-variant-2", "run-0-variant-4"]
    assert "Find out whether the slowdown is wanted" in found.text
    assert found.text.index("shapes bf16-sdpa") < found.text.index("What to do next")


def test_stored_sessions_stand_beside_the_run(page, run):
    """Three each, and this run's own session is not among them though it was appended."""
    found = page(run)
    assert len(found.all("svg", class_="baseline")) == 3 * len(LADDER)


def test_sessions_of_later_or_itself_are_no_baseline(page, run, tmp_path):
    """A page made again next month shows what the verdict was made of."""
    now = [result(name) for name in LADDER]
    write_baselines(tmp_path / "baselines", now, 0)
    from perfsuite.store import Baselines

    later = session("later", 0.9, date="2026-04-01T00:00:00+00:00")
    Baselines(tmp_path / "baselines").update(DEVICE, now, "append")
    Baselines(tmp_path / "baselines").update(DEVICE, [replace(r, session=later) for r in now], "append")
    assert len(page(run).all("svg", class_="baseline")) == 3 * len(LADDER)


def test_pictures_are_in_the_page_once(page, run):
    """As base64 PNG in JSON blocks, float32's shared by all; every image that is asked for is there."""
    found = page(run)
    blocks = [json.loads(raw) for raw in found.raw["script"][:-1]]
    held = [id_ for block in blocks for id_ in block]
    assert len(held) == len(set(held))
    for block in blocks:
        for data in block.values():
            assert base64.b64decode(data, validate=True).startswith(b"\x89PNG\r\n\x1a\n")
    asked = {i["data-image"] for i in found.all("img")}
    assert asked == set(held)
    assert len(blocks[0]) == 4, "the float32 pictures of four prompts"
    assert not [i for i in found.all("img") if i.get("src")]


def test_nothing_is_loaded_from_elsewhere(page, run):
    """No address outside the page, and a policy that would stop one."""
    found = page(run)
    for tag, attributes in found.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset", "formaction"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:,")), (tag, name, value)
    assert not re.search(r"url\(|@import", found.raw["style"][0])
    (policy,) = [m["content"] for m in found.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    script, style = found.raw["script"][-1], found.raw["style"][0]
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not [a for _, a in found.elements if "style" in a or any(k.startswith("on") for k in a)]


def hostile_run(path, text):
    """A run with this text wherever a record has text."""
    device = replace(DEVICE, name=text, details={text: text})
    one = result(
        "x", session=replace(session("x", 0.5), versions={text: text}, conditions={text: text}, commit=text),
        verdict=verdict(Status.REGRESSED, detail=text), quality=quality(PictureStatus.DEGRADED, (text, "b")),
        evidence=(text, f"weights: {text}"), exhibits=exhibits(path, "x", (text, "b"), side=32),
    )  # fmt: skip
    one = replace(one, workload=text, variant=text, protocol=text)
    assert one.quality is not None
    looks = tuple(replace(look, detail=text) for look in one.quality.looks)
    one = replace(one, quality=replace(one.quality, looks=looks))
    return write_run(path, [one, result("bf16")], device=device, date=text, chosen=(text,))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(page, tmp_path, text):
    """No element and no attribute comes from a record: the page is built of the same ones as another."""
    text = text.replace("\0", "")
    found = page(hostile_run(tmp_path / "run.jsonl", text))
    # Commands are cut at their spaces, so the other text has as many.
    plain = page(hostile_run(tmp_path / "plain.jsonl", re.sub(r"[^ ]", "p", text)))
    assert [(t, sorted(a)) for t, a in found.elements] == [(t, sorted(a)) for t, a in plain.elements]
    assert " ".join(text.split()) in found.text
    assert len(found.raw["script"]) == len(plain.raw["script"])
    assert not [a for t, a in found.elements if t == "a" and not (a["href"] or "").startswith("#run-")
                and a["href"] not in ("#results",)]  # fmt: skip
    if text.startswith("<"):
        assert text not in found.source


def test_names_in_files_stay_text(page, tmp_path):
    """Of pictures that are not there, which the page names."""
    path = tmp_path / "run.jsonl"
    one = replace(result("bf16"), exhibits=exhibits(path, "bf16", side=32))
    write_run(path, [one])

    def rename(line):
        for files in (line.get("exhibits") or {}).get("pictures", []):
            files["variant"] = "<script>alert(1)</script>.png"

    edit_lines(path, rename)
    found = page(path)
    assert "<script>alert(1)</script>.png" in found.text
    assert "<script>alert" not in found.source


def test_commands_are_safe_to_paste(page, tmp_path):
    """A name with a shell's signs in it is quoted."""
    one = replace(result("x", verdict=verdict(Status.NEW)), variant="x; rm -rf $HOME")
    found = page(write_run(tmp_path / "run.jsonl", [one]))
    assert "'--perf-variant=x; rm -rf $HOME'" in found.text


def test_several_runs_are_told_apart(page, tmp_path):
    """Two devices and two nights: sections of their own, no row of both, the oldest first."""
    other = replace(DEVICE, name="Other GPU", slug="other", kind="cuda")
    files = [
        write_run(
            tmp_path / "b.jsonl", [result("bf16", 0.2)], device=other, date="2026-03-05T00:00:00+00:00"
        ),
        write_run(tmp_path / "a.jsonl", [result("bf16", 0.5), result("fp32", 0.7)]),
        write_run(tmp_path / "c.jsonl", [result("bf16", 0.4)], date="2026-03-06T00:00:00+00:00"),
    ]
    found = page(*files)
    assert "3 runs are on this page" in found.text
    sections = [s["id"] for s in found.all("section", class_="run")]
    assert sections == ["run-0", "run-1", "run-2"]
    order = [found.text.index(f"{name}, 2026-03-0{day}") for name, day in
             (("Example CPU", 4), ("Other GPU", 5), ("Example CPU", 6))]  # fmt: skip
    assert order == sorted(order)
    rows = [r["data-for"] for r in found.all("tr") if "data-for" in r]
    assert rows == ["run-0-variant-0", "run-0-variant-1", "run-1-variant-0", "run-2-variant-0"]
    # Speed-up only over float32 of the same run.
    assert found.text.count("1.4") >= 1
    assert len({i["id"] for _, i in found.elements if i.get("id")}) == len(
        [i for _, i in found.elements if i.get("id")]
    )


def test_no_results_at_all(page, tmp_path):
    found = page(write_run(tmp_path / "run.jsonl", [], chosen=("shapes/bf16",)))
    assert "This run has no results." in found.text
    assert "There are no results in this file" in found.text
    assert "1 of 1 chosen variants have no result" in found.text


def test_an_interrupted_run_says_what_is_missing(page, tmp_path):
    """Also a variant that was built and no more."""
    built = result("bf16-sdpa", session=None, verdict=None, quality=None)
    chosen = ("shapes/bf16", "shapes/bf16-sdpa", "shapes/fp16")
    found = page(write_run(tmp_path / "run.jsonl", [result("bf16"), built], chosen=chosen))
    assert "Incomplete: 2 of 3 chosen variants have no result" in found.text
    assert "shapes/bf16-sdpa, shapes/fp16" in found.text
    assert "NOT MEASURED" in found.text


def test_what_is_unclear_has_a_next_step(page, tmp_path):
    """More sessions where there are few, another try where it is noise."""
    results = [
        result("bf16", verdict=verdict(Status.INCONCLUSIVE, causes=(Cause.FEW_SESSIONS,))),
        result("fp32", verdict=verdict(Status.INCONCLUSIVE)),
    ]
    found = page(write_run(tmp_path / "run.jsonl", results))
    assert "perfsuite calibrate --sessions 3 --workload=shapes --variant=bf16" in found.text
    assert (
        "measure again pytest --benchmark-only -k test_latency --perf-workload=shapes --perf-variant=fp32"
        in (found.text)
    )


def test_statuses_to_filter_by_are_verdicts_and_complaints(page, tmp_path):
    """Not that the pictures are well, too."""
    results = [result("bf16", verdict=verdict(Status.NEW)), result("fp32", verdict=None, session=None)]
    found = page(write_run(tmp_path / "run.jsonl", results))
    assert [r["data-statuses"] for r in found.all("tr") if "data-statuses" in r] == ["NEW", "OK"]


def test_a_complete_run_is_not_called_incomplete(page, run):
    assert "Incomplete" not in page(run).text


def test_missing_and_refused_pictures_are_said(page, tmp_path):
    """One that is gone, one outside, one that is no picture; the rest is shown."""
    path = tmp_path / "deep" / "run.jsonl"
    one = replace(result("bf16"), exhibits=exhibits(path, "bf16", side=32))
    write_run(path, [one])
    (tmp_path / "secret.png").write_bytes(b"\x89PNG secret")
    folder = path.parent / "run-exhibits"
    (folder / "bf16-0-variant.png").unlink()
    (folder / "bf16-2-flip.png").write_bytes(b"GIF89a" + b"x" * 40)
    (folder / "bf16-numbers.json").write_text("{")

    def lead_out(line):
        for files in (line.get("exhibits") or {}).get("pictures", [])[1:2]:
            files["variant"], files["ssim_map"] = "../secret.png", "/etc/passwd"

    edit_lines(path, lead_out)
    found = page(path)
    assert "variant: 'run-exhibits/bf16-0-variant.png': there is no such file" in found.text
    assert "variant: '../secret.png': refused" in found.text
    assert "ssim map: '/etc/passwd': refused" in found.text
    assert "flip map: no whole PNG picture" in found.text
    assert "The drift and the single errors are not shown" in found.text
    assert base64.b64encode(b"\x89PNG secret").decode() not in found.source
    assert len(found.all("input", type="range")) == 2


def test_results_of_before_there_were_exhibits(page, tmp_path):
    """A file of an older perfsuite has no such fields, and gives a page without pictures."""
    path = write_run(tmp_path / "run.jsonl", [result("bf16")])

    def older(line):
        line.pop("exhibits", None)
        line.pop("chosen", None)
        if line.get("session"):
            for name in ("limits", "compilation", "profile", "relative", "throttled_s"):
                line["session"].pop(name)

    edit_lines(path, older)
    found = page(path)
    assert "No pictures are in this page" in found.text
    assert "Incomplete" not in found.text


def test_a_disturbed_session_says_so(page, tmp_path):
    disturbed = replace(result("bf16").session, contended_s=(0.7, 0.9), unfit="7 of 7 rounds were disturbed")
    found = page(write_run(tmp_path / "run.jsonl", [replace(result("bf16"), session=disturbed)]))
    assert "n=2 calls while other processes took its cores" in found.text
    assert "7 of 7 rounds were disturbed" in found.text


def test_a_bad_baseline_is_said(page, tmp_path):
    """The run's own figures are worth a page without it."""
    path = write_run(tmp_path / "run.jsonl", [result("bf16")])
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / f"{DEVICE.slug}.json").write_text("{")
    assert "Baselines are not shown: " in page(path).text
    other = replace(DEVICE, slug="../../etc/passwd")
    path = write_run(tmp_path / "other.jsonl", [result("bf16")], device=other)
    assert "Baselines are not shown: '../../etc/passwd' cannot be" in page(path).text


def test_two_hundred_variants(page, tmp_path):
    """All are there, none open, the chart in a box of its own."""
    many = [result(f"v{i}", 0.5 + i / 1000) for i in range(200)]
    found = page(write_run(tmp_path / "run.jsonl", many))
    assert len(found.all("details", class_="variant")) == 200
    assert not [d for d in found.all("details") if "open" in d]
    assert len(found.all("div", class_="many")) == 1


def test_one_variant_is_open(page, tmp_path):
    found = page(write_run(tmp_path / "run.jsonl", [result("bf16")]))
    assert "open" in found.all("details", class_="variant")[0]


def test_published_figures_stand_beside_the_tutorials_workload(page, tmp_path):
    """Not beside another, nor beside another size of it."""

    def lines(workload):
        results = [replace(result(name), workload=workload) for name in ("tf32", "bf16", "bf16-sdpa")]
        return len(page(write_run(tmp_path / "run.jsonl", results)).all("line", class_="published"))

    assert (lines("sdxl-base"), lines("shapes"), lines("sdxl-base@512x512")) == (3, 0, 0)


def test_the_template_escapes_by_itself(page, tmp_path, monkeypatch):
    """These tests can fail: without autoescape a record's text becomes elements."""
    import jinja2

    plain = jinja2.Environment
    monkeypatch.setattr(jinja2, "Environment", lambda **o: plain(**{**o, "autoescape": False}))
    shell.environment.cache_clear()
    try:
        found = page(hostile_run(tmp_path / "run.jsonl", HOSTILE[0]))
    finally:
        shell.environment.cache_clear()
    assert HOSTILE[0] in found.source


def test_dates_that_are_none_are_shown_as_they_are(page, tmp_path):
    found = page(write_run(tmp_path / "run.jsonl", [result("bf16")], date="last tuesday"))
    assert "last tuesday" in found.text
    assert DATE not in found.text


def test_a_run_that_recorded_its_baseline_is_to_be_repeated(page, tmp_path):
    """Not to be recorded; what is still without a baseline is."""
    first = [result(name, verdict=verdict(status=Status.NEW)) for name in ("fp32", "bf16")]
    run = write_run(tmp_path / "run.jsonl", first)
    found = page(run).text
    assert "Record a baseline to compare with" in found
    assert "Later runs can be compared once a baseline is recorded." in found
    Baselines(tmp_path / "baselines").update(DEVICE, first[:1], "new")
    found = page(run).text
    assert "Run it again, to compare with what it recorded" in found
    assert "Record a baseline to compare with" in found
    Baselines(tmp_path / "baselines").update(DEVICE, first, "new")
    found = page(run).text
    assert "Record a baseline to compare with" not in found
    assert "It is the baseline of later runs." in found
    assert "none of this device before this run, which recorded one" in found
