"""From what a team wants to know, in ``matrix.toml``, to a plan: blocks, and cells by their content."""
