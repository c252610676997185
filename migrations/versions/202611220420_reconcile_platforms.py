"""Read platforms' lists of leads through, so that a lost announcement is no lost lead; and know how a source does.

Webhooks alone lose leads. Each list at a platform gets a watermark that moves only when the list was read to its end;
a token gets its end, what renews it, and when its platform is asked next. What came by a source is counted in a row of
its own, so that no hot table has to be counted to say it. Orders to delete are carried out now, and kept as
tombstones; the index of what is due leaves out those that are done. Safe while the old code runs: every new column has
a default, and the old code goes on claiming by the columns that it knows; orders that it has put aside are taken up.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_reconcile"
down_revision = "20261122_nurture"
branch_labels = None
depends_on = None

_MOMENT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("notification", sa.Column("done_at", _MOMENT, nullable=True))
    op.drop_index("ix_notification_due", table_name="notification", postgresql_where=sa.text("failed_at IS NULL"))
    op.create_index(
        "ix_notification_due",
        "notification",
        ["source_id", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("failed_at IS NULL AND done_at IS NULL"),
    )
    op.execute("UPDATE notification SET failed_at = NULL, error = NULL WHERE action = 'deleted'")
    for name, kind in (
        ("expires_at", _MOMENT),
        ("refresh_sealed", sa.LargeBinary()),
        ("refresh_expires_at", _MOMENT),
        ("renew_at", _MOMENT),
        ("spared_until", _MOMENT),
        ("failing_since", _MOMENT),
        ("told", sa.Text()),
        ("warned_at", _MOMENT),
        ("poll_since", _MOMENT),
        ("polled_at", _MOMENT),
        ("checked_at", _MOMENT),
        ("subscription", sa.Text()),
    ):
        op.add_column("source_token", sa.Column(name, kind, nullable=True))
    for name in ("poll_at", "check_at"):
        op.add_column("source_token", sa.Column(name, _MOMENT, server_default=sa.text("now()"), nullable=False))
    op.create_table(
        "source_feed",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("feed_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("form", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("read_at", _MOMENT, nullable=False),
        sa.Column("watermark", _MOMENT, nullable=True),
        sa.Column("began_at", _MOMENT, nullable=True),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("fk_source_feed_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", "feed_id", name=op.f("pk_source_feed")),
    )
    op.create_table(
        "source_health",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("last_received_at", _MOMENT, nullable=True),
        sa.Column("refused_at", _MOMENT, nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("fk_source_health_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_source_health")),
    )


def downgrade() -> None:
    op.drop_table("source_health")
    op.drop_table("source_feed")
    for name in (
        *("expires_at", "refresh_sealed", "refresh_expires_at", "renew_at", "spared_until", "failing_since", "told"),
        *("warned_at", "poll_at", "poll_since", "polled_at", "check_at", "checked_at", "subscription"),
    ):
        op.drop_column("source_token", name)
    op.drop_index(
        "ix_notification_due",
        table_name="notification",
        postgresql_where=sa.text("failed_at IS NULL AND done_at IS NULL"),
    )
    op.create_index(
        "ix_notification_due",
        "notification",
        ["source_id", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("failed_at IS NULL"),
    )
    op.drop_column("notification", "done_at")
