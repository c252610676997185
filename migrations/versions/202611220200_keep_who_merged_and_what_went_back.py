"""Keep who merged two leads, who took it back and what went where; remember who is not the same person.

Safe while the old code runs: the new columns have a default or may be empty, and nothing reads the new table yet.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_merges"
down_revision = "20261121_journey"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("merge", sa.Column("actor", sa.Text(), nullable=False, server_default="leadhub"))
    op.alter_column("merge", "actor", server_default=None)
    op.add_column("merge", sa.Column("undone_by", sa.Text(), nullable=True))
    op.add_column("merge", sa.Column("undone_because", sa.Text(), nullable=True))
    op.add_column("merge", sa.Column("undone", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_table(
        "not_same",
        sa.Column("one", sa.Uuid(), nullable=False),
        sa.Column("other", sa.Uuid(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("declared_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("one < other", name=op.f("ck_not_same_order")),
        sa.PrimaryKeyConstraint("one", "other", name=op.f("pk_not_same")),
    )
    op.create_index(op.f("ix_not_same_other"), "not_same", ["other"], unique=False)


def downgrade() -> None:
    op.drop_table("not_same")
    for column in ("undone", "undone_because", "undone_by", "actor"):
        op.drop_column("merge", column)
