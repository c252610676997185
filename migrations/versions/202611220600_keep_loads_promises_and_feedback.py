"""Count what everybody in sales has to do, keep promises of first contact, and what sales says of leads.

Safe while the old code runs: new columns have a default or may be empty. What the old code hands over meanwhile is not
counted; the hourly recount puts that right.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_routing"
down_revision = "20261122_weights_and_scans"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("lead", sa.Column("held", _JSON, nullable=True))
    op.add_column("assignment", sa.Column("queue", sa.Text(), nullable=True))
    op.add_column("assignment", sa.Column("beat", _JSON, nullable=False, server_default=sa.text("'[]'::jsonb")))
    op.add_column("assignment", sa.Column("routed_at", _TIME, nullable=False, server_default=sa.text("now()")))
    op.execute(
        "UPDATE assignment SET routed_at = assigned_at, "
        "queue = CASE WHEN owner IS NULL AND released_at IS NULL THEN team END"
    )
    op.create_index(
        "ix_assignment_waiting",
        "assignment",
        ["team", "routed_at", "id"],
        unique=False,
        postgresql_where=sa.text("owner IS NULL AND released_at IS NULL"),
    )
    op.create_index("ix_assignment_lead", "assignment", ["lead_id", "assigned_at"], unique=False)
    op.create_table(
        "owner_load",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("open_leads", sa.Integer(), nullable=False),
        sa.Column("recent", postgresql.ARRAY(_TIME), nullable=False),
        sa.Column("credit", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_owner_load")),
    )
    op.execute(
        "INSERT INTO owner_load (owner, open_leads, recent, credit) SELECT owner, count(*), '{}', 0 FROM assignment "
        "WHERE owner IS NOT NULL AND released_at IS NULL GROUP BY owner"
    )
    op.create_table(
        "account_owner",
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("handed_over_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("team", "domain", name=op.f("pk_account_owner")),
    )
    _create_response_clock()
    _create_feedback()


def _create_response_clock() -> None:
    op.create_table(
        "response_clock",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("sla", sa.Text(), nullable=False),
        sa.Column("met_by", sa.Text(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("steps", _JSON, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("next_at", _TIME, nullable=True),
        sa.Column("breached_at", _TIME, nullable=True),
        sa.Column("stopped_at", _TIME, nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("open_seconds", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_response_clock")),
    )
    op.create_index(
        "uq_response_clock_open",
        "response_clock",
        ["lead_id"],
        unique=True,
        postgresql_where=sa.text("stopped_at IS NULL"),
    )
    op.create_index(
        "ix_response_clock_next",
        "response_clock",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_response_clock_lead", "response_clock", ["lead_id", "started_at"], unique=False)


def _create_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("named", _JSON, nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("duplicate_of", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("effect", sa.Text(), nullable=True),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("applied_at", _TIME, nullable=True),
        sa.Column("failed_at", _TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'rejected', 'attempted', 'contacted', 'meeting', 'opportunity', 'won', 'lost', "
            "'unsubscribed', 'bounced')",
            name=op.f("ck_feedback_outcome"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index(
        "uq_feedback_key",
        "feedback",
        ["sender", "dedupe_key"],
        unique=True,
        postgresql_where=sa.text("dedupe_key IS NOT NULL"),
    )
    op.create_index(
        "ix_feedback_due",
        "feedback",
        ["due_at", "id"],
        unique=False,
        postgresql_where=sa.text("applied_at IS NULL AND failed_at IS NULL"),
    )
    op.create_index("ix_feedback_lead", "feedback", ["lead_id", "occurred_at"], unique=False)


def downgrade() -> None:
    for table in ("feedback", "response_clock", "account_owner", "owner_load"):
        op.drop_table(table)
    op.drop_index("ix_assignment_lead", table_name="assignment")
    op.drop_index("ix_assignment_waiting", table_name="assignment")
    for column in ("routed_at", "beat", "queue"):
        op.drop_column("assignment", column)
    op.drop_column("lead", "held")
