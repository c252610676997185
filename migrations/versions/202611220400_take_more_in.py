"""Look through spam quickly, keep files while they are imported, and let leads that come by themselves go first.

Safe while the old code runs: it does not know the new tables, the new column has a default, and its claims read the
same rows, only by another index. Spam is kept apart already; its index covers few rows.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_intake"
down_revision = "20261122_replay"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_submission_spam", "submission", ["id"], unique=False, postgresql_where=sa.text("is_spam"))
    op.add_column(
        "pending_submission", sa.Column("is_bulk", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    _index_due(["is_bulk", "due_at", "submission_id"])
    moment = postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "import_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_check", sa.Boolean(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("layout", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rows_done", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("known", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", moment, nullable=False),
        sa.Column("because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('uploading', 'waiting', 'done', 'failed', 'cancelled')", name=op.f("ck_import_run_state")
        ),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_import_run_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
    )
    op.create_index(
        "ix_import_run_waiting",
        "import_run",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "import_part",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["import_run.id"], name=op.f("fk_import_part_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_import_part")),
    )
    op.create_table(
        "import_reject",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["import_run.id"], name=op.f("fk_import_reject_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_import_reject")),
    )


def _index_due(columns: list[str]) -> None:
    """Index the small queue anew: the order in which it is claimed."""
    where = sa.text("failed_at IS NULL")
    op.drop_index("ix_pending_submission_due", table_name="pending_submission", postgresql_where=where)
    op.create_index("ix_pending_submission_due", "pending_submission", columns, unique=False, postgresql_where=where)


def downgrade() -> None:
    op.drop_table("import_reject")
    op.drop_table("import_part")
    op.drop_index("ix_import_run_waiting", table_name="import_run", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_table("import_run")
    _index_due(["due_at", "submission_id"])
    op.drop_column("pending_submission", "is_bulk")
    op.drop_index("ix_submission_spam", table_name="submission", postgresql_where=sa.text("is_spam"))
