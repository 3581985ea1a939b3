"""One block: the command that a machine runs for it, and what it means how that ended."""
