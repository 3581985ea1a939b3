"""What a `verify` can look at beside what ran in one step: one set of observations serves all techniques.

Each of them draws one short picture eagerly, with nothing compiled, unless it says otherwise.
"""
