"""Which block goes where next, and how long all will take; pure, so that a run and its forecast agree."""
