"""The tables as they are now; how they came to be is in `migrations`.

* A device has one name and may have had others, by which runs still come (``device_alias``).
* An environment is what its hash is of, so runs of equal ones share it.
* A point of a noisy series, and of a gate, is a row a run. Counts come by the hundred a variant and hardly
  ever change: of each series whose ``family`` is not empty a row is kept only where the count is another than
  in the run before, and ``counted`` says which runs counted the family. What has no row before is 0.
* Dates are text, ISO 8601 in UTC to the millisecond, so that text in order is time in order. A run's
  ``position`` is its night and then its date: the order of all that is followed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

if TYPE_CHECKING:
    from sqlalchemy import Dialect

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Json(TypeDecorator[Any]):
    """JSON as text with sorted keys: the same on every server, and equal where its content is."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def _text(name: str, **settings: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **settings)


def _json(name: str) -> Column[Any]:
    return Column(name, Json, nullable=False)


def _run(**settings: Any) -> Column[int]:
    return Column("run", ForeignKey("run.pk"), nullable=False, **settings)


device = Table(
    "device",
    METADATA,
    Column("pk", Integer, primary_key=True),
    _text("name", unique=True),
    _text("slug"),
    _text("kind"),
)
device_alias = Table(
    "device_alias",
    METADATA,
    Column("alias", Text, primary_key=True),
    Column("device", ForeignKey("device.pk"), nullable=False),
)
environment = Table(
    "environment",
    METADATA,
    Column("id", Text, primary_key=True),
    _json("versions"),
    _json("git"),
    _json("surroundings"),
)
run = Table(
    "run",
    METADATA,
    Column("pk", Integer, primary_key=True),
    _text("id", unique=True),
    Column("device", ForeignKey("device.pk"), nullable=False),
    _text("night"),
    _text("date"),
    _text("position"),
    Column("environment", ForeignKey("environment.id"), nullable=False),
    _text("outcome"),
    Column("commit", Text),
    _json("missing"),
    _json("machine"),
    _json("protocols"),
    Index(None, "device", "position"),
)
session = Table(
    "session",
    METADATA,
    _run(primary_key=True),
    _text("workload", primary_key=True),
    _text("variant", primary_key=True),
    _text("samples"),
)
IDENTITY = ("workload", "protocol", "variant", "metric", "unit", "kind", "higher_is_better")
"""What tells two series of a device apart."""
series = Table(
    "series",
    METADATA,
    Column("pk", Integer, primary_key=True),
    Column("device", ForeignKey("device.pk"), nullable=False),
    _text("workload"),
    _text("protocol"),
    _text("variant"),
    _text("metric"),
    _text("unit"),
    _text("kind"),
    Column("higher_is_better", Boolean, nullable=False),
    _text("family"),
    UniqueConstraint("device", *IDENTITY, name="uq_series_identity"),
)
point = Table(
    "point",
    METADATA,
    Column("series", ForeignKey("series.pk"), primary_key=True),
    _run(primary_key=True),
    Column("value", Double),
    Column("error", Double),
    Column("samples", Integer, nullable=False),
    _text("excluded"),
    Index(None, "run"),
    sqlite_with_rowid=False,
)
counted = Table(
    "counted",
    METADATA,
    _run(primary_key=True),
    _text("workload", primary_key=True),
    _text("protocol", primary_key=True),
    _text("variant", primary_key=True),
    _text("family", primary_key=True),
    sqlite_with_rowid=False,
)
event = Table(
    "event",
    METADATA,
    Column("pk", Integer, primary_key=True),
    Column("device", ForeignKey("device.pk"), nullable=False, index=True),
    _text("night"),
    _text("kind"),
    _text("text"),
    Column("workload", Text),
    Column("by_itself", Boolean, nullable=False),
)
change = Table(
    "change",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("series", ForeignKey("series.pk"), nullable=False, index=True),
    _text("shape"),
    _text("last_good"),
    _text("first_bad"),
    Column("before", Double, nullable=False),
    Column("after", Double, nullable=False),
    Column("interval", Json),
    Column("statistic", Double, nullable=False),
    _text("rule"),
    _text("state"),
    Column("worse", Boolean, nullable=False),
    _text("nominated"),
    _text("since"),
    _json("culprit"),
    Column("times_reopened", Integer, nullable=False),
)
trial = Table(
    "trial",
    METADATA,
    Column("pk", Integer, primary_key=True),
    Column("change", ForeignKey("change.id"), nullable=False, index=True),
    _text("purpose"),
    _json("base"),
    _json("head"),
    _text("verdict"),
    Column("ratio", Double),
    Column("interval", Json),
    Column("cost_s", Double, nullable=False),
    _text("date"),
    _text("detail"),
)
decision = Table(
    "decision",
    METADATA,
    Column("pk", Integer, primary_key=True),
    Column("change", ForeignKey("change.id"), nullable=False, index=True),
    _text("state"),
    _text("who"),
    _text("date"),
    _text("reason"),
    Column("until", Text),
)
