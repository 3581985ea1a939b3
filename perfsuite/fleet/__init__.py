"""One plan over many machines: blocks of what belongs together, placed by an engine, run afresh.

`planning` makes the plan, `driving` runs it, `results` reads what came of it. Below them: `blocks`, what one
machine is told to do; `scheduling`, where it goes; `ledger`, what happened; `executors`, engines that place.
"""
