"""Quantities as their annotations check them; each carries its unit in its name as well."""

from typing import Annotated

from annotated_types import Ge, Gt

Seconds = Annotated[float, Gt(0)]
Bytes = Annotated[int, Ge(0)]
Count = Annotated[int, Ge(0)]
