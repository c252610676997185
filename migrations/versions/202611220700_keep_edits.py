"""Keep what people write into leads: an edit is one more entry of the fold, and beats what sources say.

Safe while the old code runs: it does not know the table, and nothing is in it before the new code writes. Once edits
exist, the old code would leave them out when it folds a lead anew.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_edits"
down_revision = "20261122_routing"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "lead_edit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fields", _JSON, nullable=False),
        sa.Column("taken_back", _JSON, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("edited_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_edit")),
    )


def downgrade() -> None:
    op.execute("DELETE FROM membership WHERE submission_id IN (SELECT id FROM lead_edit)")
    op.drop_table("lead_edit")
