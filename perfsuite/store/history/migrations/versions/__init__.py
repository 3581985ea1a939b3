"""Revisions; each is named by its number."""
