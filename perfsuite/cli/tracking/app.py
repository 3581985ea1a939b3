"""The command ``perfsuite track`` itself."""

from perfsuite.cli.app import Commands, app

track = Commands(
    help="Follow figures from night to night: history nominates a change, an A/B decides, bisection names it."
)
app.add_typer(track, name="track")
