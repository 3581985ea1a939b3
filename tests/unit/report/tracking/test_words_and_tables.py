"""A history in words: on a terminal, and as Markdown for an issue, whatever stands in its names."""

from __future__ import annotations

import json
from dataclasses import replace

from made_nights import COUNT, LATENCY, night, run, step, trial

from perfsuite.records import Change, Decision, Overview, Shape, State, Tracked
from perfsuite.report.github import MOST_COMMENT_BYTES
from perfsuite.report.tracking import markdown, words
from perfsuite.report.tracking import text as tables
from perfsuite.tracking.overview import overview

EVIL = "<script>@team</script> | [x](javascript:1) \x1b[31m"
HOME = "history.db"


def change(state: State = State.CONFIRMED, **of: object) -> Change:
    series = replace(LATENCY, **of)
    return Change(f"a{series.variant}", series, step(6, 7, 0.5, 0.55), state, True, night(8), night(9))


def seen(*changes: Change, last_run: int = 10) -> Overview:
    runs = [run(i) for i in range(1, last_run + 1)]
    return overview(night(10), runs, {c.series: night(last_run) for c in changes}, changes)


def found(**of: object) -> Change:
    made = change(State.FOUND, **of)
    culprit = {
        "package": "torch", "good": "2.13", "bad": "2.14", "good_git": "aaa", "bad_git": "bbb",
        "link": "https://github.com/pytorch/pytorch/compare/aaa...bbb",
    }  # fmt: skip
    said = Decision(made.id, State.ACKNOWLEDGED, "ada", night(9), "upstream knows")
    return replace(made, culprit=culprit, trials=(trial(made, "REGRESSED", 8),), decisions=(said,))


def test_the_sentence() -> None:
    assert words.verdict(seen()) == f"nothing open on {night(10)}"
    some = seen(
        change(), replace(change(State.NOMINATED, variant="x"), nomination=step(1, 2, 1, 2)), last_run=6
    )
    assert words.verdict(some) == f"1 open, 1 undecided, 1 absence on {night(10)}"


def test_the_table() -> None:
    text = tables.listed(seen(change()), everything=False, colour=False, width=100)
    row = "abf16-sdpa  confirmed  2026-11-07  +10.0 %  bf16-sdpa: latency"
    assert row in text
    assert "\x1b[1;31m" in tables.listed(seen(change()), everything=False, colour=True, width=100)


def test_closed_groups_are_counted_and_shown_where_asked_for() -> None:
    closed = seen(change(State.ACCEPTED))
    assert "1 closed or for the better" in tables.listed(closed, everything=False, colour=False, width=80)
    assert "accepted" in tables.listed(closed, everything=True, colour=False, width=80)


def test_a_narrow_terminal_loses_nothing() -> None:
    one = replace(change(variant="a-variant-of-many-words"), id="0123456789")
    text = tables.listed(seen(one, last_run=6), everything=False, colour=False, width=50)
    assert max(map(len, text.splitlines())) <= 50
    for said in ("0123456789", "confirmed", "+10.0 %", "    a-variant-of-many-words: latency", "no run"):
        assert said in text


def test_nothing_reaches_a_terminal_that_it_would_carry_out() -> None:
    one = found(variant=EVIL)
    (group,) = seen(one).groups
    texts = (
        tables.listed(seen(one), everything=True, colour=False, width=80),
        tables.group(group, HOME, 80),
        tables.series(Tracked(one.series, (), changes=(one,)), 80),
        "\n".join(tables.moved([], [group])),
    )
    for text in texts:
        assert "script" in text
        assert "\x1b" not in text


def test_one_change_in_full() -> None:
    (group,) = seen(found()).groups
    text = tables.group(group, HOME, 100)
    for said in (
        "500 ms -> 550 ms", "+10.0 %, a step, worse", "between         2026-11-06 to 2026-11-07",
        "torch 2.13 (aaa) -> 2.14 (bbb)", "compare/aaa...bbb", "A/B to confirm    2026-11-08 REGRESSED",
        "acknowledged by ada: upstream knows", f"perfsuite track decide {group.id} acknowledged",
    ):  # fmt: skip
        assert said.split()[0] in text
        assert " ".join(said.split()) in " ".join(text.split())


def test_json() -> None:
    document = json.loads(tables.as_json(seen(found(), last_run=6)))
    (group,) = document["groups"]
    assert (group["state"], group["first_bad"], group["changes"][0]["culprit"]["bad"]) == (
        "found", night(7), "2.14",
    )  # fmt: skip
    assert document["absences"][0]["nights"] == 4


def test_the_next_command_is_of_the_state() -> None:
    wanted = {
        State.NOMINATED: "perfsuite track confirm --db history.db",
        State.CONFIRMED: "perfsuite bisect --change abf16-sdpa --db history.db",
        State.FOUND: "perfsuite track decide abf16-sdpa acknowledged --reason WHY --db history.db",
        State.RECOVERED: "perfsuite track show abf16-sdpa --db history.db",
    }
    for state, command in wanted.items():
        (group,) = seen(change(state)).groups
        assert command in [said for _, said in words.next_steps(group, HOME)]


def test_names_are_quoted_in_commands() -> None:
    (group,) = seen(change()).groups
    commands = [command for _, command in words.next_steps(group, "it's")]
    assert len(commands) > 1
    assert all("""--db 'it'"'"'s'""" in command for command in commands)


def test_figures_in_their_units() -> None:
    count = replace(change(), series=COUNT, nomination=step(6, 7, 70, 71, Shape.EXACT))
    appeared = replace(count, nomination=step(6, 7, 0, 71, Shape.EXACT))
    assert words.change(count) == "70 -> 71"
    assert words.change(appeared) == "0 -> 71"
    assert words.value(3 * 2**20, "bytes") == "3 MiB"
    assert words.value(0.123456, "budgets") == "0.1235 budgets"


def test_an_issue_of_one_group() -> None:
    (group,) = seen(found()).groups
    title, empty, *body = markdown.of_group(group, HOME).splitlines()
    assert (title, empty) == ("perfsuite: bf16-sdpa: latency +10.0 % since 2026-11-07 (abf16-sdpa)", "")
    text = "\n".join(body)
    assert "<https://github.com/pytorch/pytorch/compare/aaa...bbb>" in text
    assert "| <code>bf16-sdpa latency, sdxl on h100</code> | 500 ms | 550 ms | +10.0 % |" in text
    assert "perfsuite track decide" in text


def test_an_issue_says_that_it_is_closed() -> None:
    (group,) = seen(change(State.RECOVERED)).groups
    assert markdown.of_group(group, HOME).splitlines()[0].endswith("recovered (abf16-sdpa)")


def test_names_are_text_in_an_issue() -> None:
    one = found(variant=EVIL, unit="<b>")
    one = replace(one, culprit={**one.culprit, "link": "https://x/<img>"})
    (group,) = seen(one).groups
    for text in (markdown.of_group(group, HOME), markdown.summary(seen(one), HOME)):
        title = text.splitlines()[0]
        assert not set("<>@|[]\x1b") & set(title)
        for evil in ("<script", "<img", "<b>", "[x](", "\x1b"):
            assert evil not in text
        assert "@" not in text


def test_a_long_history_fits_into_an_issue() -> None:
    changes = [change(variant=f"v{i}" + "&" * 480) for i in range(400)]
    for text in (
        markdown.of_group(seen(*changes).groups[0], HOME),
        markdown.summary(seen(*changes, last_run=6), HOME),
    ):
        assert len(text.encode()) <= MOST_COMMENT_BYTES
        assert "and 380 more" in text or "Left out for want of room" in text


def test_many_changes_are_a_line_each() -> None:
    changes = [change(variant=f"v{i}") for i in range(40)]
    text = tables.group(seen(*changes).groups[0], HOME, 100)
    assert text.count("nominated") == tables.MOST_IN_FULL
    assert all(f"av{i}" in text for i in range(40))


def test_what_people_are_told_stands_first() -> None:
    one = change()
    (group,) = seen(one).groups
    assert tables.moved([], [group]) == [
        "new: abf16-sdpa  1 confirmed  bf16-sdpa: latency +10.0 % since 2026-11-07"
    ]
    assert tables.moved([one], [group]) == []
    (waiting,) = seen(change(State.NOMINATED)).groups
    assert tables.moved([], [waiting])[0].startswith("abf16-sdpa  1 nominated")
