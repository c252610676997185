"""Keep versions of the table of bits that matching adds up, and how far a look over the whole base has come.

Safe while the old code runs: it knows neither table, and goes on with the table that it was shipped with.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_weights_and_scans"
down_revision = "20261122_reconcile"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "weights_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("activated_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("activated_by", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('draft', 'active', 'retired')", name=op.f("ck_weights_version_state")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_weights_version")),
    )
    op.create_index(
        "uq_weights_version_active",
        "weights_version",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "dedupe_scan",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("after_id", sa.Uuid(), nullable=False),
        sa.Column("leads", sa.Integer(), nullable=False),
        sa.Column("compared", sa.Integer(), nullable=False),
        sa.Column("merged", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("shown", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("learnt", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dedupe_scan")),
    )
    op.create_index(
        "uq_dedupe_scan_open",
        "dedupe_scan",
        [sa.text("(1)")],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_dedupe_scan_open", table_name="dedupe_scan", postgresql_where=sa.text("finished_at IS NULL"))
    op.drop_table("dedupe_scan")
    op.drop_index(
        "uq_weights_version_active", table_name="weights_version", postgresql_where=sa.text("state = 'active'")
    )
    op.drop_table("weights_version")
