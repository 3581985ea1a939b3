"""How well rules find changes in histories that people have marked: ``perfsuite evaluate --history``."""
