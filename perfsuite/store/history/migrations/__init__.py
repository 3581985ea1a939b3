"""How the schema of a history came to be, a revision a file; run by Alembic."""
