"""Let behaviour wait for the person who is behind it, and give each lead on a track its next step.

Safe beside old code: it writes no steps, and leads that it puts on a track are planned by the next sweep.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_nurture"
down_revision = "20261122_intake"
branch_labels = None
depends_on = None

_OPEN = sa.text("state IN ('waiting', 'leased')")


def upgrade() -> None:
    op.create_table(
        "waiting_activity",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "submission_id", name=op.f("pk_waiting_activity")),
    )
    op.create_index(op.f("ix_waiting_activity_submission_id"), "waiting_activity", ["submission_id"])
    op.add_column("enrolment", sa.Column("planned_by", sa.Text(), nullable=True))
    op.create_index("ix_enrolment_lead", "enrolment", ["lead_id", "track"])
    op.create_index("ix_enrolment_planned", "enrolment", ["planned_by"], postgresql_where=sa.text("exited_at IS NULL"))
    op.create_table(
        "nurture_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("track", "step", "channel", "content")],
        sa.Column("window_name", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.Column("sent_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nurture_item")),
        sa.CheckConstraint("state IN ('waiting', 'leased', 'sent', 'cancelled')", name=op.f("ck_nurture_item_state")),
    )
    op.create_index("ix_nurture_item_due", "nurture_item", ["track", "due_at", "id"], postgresql_where=_OPEN)
    op.create_index("uq_nurture_item_open", "nurture_item", ["enrolment_id"], unique=True, postgresql_where=_OPEN)
    op.create_index("ix_nurture_item_lead", "nurture_item", ["lead_id", "id"])


def downgrade() -> None:
    op.drop_table("nurture_item")
    op.drop_index("ix_enrolment_planned", table_name="enrolment")
    op.drop_index("ix_enrolment_lead", table_name="enrolment")
    op.drop_column("enrolment", "planned_by")
    op.drop_table("waiting_activity")
