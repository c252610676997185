"""Create the tables of the journey: from a submission to a signed delivery.

The first revision: nothing runs yet. The big append-only tables are partitioned from the start, because a table
cannot be turned into a partitioned one while it is written to; their partitions are made by `store.partitions`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261121_journey"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activity",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("submission_id", "ordinal", name=op.f("pk_activity")),
        postgresql_partition_by="RANGE (submission_id)",
    )
    op.create_table(
        "admin_idempotency",
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller_id", "key", name=op.f("pk_admin_idempotency")),
    )
    op.create_index(op.f("ix_admin_idempotency_created_at"), "admin_idempotency", ["created_at"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("last4", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_used_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_key_token_sha256")),
    )
    op.create_table(
        "assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("sla", sa.Text(), nullable=True),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("assigned_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("released_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
    )
    op.create_index(
        "ix_assignment_owner_open",
        "assignment",
        ["owner"],
        unique=False,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        "uq_assignment_open", "assignment", ["lead_id"], unique=True, postgresql_where=sa.text("released_at IS NULL")
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.Column("remote_ip", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("response_headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("response_body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ix_attempt_delivery", "attempt", ["delivery_id"], unique=False)
    op.create_table(
        "consent_record",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=True),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("submission_id", "ordinal", name=op.f("pk_consent_record")),
        postgresql_partition_by="RANGE (submission_id)",
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'delivered', 'held', 'dead', 'cancelled')", name=op.f("ck_delivery_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["endpoint_id", "due_at", "event_id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_delivery_lead", "delivery", ["lead_id", "id"], unique=False)
    op.create_index(
        "ix_delivery_lease_until",
        "delivery",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'leased'"),
    )
    op.create_index(
        "ix_delivery_leased", "delivery", ["endpoint_id"], unique=False, postgresql_where=sa.text("state = 'leased'")
    )
    op.create_index(
        "ix_delivery_stuck", "delivery", ["id"], unique=False, postgresql_where=sa.text("state IN ('held', 'dead')")
    )
    op.create_index("uq_delivery_event_endpoint", "delivery", ["event_id", "endpoint_id"], unique=True)
    op.create_table(
        "endpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("include_test", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_because", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused', 'gone', 'misconfigured')", name=op.f("ck_endpoint_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint")),
    )
    op.create_table(
        "enrolment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("track", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("enrolled_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("exited_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("exit_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment")),
    )
    op.create_index(
        "ix_enrolment_track_open",
        "enrolment",
        ["track", "enrolled_at"],
        unique=False,
        postgresql_where=sa.text("exited_at IS NULL"),
    )
    op.create_index(
        "uq_enrolment_open", "enrolment", ["lead_id"], unique=True, postgresql_where=sa.text("exited_at IS NULL")
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_table(
        "fact",
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("attributes_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lead_id", "type", "attributes_sha256", name=op.f("pk_fact")),
    )
    op.create_table(
        "identity_key",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("first_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active', 'shared')", name=op.f("ck_identity_key_status")),
        sa.PrimaryKeyConstraint("kind", "value", "lead_id", name=op.f("pk_identity_key")),
    )
    op.create_index(op.f("ix_identity_key_lead_id"), "identity_key", ["lead_id"], unique=False)
    op.create_index(
        "uq_identity_key_active",
        "identity_key",
        ["kind", "value"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "lead",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_activity_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("golden", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attribution", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("consents", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("evaluation", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("score_total", sa.Integer(), nullable=False),
        sa.Column("score_fit", sa.Integer(), nullable=False),
        sa.Column("score_engagement", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("temperature", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("route_rule", sa.Text(), nullable=False),
        sa.Column("route_because", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("track", sa.Text(), nullable=True),
        sa.Column("disqualified_reason", sa.Text(), nullable=True),
        sa.Column("sales_decision", sa.Text(), nullable=True),
        sa.Column("rescore_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead")),
    )
    op.create_index(
        "ix_lead_email", "lead", [sa.literal_column("((golden -> 'email'::text) ->> 'value'::text)")], unique=False
    )
    op.create_index(op.f("ix_lead_merged_into"), "lead", ["merged_into"], unique=False)
    op.create_index(
        "ix_lead_rescore", "lead", ["rescore_at"], unique=False, postgresql_where=sa.text("rescore_at IS NOT NULL")
    )
    op.create_index("ix_lead_stage", "lead", ["stage", "id"], unique=False)
    op.create_index("ix_lead_updated", "lead", ["updated_at", "id"], unique=False)
    op.create_table(
        "membership",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_lead_id"), "membership", ["lead_id"], unique=False)
    op.create_table(
        "merge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("winner_id", sa.Uuid(), nullable=False),
        sa.Column("loser_id", sa.Uuid(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("moved", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merged_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("undone_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge")),
    )
    op.create_index(op.f("ix_merge_loser_id"), "merge", ["loser_id"], unique=False)
    op.create_index(op.f("ix_merge_winner_id"), "merge", ["winner_id"], unique=False)
    op.create_table(
        "pending_submission",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_pending_submission")),
    )
    op.create_index(
        "ix_pending_submission_due",
        "pending_submission",
        ["due_at", "submission_id"],
        unique=False,
        postgresql_where=sa.text("failed_at IS NULL"),
    )
    op.create_index(
        "ix_pending_submission_failed",
        "pending_submission",
        ["failed_at"],
        unique=False,
        postgresql_where=sa.text("failed_at IS NOT NULL"),
    )
    op.create_table(
        "playbook_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_playbook_version")),
    )
    op.create_index(
        "uq_playbook_version_active",
        "playbook_version",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "score_line",
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("lead_version", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lead_id", "lead_version", "rule", name=op.f("pk_score_line")),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("key", name=op.f("uq_source_key")),
    )
    op.create_table(
        "stage_change",
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("lead_version", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lead_id", "lead_version", name=op.f("pk_stage_change")),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("raw_type", sa.Text(), nullable=False),
        sa.Column("is_spam", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_table(
        "submission_key",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("permanent", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "dedupe_key", name=op.f("pk_submission_key")),
    )
    op.create_index(op.f("ix_submission_key_created_at"), "submission_key", ["created_at"], unique=False)
    op.create_table(
        "team_cursor",
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("team", name=op.f("pk_team_cursor")),
    )
    op.create_table(
        "endpoint_secret",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoint.id"], name=op.f("fk_endpoint_secret_endpoint_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_secret")),
    )
    op.create_index(op.f("ix_endpoint_secret_endpoint_id"), "endpoint_secret", ["endpoint_id"], unique=False)
    op.create_table(
        "lane",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("last_served_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("blocked_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cap", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoint.id"], name=op.f("fk_lane_endpoint_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("endpoint_id", name=op.f("pk_lane")),
    )
    op.create_table(
        "source_secret",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("fk_source_secret_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_secret")),
    )
    op.create_index(op.f("ix_source_secret_source_id"), "source_secret", ["source_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_source_secret_source_id"), table_name="source_secret")
    op.drop_table("source_secret")
    op.drop_table("lane")
    op.drop_index(op.f("ix_endpoint_secret_endpoint_id"), table_name="endpoint_secret")
    op.drop_table("endpoint_secret")
    op.drop_table("team_cursor")
    op.drop_index(op.f("ix_submission_key_created_at"), table_name="submission_key")
    op.drop_table("submission_key")
    op.drop_table("submission")
    op.drop_table("stage_change")
    op.drop_table("source")
    op.drop_table("score_line")
    op.drop_index(
        "uq_playbook_version_active", table_name="playbook_version", postgresql_where=sa.text("state = 'active'")
    )
    op.drop_table("playbook_version")
    op.drop_index(
        "ix_pending_submission_failed",
        table_name="pending_submission",
        postgresql_where=sa.text("failed_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_pending_submission_due", table_name="pending_submission", postgresql_where=sa.text("failed_at IS NULL")
    )
    op.drop_table("pending_submission")
    op.drop_index(op.f("ix_merge_winner_id"), table_name="merge")
    op.drop_index(op.f("ix_merge_loser_id"), table_name="merge")
    op.drop_table("merge")
    op.drop_index(op.f("ix_membership_lead_id"), table_name="membership")
    op.drop_table("membership")
    op.drop_index("ix_lead_updated", table_name="lead")
    op.drop_index("ix_lead_stage", table_name="lead")
    op.drop_index("ix_lead_rescore", table_name="lead", postgresql_where=sa.text("rescore_at IS NOT NULL"))
    op.drop_index(op.f("ix_lead_merged_into"), table_name="lead")
    op.drop_index("ix_lead_email", table_name="lead")
    op.drop_table("lead")
    op.drop_index("uq_identity_key_active", table_name="identity_key", postgresql_where=sa.text("status = 'active'"))
    op.drop_index(op.f("ix_identity_key_lead_id"), table_name="identity_key")
    op.drop_table("identity_key")
    op.drop_table("fact")
    op.drop_table("event")
    op.drop_index("uq_enrolment_open", table_name="enrolment", postgresql_where=sa.text("exited_at IS NULL"))
    op.drop_index("ix_enrolment_track_open", table_name="enrolment", postgresql_where=sa.text("exited_at IS NULL"))
    op.drop_table("enrolment")
    op.drop_table("endpoint")
    op.drop_index("uq_delivery_event_endpoint", table_name="delivery")
    op.drop_index("ix_delivery_stuck", table_name="delivery", postgresql_where=sa.text("state IN ('held', 'dead')"))
    op.drop_index("ix_delivery_leased", table_name="delivery", postgresql_where=sa.text("state = 'leased'"))
    op.drop_index("ix_delivery_lease_until", table_name="delivery", postgresql_where=sa.text("state = 'leased'"))
    op.drop_index("ix_delivery_lead", table_name="delivery")
    op.drop_index("ix_delivery_due", table_name="delivery", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("delivery")
    op.drop_table("consent_record")
    op.drop_index("ix_attempt_delivery", table_name="attempt")
    op.drop_table("attempt")
    op.drop_index("uq_assignment_open", table_name="assignment", postgresql_where=sa.text("released_at IS NULL"))
    op.drop_index("ix_assignment_owner_open", table_name="assignment", postgresql_where=sa.text("released_at IS NULL"))
    op.drop_table("assignment")
    op.drop_table("api_key")
    op.drop_index(op.f("ix_admin_idempotency_created_at"), table_name="admin_idempotency")
    op.drop_table("admin_idempotency")
    op.drop_table("activity")
