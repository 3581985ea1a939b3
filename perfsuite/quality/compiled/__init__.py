"""A look into compiled code: what single operations of it gave, on the inputs that they had there.

The variant's models are compiled once more, by the same backend with the same settings, and give beside
their outputs what they compute on the way: at the taps. From each tap to the next the few operations
between are computed again, eagerly in the variant's precision and exactly, from what the compiled code
itself had there. So errors cannot grow, and one lost bias stands out as if it were alone.
"""
