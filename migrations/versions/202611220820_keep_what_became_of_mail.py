"""Keep of each lead which of its addresses bounced and which were confirmed, and of each bounce whose it was.

An address that bounces gives way to another one of the lead, whatever comes first. Both columns are added without a
rewrite. Safe while the old code runs: it writes neither, and knows of no address but the one that it shows.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_mail"
down_revision = "20261122_expiring"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lead", sa.Column("mail", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")))
    op.add_column("feedback", sa.Column("mailbox", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("feedback", "mailbox")
    op.drop_column("lead", "mail")
