"""Keep when an administrator was last told that what is held for an endpoint will be given up.

Safe while the old code runs: it gives nothing up, and passes over the column.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_expiring"
down_revision = "20261122_shadows"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lane", sa.Column("expiry_told_at", postgresql.TIMESTAMP(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("lane", "expiry_told_at")
