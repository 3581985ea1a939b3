"""A history as people read it: a table, Markdown for an issue, and a folder of pages (`site`)."""
