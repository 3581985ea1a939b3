"""``perfsuite guide``: the user's guide in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import Terminal, app, fail, terminal


@app.command()
def guide(
    topic: Annotated[
        str | None,
        typer.Argument(help="page to show; default: list them", autocompletion=completing.topics),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="the page as it is written")] = False,
) -> None:
    """Show a page of the user's guide, or list the pages. Exit code 0: shown; 2: there is no such page."""
    from perfsuite.guide import TOPICS, page, title
    from perfsuite.pipelines.variants import UnknownNameError

    if topic is None:
        column = max(map(len, TOPICS)) + 2
        typer.echo("pages, to show with perfsuite guide TOPIC")
        typer.echo("\n".join(f"  {name:<{column}}{title(name)}" for name in TOPICS))
    elif topic not in TOPICS:
        raise fail(UnknownNameError("guide topic", topic, list(TOPICS)))
    elif markdown:
        typer.echo(page(topic), nl=False)
    else:
        how = terminal()
        typer.echo(_rendered(page(topic), how), nl=False, color=how.colour)


def _rendered(text: str, how: Terminal) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.markdown import Markdown

    from perfsuite.guide import for_terminal

    out = StringIO()
    console = Console(file=out, width=how.width, force_terminal=how.colour, no_color=not how.colour)
    console.print(Markdown(for_terminal(text), hyperlinks=False))
    # Without a terminal rich still fills its lines up with blanks.
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))
