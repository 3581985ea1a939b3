"""A plan over an engine: blocks are begun, what they leave is kept, whoever watches is told."""
