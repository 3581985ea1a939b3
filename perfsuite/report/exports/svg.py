"""The terminal's table as a picture for a page: one SVG without scripts, fonts or anything else to fetch."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from perfsuite.report import format as show
from perfsuite.report import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Run

WIDTH = 118
"""Columns: the whole table side by side."""
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_ASPECT = 0.6
"""Width over height of a character of these fonts, nearly."""
# Fields and measures are those of rich's own, whose fonts come from the network.
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="perfsuite">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px @FONTS@; white-space: pre; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
""".replace("@FONTS@", _FONTS)


def export(runs: Sequence[Run]) -> str:
    """The table of each run, where its calls go by stage, and what is remarkable."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, no_color=False,
                      color_system="truecolor", highlight=False)  # fmt: skip
    for run in runs:
        table = terminal.ladder(
            [r for r in run.results if r.session or r.quality], run.device, colour=True, width=WIDTH
        )
        console.print(Text.from_ansi(table))
        for line in terminal.stages(run.results, WIDTH):
            # Two short of the edge, where a font that is a little wider would be cut.
            console.print(Text("\n".join(show.wrapped(line, WIDTH - 2))))
    return console.export_svg(
        title="perfsuite", code_format=_FORMAT, unique_id="perfsuite", font_aspect_ratio=_ASPECT
    )
