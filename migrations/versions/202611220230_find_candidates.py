"""Find people who share no exact key: block keys, what matching compares of a lead, and questions for a person.

Safe while the old code runs: the new columns have a default or may be empty. Leads that the old code wrote have an
empty profile, which matches nothing but their identity keys, until their next submission.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_matching"
down_revision = "20261122_merges"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("lead", sa.Column("profile", _JSON, nullable=False, server_default=sa.text("'{}'::jsonb")))
    op.add_column("membership", sa.Column("match", _JSON, nullable=True))
    op.create_table(
        "block_key",
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("key", "lead_id", name=op.f("pk_block_key")),
    )
    op.create_index(op.f("ix_block_key_lead_id"), "block_key", ["lead_id"], unique=False)
    op.create_table(
        "match_recheck",
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_match_recheck")),
    )
    op.create_index(op.f("ix_match_recheck_due_at"), "match_recheck", ["due_at"], unique=False)
    op.create_table(
        "match_review",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("candidate_id", sa.Uuid(), nullable=False),
        sa.Column("bits", sa.Double(), nullable=False),
        sa.Column("match", _JSON, nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", _TIME, nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.CheckConstraint("answer IN ('same', 'not_same')", name=op.f("ck_match_review_answer")),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_match_review")),
    )
    op.create_index(op.f("ix_match_review_lead_id"), "match_review", ["lead_id"], unique=False)
    op.create_index(op.f("ix_match_review_candidate_id"), "match_review", ["candidate_id"], unique=False)
    op.create_index(
        "ix_match_review_open",
        "match_review",
        ["bits", "submission_id"],
        unique=False,
        postgresql_where=sa.text("answer IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("match_review")
    op.drop_table("match_recheck")
    op.drop_table("block_key")
    op.drop_column("membership", "match")
    op.drop_column("lead", "profile")
