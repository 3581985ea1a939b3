"""How well rules find changes in histories that people have marked: the whole of ``perfsuite evaluate --history``."""
