"""What can go wrong with an environment."""


class EnvironmentsError(Exception):
    """An environment that cannot be had as it is named; says why and what helps."""


class GoneError(EnvironmentsError):
    """A version of which no wheel is kept and none is on the index."""


class UnavailableError(EnvironmentsError):
    """Not the version but the index or the machine is at fault: away, no space, no pip."""
