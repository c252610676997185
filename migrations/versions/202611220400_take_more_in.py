"""Look through spam quickly, keep files while they are imported, and let leads that come by themselves go first.

Safe while the old code runs: it does not know the new tables, the new column has a default, and its claims read the
same rows, only by another index. Spam is kept apart already; its index covers few rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_intake"
down_revision = "20261122_replay"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_submission_spam", "submission", ["id"], unique=False, postgresql_where=sa.text("is_spam"))


def downgrade() -> None:
    op.drop_index("ix_submission_spam", table_name="submission", postgresql_where=sa.text("is_spam"))
