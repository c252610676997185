"""Remember with which snapshot the people of a new lead were looked for.

Safe while the old code runs: it leaves the column empty, and a lead without it is compared with all that were made
shortly before it, as until now.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_unseen"
down_revision = "20261122_edits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("match_recheck", sa.Column("seen", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("match_recheck", "seen")
