"""What a plan over many machines found out: a page with its matrix, and the same as text."""
