"""Let endpoints rest, warn of those that fail, and give them filters, headers and limits of their own.

A lane learns from attempts: how many at once, whether its circuit is open, since when nothing succeeds. Retries and
replays are told from what is new, so that they cannot take its place. Old code that still runs passes over what it does
not know. The index of what is due is made anew: on a large table of deliveries this revision waits for it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_rest"
down_revision = "20261122_notifications"
branch_labels = None
depends_on = None

_PENDING = sa.text("state = 'pending'")
_COUNTS = ("clean", "failures", "window_attempts", "window_failures", "openings", "failing_attempts", "warnings")
_INSTANTS = ("window_from", "failing_since")


def upgrade() -> None:
    op.add_column("lane", sa.Column("width", sa.Integer(), nullable=False, server_default="4"))
    op.execute("UPDATE lane SET width = cap")
    for name in _COUNTS:
        op.add_column("lane", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    for name in _INSTANTS:
        op.add_column("lane", sa.Column(name, postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("lane", sa.Column("per_minute", sa.Integer(), nullable=True))
    op.add_column("lane", sa.Column("tokens", sa.Float(), nullable=False, server_default="0"))
    op.drop_constraint(op.f("ck_endpoint_state"), "endpoint")
    op.create_check_constraint(
        op.f("ck_endpoint_state"), "endpoint", "state IN ('active', 'paused', 'gone', 'misconfigured', 'disabled')"
    )
    op.add_column("endpoint", sa.Column("payload", sa.Text(), nullable=False, server_default="full"))
    op.add_column("endpoint", sa.Column("filter", sa.Text(), nullable=True))
    op.add_column("endpoint", sa.Column("extras", sa.LargeBinary(), nullable=True))
    op.add_column(
        "endpoint", sa.Column("header_names", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}")
    )
    op.add_column("endpoint", sa.Column("authorization", sa.Text(), nullable=True))
    op.add_column("endpoint", sa.Column("verified_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("is_again", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE delivery SET is_again = true WHERE state IN ('pending', 'held') AND attempts > 0")
    op.drop_index("ix_delivery_due", table_name="delivery")
    op.create_index(
        "ix_delivery_due", "delivery", ["endpoint_id", "is_again", "due_at", "event_id"], postgresql_where=_PENDING
    )


def downgrade() -> None:
    op.drop_index("ix_delivery_due", table_name="delivery")
    op.create_index("ix_delivery_due", "delivery", ["endpoint_id", "due_at", "event_id"], postgresql_where=_PENDING)
    op.drop_column("delivery", "is_again")
    op.execute("UPDATE endpoint SET state = 'paused' WHERE state = 'disabled'")
    op.drop_constraint(op.f("ck_endpoint_state"), "endpoint")
    op.create_check_constraint(
        op.f("ck_endpoint_state"), "endpoint", "state IN ('active', 'paused', 'gone', 'misconfigured')"
    )
    for name in ("verified_at", "authorization", "header_names", "extras", "filter", "payload"):
        op.drop_column("endpoint", name)
    for name in ("tokens", "per_minute", *_INSTANTS, *_COUNTS, "width"):
        op.drop_column("lane", name)
