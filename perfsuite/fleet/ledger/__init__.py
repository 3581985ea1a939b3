"""What was begun and how it ended, kept; and what follows of it: what is tried again, what blocks take."""
