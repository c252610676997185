"""Keep what platforms send and is no lead yet: announcements, what lets us fetch, and what nobody could read.

A notification of Meta or LinkedIn has no personal data: the lead is read at the platform afterwards, which can fail for
days (an expired token, a spent quota). Until it succeeds the notification is the only thing that knows of the lead, so
it is a row. What a platform sent and nobody could read is acknowledged, because it would otherwise stop sending, and is
kept until its mapping is right. Safe while the old code runs: it neither writes nor reads these tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_notifications"
down_revision = "20261122_matching"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("fk_notification_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint(
            "source_id", "object_id", "action", name=op.f("uq_notification_source_id_object_id_action")
        ),
    )
    op.create_index(
        "ix_notification_due",
        "notification",
        ["source_id", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("failed_at IS NULL"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_quarantine_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_index("ix_quarantine_source", "quarantine", ["source_id", "id"], unique=False)
    op.create_table(
        "source_token",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("paused_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("needs_reauth_since", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("fk_source_token_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_source_token")),
    )


def downgrade() -> None:
    op.drop_table("source_token")
    op.drop_index("ix_quarantine_source", table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index("ix_notification_due", table_name="notification", postgresql_where=sa.text("failed_at IS NULL"))
    op.drop_table("notification")
