"""Let behaviour wait for the person who is behind it.

Safe beside old code: it writes nothing here, and what it processes carries no behaviour.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_nurture"
down_revision = "20261122_playbook_versions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "waiting_activity",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "submission_id", name=op.f("pk_waiting_activity")),
    )
    op.create_index(op.f("ix_waiting_activity_submission_id"), "waiting_activity", ["submission_id"])


def downgrade() -> None:
    op.drop_table("waiting_activity")
