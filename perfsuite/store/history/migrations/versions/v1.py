"""1: devices, environments, runs, sessions, series, points, events, changes, trials, decisions.

A revision is never edited, and knows nothing of `perfsuite.store.history.tables`, which goes on.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False)


def _of(name: str, to: str, table: str) -> sa.Column[Any]:
    kind = sa.Text if to.endswith(".id") else sa.Integer
    key = sa.ForeignKey(to, name=f"fk_{table}_{name}")
    return sa.Column(name, kind, key, nullable=False)


def _number() -> sa.Column[Any]:
    return sa.Column("pk", sa.Integer, nullable=False)


def _table(name: str, *columns: Any, key: tuple[str, ...] = ("pk",), rowid: bool = True) -> None:
    primary = sa.PrimaryKeyConstraint(*key, name=f"pk_{name}")
    op.create_table(name, *columns, primary, sqlite_with_rowid=rowid)


def upgrade() -> None:
    """Make all tables."""
    _measured()
    _judged()


def _measured() -> None:
    _table("device", _number(), _text("name"), _text("slug"), _text("kind"),
           sa.UniqueConstraint("name", name="uq_device_name"))  # fmt: skip
    _table("device_alias", _text("alias"), _of("device", "device.pk", "device_alias"), key=("alias",))
    _table("environment", *map(_text, ("id", "versions", "git", "surroundings")), key=("id",))
    _table("run", _number(), _text("id"), _of("device", "device.pk", "run"),
           *map(_text, ("night", "date", "position")), _of("environment", "environment.id", "run"),
           _text("outcome"), sa.Column("commit", sa.Text),
           *map(_text, ("missing", "machine", "protocols")),
           sa.UniqueConstraint("id", name="uq_run_id"))  # fmt: skip
    op.create_index("ix_run_device_position", "run", ["device", "position"])
    _table("session", _of("run", "run.pk", "session"), *map(_text, ("workload", "variant", "samples")),
           key=("run", "workload", "variant"))  # fmt: skip
    identity = ("workload", "protocol", "variant", "metric", "unit", "kind")
    unique = ("device", *identity, "higher_is_better")
    _table("series", _number(), _of("device", "device.pk", "series"), *map(_text, identity),
           sa.Column("higher_is_better", sa.Boolean, nullable=False), _text("family"),
           sa.UniqueConstraint(*unique, name="uq_series_identity"))  # fmt: skip
    _table("point", _of("series", "series.pk", "point"), _of("run", "run.pk", "point"),
           sa.Column("value", sa.Double), sa.Column("error", sa.Double),
           sa.Column("samples", sa.Integer, nullable=False), _text("excluded"),
           key=("series", "run"), rowid=False)  # fmt: skip
    op.create_index("ix_point_run", "point", ["run"])
    group = ("workload", "protocol", "variant", "family")
    _table("counted", _of("run", "run.pk", "counted"), *map(_text, group), key=("run", *group), rowid=False)


def _judged() -> None:
    _table("event", _number(), _of("device", "device.pk", "event"), *map(_text, ("night", "kind", "text")),
           sa.Column("workload", sa.Text), sa.Column("by_itself", sa.Boolean, nullable=False))  # fmt: skip
    op.create_index("ix_event_device", "event", ["device"])
    _table("change", _text("id"), _of("series", "series.pk", "change"),
           *map(_text, ("shape", "last_good", "first_bad")),
           *(sa.Column(name, sa.Double, nullable=False) for name in ("before", "after")),
           sa.Column("interval", sa.Text), sa.Column("statistic", sa.Double, nullable=False),
           *map(_text, ("rule", "state")), sa.Column("worse", sa.Boolean, nullable=False),
           *map(_text, ("nominated", "since", "culprit")),
           sa.Column("times_reopened", sa.Integer, nullable=False), key=("id",))  # fmt: skip
    op.create_index("ix_change_series", "change", ["series"])
    _table("trial", _number(), _of("change", "change.id", "trial"),
           *map(_text, ("purpose", "base", "head", "verdict")), sa.Column("ratio", sa.Double),
           sa.Column("interval", sa.Text), sa.Column("cost_s", sa.Double, nullable=False),
           *map(_text, ("date", "detail")))  # fmt: skip
    op.create_index("ix_trial_change", "trial", ["change"])
    _table("decision", _number(), _of("change", "change.id", "decision"),
           *map(_text, ("state", "who", "date", "reason")), sa.Column("until", sa.Text))  # fmt: skip
    op.create_index("ix_decision_change", "decision", ["change"])
