"""One plan over many machines: blocks of what belongs together, placed by an engine, run afresh."""
