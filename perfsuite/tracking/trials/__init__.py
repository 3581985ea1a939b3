"""An A/B of two environments, or their counts, as the answer to what history nominated."""
