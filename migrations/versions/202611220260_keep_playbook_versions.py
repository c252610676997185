"""Keep drafts and past versions of the playbook, and how far a publication has re-scored.

Safe while the old code runs: it reads the active version by columns that stay, and does not know the new table. The
check on the state holds for all rows that the old code can have written.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_playbook_versions"
down_revision = "20261122_rest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("playbook_version", sa.Column("reference", sa.Text(), nullable=True))
    op.add_column("playbook_version", sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("playbook_version", sa.Column("published_by", sa.Text(), nullable=True))
    op.execute(
        "UPDATE playbook_version SET reference = name || '@' || version, published_at = created_at, "
        "published_by = author"
    )
    op.alter_column("playbook_version", "reference", nullable=False)
    op.create_index("ix_playbook_version_reference", "playbook_version", ["reference"], unique=False)
    op.create_check_constraint(
        op.f("ck_playbook_version_state"), "playbook_version", "state IN ('draft', 'active', 'retired')"
    )
    op.create_table(
        "rescore_run",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reach", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("after_id", sa.Uuid(), nullable=False),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("begins_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_rescore_run")),
    )
    op.create_index(
        "ix_rescore_run_open",
        "rescore_run",
        ["version"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_rescore_run_open", table_name="rescore_run", postgresql_where=sa.text("finished_at IS NULL"))
    op.drop_table("rescore_run")
    op.drop_constraint(op.f("ck_playbook_version_state"), "playbook_version", type_="check")
    op.drop_index("ix_playbook_version_reference", table_name="playbook_version")
    op.drop_column("playbook_version", "published_by")
    op.drop_column("playbook_version", "published_at")
    op.drop_column("playbook_version", "reference")
