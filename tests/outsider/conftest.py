"""The example is a project of its own: it is installed and run, not collected here."""

collect_ignore = ["example"]
