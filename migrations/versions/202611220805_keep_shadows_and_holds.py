"""Keep what a version in shadow would decide, and for which signal a step waits.

Safe while the old code runs: it never puts a version in shadow, holds no step for a signal, and the new columns have
defaults. Once steps are held, the old code would send them only when their longest wait is over.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_shadows"
down_revision = "20261122_unseen"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.drop_constraint(op.f("ck_playbook_version_state"), "playbook_version", type_="check")
    op.create_check_constraint(
        op.f("ck_playbook_version_state"), "playbook_version", "state IN ('draft', 'shadow', 'active', 'retired')"
    )
    op.create_index(
        "uq_playbook_version_shadow",
        "playbook_version",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'shadow'"),
    )
    op.create_table(
        "shadow_judgement",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("against", sa.Text(), nullable=False),
        sa.Column("before", _JSON, nullable=True),
        sa.Column("after", _JSON, nullable=True),
        sa.Column("judged_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", "lead_id", name=op.f("pk_shadow_judgement")),
    )
    op.create_index("ix_shadow_judgement_lead", "shadow_judgement", ["lead_id"], unique=False)
    op.add_column("nurture_item", sa.Column("signal", sa.Text(), nullable=True))
    op.add_column(
        "nurture_item", sa.Column("hold_decided", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index(
        "ix_nurture_item_signal",
        "nurture_item",
        ["lead_id"],
        unique=False,
        postgresql_where=sa.text("signal IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_nurture_item_signal", table_name="nurture_item", postgresql_where=sa.text("signal IS NOT NULL"))
    op.drop_column("nurture_item", "hold_decided")
    op.drop_column("nurture_item", "signal")
    op.drop_index("ix_shadow_judgement_lead", table_name="shadow_judgement")
    op.drop_table("shadow_judgement")
    op.execute("UPDATE playbook_version SET state = 'draft' WHERE state = 'shadow'")
    op.drop_index(
        "uq_playbook_version_shadow", table_name="playbook_version", postgresql_where=sa.text("state = 'shadow'")
    )
    op.drop_constraint(op.f("ck_playbook_version_state"), "playbook_version", type_="check")
    op.create_check_constraint(
        op.f("ck_playbook_version_state"), "playbook_version", "state IN ('draft', 'active', 'retired')"
    )
