"""Replay what is past, keep the order of a lead's events, and measure the parts of an attempt.

Safe while the old code runs: it passes over the new columns, whose defaults mean what it does. The two new indexes on
deliveries hold only what is replayed or ordered, which is nothing yet.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_replay"
down_revision = "20261122_playbook_versions"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)
_IN_ORDER = sa.text("is_ordered AND state IN ('pending', 'leased', 'held', 'dead')")
_REPLAYED = sa.text("replay_id IS NOT NULL")
_RUNNING = sa.text("state = 'running'")
_TIMINGS = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms")


def upgrade() -> None:
    op.add_column("endpoint", sa.Column("is_subscribed", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("endpoint", sa.Column("ordering", sa.Text(), nullable=False, server_default="none"))
    op.add_column("endpoint", sa.Column("poison", sa.Text(), nullable=False, server_default="skip"))
    op.add_column("endpoint", sa.Column("schedule", postgresql.ARRAY(sa.Integer()), nullable=True))
    op.create_check_constraint(op.f("ck_endpoint_ordering"), "endpoint", "ordering IN ('none', 'lead')")
    op.create_check_constraint(op.f("ck_endpoint_poison"), "endpoint", "poison IN ('skip', 'block')")
    op.add_column("lane", sa.Column("host", sa.Text(), nullable=False, server_default=""))
    op.execute(
        "UPDATE lane SET host = coalesce(substring(lower(p.url) FROM '^[a-z]+://\\[([^]]+)'), "
        "substring(lower(p.url) FROM '^[a-z]+://([^/:?#]+)'), '') FROM endpoint AS p WHERE p.id = lane.endpoint_id"
    )
    op.create_index("ix_lane_host", "lane", ["host"])
    op.add_column("lane", sa.Column("redirects", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("lane", sa.Column("because", sa.Text(), nullable=True))
    op.add_column("delivery", sa.Column("sequence", sa.Integer(), nullable=True))
    op.add_column("delivery", sa.Column("is_ordered", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("delivery", sa.Column("replay_id", sa.Uuid(), nullable=True))
    op.create_index("ix_delivery_order", "delivery", ["endpoint_id", "lead_id", "sequence"], postgresql_where=_IN_ORDER)
    op.create_index("ix_delivery_replay", "delivery", ["replay_id", "state"], postgresql_where=_REPLAYED)
    for name in _TIMINGS:
        op.add_column("attempt", sa.Column(name, sa.Integer(), nullable=True))
    op.create_table(
        "replay",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_because", sa.Text(), nullable=True),
        sa.Column("events_from", sa.Uuid(), nullable=False),
        sa.Column("events_until", sa.Uuid(), nullable=False),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("filter", sa.Text(), nullable=True),
        sa.Column("only_undelivered", sa.Boolean(), nullable=False),
        sa.Column("per_second", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.Uuid(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("examined", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("stepped_at", _INSTANT, nullable=False),
        sa.Column("finished_at", _INSTANT, nullable=True),
        sa.CheckConstraint("state IN ('running', 'paused', 'cancelled', 'finished')", name=op.f("ck_replay_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replay")),
    )
    op.create_index("ix_replay_endpoint_id", "replay", ["endpoint_id"])
    op.create_index("ix_replay_running", "replay", ["stepped_at"], postgresql_where=_RUNNING)


def downgrade() -> None:
    op.drop_table("replay")
    for name in _TIMINGS:
        op.drop_column("attempt", name)
    op.drop_index("ix_delivery_replay", table_name="delivery", postgresql_where=_REPLAYED)
    op.drop_index("ix_delivery_order", table_name="delivery", postgresql_where=_IN_ORDER)
    for name in ("replay_id", "is_ordered", "sequence"):
        op.drop_column("delivery", name)
    op.drop_index("ix_lane_host", table_name="lane")
    for name in ("because", "redirects", "host"):
        op.drop_column("lane", name)
    op.drop_constraint(op.f("ck_endpoint_poison"), "endpoint", type_="check")
    op.drop_constraint(op.f("ck_endpoint_ordering"), "endpoint", type_="check")
    for name in ("schedule", "poison", "ordering", "is_subscribed"):
        op.drop_column("endpoint", name)
