"""One GitHub issue a group of changes, through gh: ``python3 .ci/issues.py PERFSUITE``.

A group that is open has an open issue, opened once and brought up to date each night; the issue of a group
that has recovered, or that somebody accepted, is closed. So is that of a group that is now part of another
one. A mark in its text, which nobody sees, says of which change it is. What comes and goes again and again is
left alone.
"""

import json
import subprocess
import sys

LABEL = "performance-change"
OPEN = ("confirmed", "bisecting", "found")
OVER = ("recovered", "fixed", "accepted")
MARK = "<!-- perfsuite change group {} -->"


def said(*command: str, codes: tuple[int, ...] = (0,), text: str | None = None) -> str:
    """What a command printed; it ends this where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, input=text)
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(command[:4])}: exit {done.returncode}")
    return done.stdout


def known() -> dict[str, dict[str, object]]:
    """Issues by the mark in their text."""
    fields = ("issue", "list", "--label", LABEL, "--state", "all", "--limit", "500", "--json")
    found = {}
    for issue in json.loads(said("gh", *fields, "number,state,title,body")):
        for line in issue["body"].splitlines():
            if line.startswith(MARK.split("{}")[0]):
                found.setdefault(line.strip(), issue)
    return found


def update(perfsuite: str, group: dict[str, object], issue: dict[str, object] | None) -> None:
    """Open, edit, reopen or close the issue of a group."""
    is_open, is_over = group["state"] in OPEN, group["state"] in OVER
    if not is_open and (issue is None or not is_over):
        return
    title, _, rest = said(perfsuite, "track", "summary", "--group", str(group["id"])).partition("\n")
    title = title.lstrip("# ").strip()
    body = f"{rest.strip()}\n\n{MARK.format(group['id'])}\n"
    if issue is None:
        said("gh", "issue", "create", "--title", title, "--label", LABEL, "--body-file", "-", text=body)
        return
    number = str(issue["number"])
    if (issue["title"], str(issue["body"]).replace("\r\n", "\n").strip()) != (title, body.strip()):
        said("gh", "issue", "edit", number, "--title", title, "--body-file", "-", text=body)
    if is_open and issue["state"] == "CLOSED":
        said("gh", "issue", "reopen", number)
    if is_over and issue["state"] == "OPEN":
        said("gh", "issue", "close", number, "--comment", f"This change is {group['state']}.")


def main(perfsuite: str) -> None:
    """Every group of changes for the worse."""
    groups = json.loads(said(perfsuite, "track", "list", "--all", "--json", codes=(0, 1, 3)))["groups"]
    said("gh", "label", "create", LABEL, "--force", "--description", "made by perfsuite")
    issues = known()
    failed = []
    for group in groups:
        # By any of its changes: with another night it may be named after another one.
        marks = [MARK.format(name) for name in (group["id"], *(change["id"] for change in group["changes"]))]
        found = [issues.pop(mark) for mark in dict.fromkeys(marks) if mark in issues]
        try:
            if group["worse"] and group["told"]:
                update(perfsuite, group, found[0] if found else None)
            for issue in found[1:]:
                if issue["state"] == "OPEN":
                    number = str(issue["number"])
                    said("gh", "issue", "close", number, "--comment", "This is part of another issue now.")
        except SystemExit as error:  # of one issue; the others are told all the same
            failed.append(f"{group['id']}: {error}")
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main(sys.argv[1])
