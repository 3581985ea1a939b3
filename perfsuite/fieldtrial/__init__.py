"""Do verdicts hold where people work? The real commands, recorded and checked beside other work.

A trial runs them (`trial`), keeps every session (`sessions`) and counts the verdicts (`outcomes`); `replay`
judges kept sessions again, without measuring.
"""
