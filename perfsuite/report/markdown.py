"""Runs as GitHub-flavoured Markdown: what got worse first, one table, what to do, the rest folded.

For ``$GITHUB_STEP_SUMMARY`` and comments on pull requests. Names, prompts and details come from files that
somebody else may have written: they appear as text, whatever they hold.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.records import UNJUDGED, Cause, Status
from perfsuite.report import counts, figures, messages
from perfsuite.report import format as show
from perfsuite.report.github import MOST_COMMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from perfsuite.records import Result, Run
    from perfsuite.store import BaselineFile

_PLAIN = frozenset(string.ascii_letters + string.digits + " -,%/()=+;?'.")
MOST_CHARACTERS = 500
"""Of one text from a file; a line that nobody reads to its end need not fill the page."""
MOST_LINES = 20
"""Of one kind above and below the table, which has them all."""
_HEADINGS = ("result", "verdict", "change", "interval", "finds from", "median", "speed-up", "SSIM",
             "peak memory")  # fmt: skip


def code(value: str) -> str:
    """`value` as literal text in one line of code: neither Markdown, HTML, mentions nor links come of it."""
    if len(value) > MOST_CHARACTERS:
        value = f"{value[: MOST_CHARACTERS - 1]}…"
    safe = "".join(map(_character, value))
    return f"<code>{re.sub(r'(?i)www[.]', lambda m: f'{m[0][:3]}&#46;', safe)}</code>"


def _character(character: str) -> str:
    if character in _PLAIN:
        return character
    if character.isspace():
        return " "
    if ord(character) > 127:
        # What turns the direction of writing, or is not seen at all, must not hide anything.
        steers = unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn")
        return "\N{REPLACEMENT CHARACTER}" if steers else character
    if not character.isprintable():
        return "\N{REPLACEMENT CHARACTER}"
    # GitHub looks for mentions and mail addresses in the finished text; the comment is gone by then.
    return "&#64;<!-- -->" if character == "@" else f"&#{ord(character)};"


def summary(
    runs: Sequence[Run],
    baselines: Mapping[str, BaselineFile | None] | None = None,
    *,
    most_bytes: int = MOST_COMMENT_BYTES,
    note: str = "",
) -> str:
    """All runs together, as Markdown of at most `most_bytes`; what is left out for that is said.

    `baselines`: by device slug, None where there is no file; without them nothing is said of versions that
    moved. `note`: a sentence that comes first, such as that the run was interrupted. Empty if not even one
    line fits.
    """
    lines = _ordered([_Line(run, result) for run in runs for result in run.results])
    head = [f"## perfsuite: {_title(lines, sum(len(run.cut_off) for run in runs))}", ""]
    if note:
        head += [f"**{note}**", ""]
    head += [*_sentences(runs, lines, baselines), ""]
    foot = _what_to_do(lines)
    shown = [line for line in lines if not figures.is_blank(line.result) or figures.worse(line.result)]
    rows = [_row(line, several=_several(runs)) for line in shown]
    blocks = [_details(line, baselines) for line in lines]
    return _fitted(head, _table_head(several=_several(runs)), rows, foot, blocks, most_bytes)


@dataclass(frozen=True)
class _Line:
    """One result and the run that it is of."""

    run: Run
    result: Result

    @property
    def name(self) -> str:
        return code(f"{self.result.workload} {self.result.variant}")


def _ordered(lines: Sequence[_Line]) -> list[_Line]:
    place = {id(result): i for i, result in enumerate(figures.gravest_first([one.result for one in lines]))}
    return sorted(lines, key=lambda line: place[id(line.result)])


def _several(runs: Sequence[Run]) -> bool:
    return len({run.device.slug for run in runs}) > 1


# -- what is read first ----------------------------------------------------------------------------


def _title(lines: Sequence[_Line], cut_off: int) -> str:
    if not lines:
        return "no results"
    bad = sum(figures.worse(line.result) for line in lines)
    missed = sum(figures.unjudged(line.result) for line in lines) + cut_off
    of = show.several(len(lines), "result")
    if bad:
        return f"{bad} of {of} worse" + (f", {missed} not judged" if missed else "")
    return f"{missed} of {of} not judged" if missed else f"no regression in {of}"


def _sentences(
    runs: Sequence[Run], lines: Sequence[_Line], baselines: Mapping[str, BaselineFile | None] | None
) -> Iterator[str]:
    yield from _unended(runs)
    if not lines:
        yield "Nothing was measured: every test was skipped or deselected, or the run ended before its first."
    bad = [line for line in lines if figures.worse(line.result) or figures.unjudged(line.result)]
    for line in bad[:MOST_LINES]:
        yield f"- **{line.name}: {_worse(line.result)}**"
    if len(bad) > MOST_LINES:
        yield f"- {len(bad) - MOST_LINES} more, see the table"
    statuses = Counter(line.result.verdict.status for line in lines if line.result.verdict)
    if statuses and set(statuses) <= set(UNJUDGED):
        yield "- **No latency was compared.**"
    elif statuses and set(statuses) <= {Status.NEW, Status.INCOMPATIBLE, *UNJUDGED}:
        yield "- **No latency was compared**: there is no baseline to compare with, see below."
    elif statuses[Status.INCONCLUSIVE]:
        yield (
            f"- {show.several(statuses[Status.INCONCLUSIVE], 'comparison')} INCONCLUSIVE: a slowdown below "
            '"finds from" would not have been seen.'
        )
    empty = [line.name for line in lines if figures.is_blank(line.result) and line.result.counted is None]
    if empty:
        more = f" and {len(empty) - MOST_LINES} more" if len(empty) > MOST_LINES else ""
        yield (
            f"- **Nothing was measured of {', '.join(empty[:MOST_LINES])}{more}**: the run was interrupted "
            "there, or the test failed before its first figure."
        )
    if _several(runs):
        devices = len({run.device.slug for run in runs})
        yield f"- {devices} devices: nothing is compared across them, and speed-ups are within one."
    for slug in dict.fromkeys(run.device.slug for run in runs):
        if baselines is not None and baselines.get(slug) is None:
            yield f"- There is no baseline file of {code(slug)}."


def _unended(runs: Sequence[Run]) -> Iterator[str]:
    """What was to be judged and has no line at all: the run ended before it, or is not over."""
    for run in runs:
        known = {f"{r.workload}/{r.variant}" for r in run.results}
        missing = [key for key in run.chosen if key not in known]
        if missing and run.results:
            names = ", ".join(map(code, missing[:MOST_LINES]))
            more = f" and {len(missing) - MOST_LINES} more" if len(missing) > MOST_LINES else ""
            yield f"- **Not judged: {names}{more}**: the run ended before, or is not over."
        if run.cut_off:
            names = ", ".join(map(code, run.cut_off[:MOST_LINES]))
            yield f"- **Measured and not judged: {names}**: the run ended in between, or is not over."


def _worse(result: Result) -> str:
    words = []
    verdict = result.verdict
    if verdict is not None and verdict.status is Status.REGRESSED:
        change = f" {show.change(verdict.ratio)}" if verdict.ratio is not None else ""
        words.append(f"REGRESSED{change}")
    elif verdict is not None and verdict.status in figures.unjudged_as(result):
        words.append(f"{verdict.status}: {code(verdict.detail)}")
    words += _counts(result)
    words += [f"{code(q.name)} {q.verdict.status}" for q in figures.amounts(result)]
    words += [f"{code(look)} {status}" for look, status, _ in figures.wrong(result)]
    return ", ".join(words)


def _counts(result: Result) -> list[str]:
    return [f"counts {Status.REGRESSED}"] if figures.rose(result) else []


def _status(result: Result) -> str:
    words = [result.verdict.status.value] if result.verdict is not None else []
    words += _counts(result)
    words += [f"{code(q.name)} {q.verdict.status}" for q in figures.amounts(result)]
    words += [f"{code(look)} {status}" for look, status, _ in figures.complaints(result)]
    return ", ".join(words) or show.DASH


def _table_head(*, several: bool) -> list[str]:
    headings = (*(("device",) if several else ()), *_HEADINGS)
    texts = 3 if several else 2
    rule = [":--" if i < texts else "--:" for i in range(len(headings))]
    return [f"| {' | '.join(headings)} |", f"|{'|'.join(rule)}|"]


def _row(line: _Line, *, several: bool) -> str:
    result, verdict, session = line.result, line.result.verdict, line.result.session
    status = _status(result)
    interval = finds = None
    if verdict is not None and verdict.interval is not None:
        interval = f"{show.change(verdict.interval[0])} to {show.change(verdict.interval[1])}"
    if verdict is not None and verdict.minimum_detectable_effect is not None:
        finds = show.change(1.0 + verdict.minimum_detectable_effect)
    speedup = figures.speedup(result, line.run.results)
    cells = (
        *((code(line.run.device.slug),) if several else ()),
        line.name,
        f"**{status}**" if figures.worse(result) or figures.unjudged(result) else status,
        show.change(verdict.ratio if verdict and verdict.baseline_s else None),
        interval or show.DASH,
        finds or show.DASH,
        f"{show.seconds(figures.median_s(result))}, n={len(session.latency_s)}" if session else show.DASH,
        show.DASH if speedup is None else f"{speedup:.2f}x",
        show.similarity(figures.least_ssim(result)),
        show.memory(session.peak_memory_bytes if session else None),
    )
    return f"| {' | '.join(cells)} |"


def _what_to_do(lines: Sequence[_Line]) -> list[str]:
    steps = [(line.name, step) for line in lines for step in messages.next_steps(line.result)]
    verdicts = [line.result.verdict for line in lines if line.result.verdict]
    said = [f"- {name}: {label}: {code(command)}" for name, (label, command) in steps[:MOST_LINES]]
    if len(steps) > MOST_LINES:
        said.append("- and so on for the others")
    if any(verdict.status is Status.NEW for verdict in verdicts):
        said.append(f"- record what is NEW: {code('pytest --benchmark-only --perf-update=new')}")
    if any(v.status is Status.INCONCLUSIVE and Cause.FEW_SESSIONS in v.causes for v in verdicts):
        record = code("perfsuite calibrate --sessions 5")
        said.append(f"- too few sessions to find a small slowdown, record more: {record}")
    return ["", "**What to do**", "", *said] if said else []


# -- what is folded --------------------------------------------------------------------------------


def _details(line: _Line, baselines: Mapping[str, BaselineFile | None] | None) -> str:
    result, verdict, session = line.result, line.result.verdict, line.result.session
    said = []
    if verdict is not None:
        said.append(f"{verdict.status}: {code(verdict.detail)}")
        if verdict.causes:
            said.append(f"causes: {', '.join(verdict.causes)}")
    if result.counted is not None:
        detail = counts.detail(result.counted)
        said.append(f"counts {result.counted.status}{f': {code(detail)}' if detail else ''}")
    said += [f"{code(q.name)} {q.verdict.status}: {code(q.verdict.detail)}" for q in figures.amounts(result)]
    said += [f"{code(look)} {status}: {code(detail)}" for look, status, detail in figures.complaints(result)]
    if session is not None:
        said.append(_session(session.date, session.versions, session.commit))
        said += list(_stored(line, baselines))
        if session.compile_s is not None:
            source = f", {session.compilation.source}" if session.compilation else ""
            said.append(f"compile {show.seconds(session.compile_s)}{source}")
        if session.throttled_s:
            said.append(f"{show.several(len(session.throttled_s), 'sample')} left out: the GPU was throttled")
        if session.contended_s:
            beside = "other processes took its cores"
            said.append(f"{show.several(len(session.contended_s), 'sample')} set apart: {beside}")
        if session.unfit:
            said.append(f"no weight: {code(session.unfit)}")
    if result.quality is not None:
        said += [
            f"picture {score.status}: SSIM {show.similarity(score.ssim)}"
            f" (least allowed {show.similarity(score.threshold)}): {code(score.prompt)}"
            for score in result.quality.scores
        ]
    said += [code(evidence) for evidence in result.evidence]
    body = "\n".join(f"  - {one}" for one in said or ["nothing was measured"])
    return f"- **{line.name}** on {code(line.run.device.name)}\n{body}\n"


def _session(date: str, versions: Mapping[str, str], commit: str | None) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    at = f", commit {code(commit)}" if commit else ""
    return f"measured {code(date)}{at} with {code(packages)}"


def _stored(line: _Line, baselines: Mapping[str, BaselineFile | None] | None) -> Iterator[str]:
    stored = (baselines or {}).get(line.run.device.slug)
    entry = stored and stored.entries.get(f"{line.result.workload}/{line.result.variant}")
    if not entry or line.result.session is None:
        return
    newest = entry.sessions[-1]
    moved = messages.differences(line.result.session.versions, newest.versions)
    yield f"baseline of {show.several(len(entry.sessions), 'session')}, the newest of {code(newest.date)}"
    yield f"differs from it: {code(moved)}"


# -- what fits -------------------------------------------------------------------------------------


def _fitted(
    head: Sequence[str],
    table_head: Sequence[str],
    rows: Sequence[str],
    foot: Sequence[str],
    blocks: Sequence[str],
    most_bytes: int,
) -> str:
    """The gravest come first in rows and blocks, so that the end can go."""
    fold, unfold = "<details><summary>Details</summary>\n\n", "\n</details>\n"
    spare = most_bytes - _size(fold + unfold) - 2 * len(_LEFT_OUT) - 40
    opening = "\n".join([*head, *(table_head if rows else ())])
    kept_rows = _as_many(rows, spare - _size(opening) - _size("\n".join(foot)))
    if len(kept_rows) < len(rows):
        foot = [_left_out(len(rows) - len(kept_rows), "row"), *foot] if foot else []
    page = "\n".join([opening, *kept_rows, *foot]) + "\n\n"
    if _size(page) > spare:
        page = f"{head[0]}\n\nThe summary does not fit here; the results file has it all.\n"
        return page if _size(page) <= most_bytes else ""
    kept = _as_many(blocks, spare - _size(page))
    if blocks:
        rest = f"{_left_out(len(blocks) - len(kept), 'result')}\n" if len(kept) < len(blocks) else ""
        page += fold + "\n".join(kept) + rest + unfold
    return page


_LEFT_OUT = "\nLeft out for want of room: {}. All of it is in the results file."


def _left_out(number: int, noun: str) -> str:
    return _LEFT_OUT.format(show.several(number, noun))


def _as_many(parts: Sequence[str], most_bytes: int) -> list[str]:
    kept = []
    for part in parts:
        most_bytes -= _size(part) + 1
        if most_bytes < 0:
            break
        kept.append(part)
    return kept


def _size(value: str) -> int:
    return len(value.encode())
