"""Every table, as SQLAlchemy knows it. Migrations are compared with this file.

Big append-only tables are range-partitioned by their UUIDv7 key, whose leading bits are its time: one column is
primary key, partition key and sort order at once, a look-up by id touches exactly one partition, and retention
drops whole ones. `activity` and `consent_record` are keyed by the submission that brought them, so a merge or an
un-merge moves memberships and nothing else.

Tables on the hot path carry no foreign keys to each other: a referential check takes row locks on the parent, and
with many workers that is where deadlocks come from. The processing transaction writes both sides.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

PARTITIONED = {"submission": 31, "activity": 31, "consent_record": 31, "event": 31, "attempt": 7}
"""Partitioned tables and the width of one partition in days."""


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """The root of all tables: names for constraints, and one spelling for each type."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this name from the class
        UUID: SqlUuid(),
        str: Text(),
        bytes: LargeBinary(),
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(Text()),
        list[Any]: JSONB(),
    }


class ApiKey(Base):
    """A bearer credential of the admin and intake API; only its hash is kept."""

    __tablename__ = "api_key"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(unique=True)
    last4: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AdminIdempotency(Base):
    """A creating request that may come again: a repeat gets the first answer and makes nothing new."""

    __tablename__ = "admin_idempotency"

    caller_id: Mapped[UUID] = mapped_column(primary_key=True)
    """The API key that asked: two callers may use the same word."""
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    response: Mapped[bytes]
    """The first answer, sealed: it may hold a token that is shown once."""
    created_at: Mapped[datetime] = mapped_column(index=True)


class Source(Base):
    """A connection through which leads arrive: one form, one integration."""

    __tablename__ = "source"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str]
    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    enabled: Mapped[bool]
    options: Mapped[dict[str, Any]]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SourceSecret(Base):
    """A secret shared with a sender, sealed; several may live while one rotates."""

    __tablename__ = "source_secret"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"), index=True)
    sealed: Mapped[bytes]
    created_at: Mapped[datetime]
    valid_until: Mapped[datetime | None]


class Notification(Base):
    """A platform's word that it has a lead, which must be fetched there: kept until it was."""

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("source_id", "object_id", "action"),
        Index(
            "ix_notification_due",
            "source_id",
            "due_at",
            "id",
            postgresql_where=text("failed_at IS NULL AND done_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"))
    object_id: Mapped[str]
    """The platform's id of the lead."""
    action: Mapped[str]
    """created, or deleted: an order to erase, kept for good so that nothing revives the lead."""
    received_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]
    """Why it still waits, or was put aside."""
    done_at: Mapped[datetime | None] = mapped_column(default=None)
    """When an order to delete was carried out."""


class Quarantine(Base):
    """A delivery of a proven sender in which no lead could be read; kept for a month."""

    __tablename__ = "quarantine"
    __table_args__ = (Index("ix_quarantine_source", "source_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"))
    received_at: Mapped[datetime]
    because: Mapped[str]
    body: Mapped[bytes]
    headers: Mapped[dict[str, Any]]


class SourceToken(Base):
    """What lets us ask at a source's platform, sealed, since when it does not any more, and what is asked next."""

    __tablename__ = "source_token"

    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[bytes]
    updated_at: Mapped[datetime]
    paused_until: Mapped[datetime | None]
    needs_reauth_since: Mapped[datetime | None]
    because: Mapped[str | None]
    expires_at: Mapped[datetime | None] = mapped_column(default=None)
    refresh_sealed: Mapped[bytes | None] = mapped_column(default=None)
    """What renews the token, sealed under `source_refresh_token:{source_id}`."""
    refresh_expires_at: Mapped[datetime | None] = mapped_column(default=None)
    renew_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the token is to be renewed."""
    spared_until: Mapped[datetime | None] = mapped_column(default=None)
    """Until then nothing is asked that can wait."""
    failing_since: Mapped[datetime | None] = mapped_column(default=None)
    told: Mapped[str | None] = mapped_column(default=None)
    """What subscribers were last told and still holds: failing or needs_reauth."""
    warned_at: Mapped[datetime | None] = mapped_column(default=None)
    """When a person was told that the token ends soon and must be given anew."""
    poll_at: Mapped[datetime] = mapped_column(server_default=text("now()"), init=False)
    poll_since: Mapped[datetime | None] = mapped_column(default=None)
    """From when a feed is read that was never read before."""
    polled_at: Mapped[datetime | None] = mapped_column(default=None)
    """When every feed was last read to its end."""
    check_at: Mapped[datetime] = mapped_column(server_default=text("now()"), init=False)
    checked_at: Mapped[datetime | None] = mapped_column(default=None)
    subscription: Mapped[str | None] = mapped_column(default=None)
    """Whether the platform announces its leads to us: subscribed, renewed, unknown, or why not."""


class SourceFeed(Base):
    """A list of leads at a source's platform, read through again and again so that none is missed."""

    __tablename__ = "source_feed"

    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"), primary_key=True)
    feed_id: Mapped[str] = mapped_column(primary_key=True)
    """A form's id at Meta, an owner's URN at LinkedIn."""
    name: Mapped[str]
    form: Mapped[dict[str, Any] | None]
    """What its questions and boxes mean, as the platform tells it."""
    read_at: Mapped[datetime]
    """When `form` was asked for."""
    watermark: Mapped[datetime | None]
    """All leads up to then are here. Moves only when the list was read to its end."""
    began_at: Mapped[datetime | None]
    """When the reading that is under way began."""
    cursor: Mapped[str | None]
    """Where it goes on."""
    error: Mapped[str | None]
    """Why it did not reach its end."""


class SourceHealth(Base):
    """What has come by a source: the small row that its health is read from."""

    __tablename__ = "source_health"

    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"), primary_key=True)
    last_received_at: Mapped[datetime | None]
    """When its sender last proved itself and delivered something."""
    refused_at: Mapped[datetime | None]
    """When somebody last failed to."""
    received: Mapped[int] = mapped_column(BigInteger)
    """Leads that were announced, or sent."""
    found: Mapped[int] = mapped_column(BigInteger)
    """Leads of which no announcement came: found by reading the platform's lists."""


class Submission(Base):
    """What came, as received: immutable, but for its release from spam."""

    __tablename__ = "submission"
    __table_args__ = (
        # Few among many, looked through by people and deleted early.
        Index("ix_submission_spam", "id", postgresql_where=text("is_spam")),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID]
    received_at: Mapped[datetime]
    content: Mapped[dict[str, Any]]
    """The unpacked submission: the shape of `domain.submission.Content`."""
    raw: Mapped[bytes]
    """The sender's own bytes (of this item, in a batch), so that a mapping fix can be replayed."""
    raw_type: Mapped[str]
    """Media type of `raw`."""
    is_spam: Mapped[bool]


class SubmissionKey(Base):
    """An idempotency key: a repeated submission gets its first id back."""

    __tablename__ = "submission_key"

    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(primary_key=True)
    submission_id: Mapped[UUID]
    fingerprint: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)
    permanent: Mapped[bool]
    """A platform's lead id is kept for good, a client's Idempotency-Key is not."""


class PendingSubmission(Base):
    """The small queue of what is still to process; a row is deleted in the transaction that did the work."""

    __tablename__ = "pending_submission"
    __table_args__ = (
        Index(
            "ix_pending_submission_due",
            "is_bulk",
            "due_at",
            "submission_id",
            postgresql_where=text("failed_at IS NULL"),
        ),
        Index("ix_pending_submission_failed", "failed_at", postgresql_where=text("failed_at IS NOT NULL")),
    )

    submission_id: Mapped[UUID] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    """Not before this instant. A claim moves it on by the lease, so a dead worker's claim returns by itself."""
    attempts: Mapped[int]
    """Counted before the work starts, so that a crash counts."""
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]
    is_bulk: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    """Of a file that is imported: taken when nothing else is due."""


class ImportRun(Base):
    """A file of leads and how far it was taken in: any process can go on where another ended."""

    __tablename__ = "import_run"
    __table_args__ = (
        CheckConstraint("state IN ('uploading', 'waiting', 'done', 'failed', 'cancelled')", name="state"),
        Index("ix_import_run_waiting", "lease_until", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"))
    name: Mapped[str]
    """Of the file, as its owner calls it."""
    state: Mapped[str]
    is_check: Mapped[bool]
    """Whether this pass only says what would happen."""
    mapping: Mapped[dict[str, Any]]
    """Column → field, as somebody chose it; the others are guessed."""
    layout: Mapped[dict[str, Any]]
    """What was found out of the file: {"format": …, "encoding": …, "delimiter": …, "columns": [{…}]}."""
    rows_done: Mapped[int]
    taken: Mapped[int]
    known: Mapped[int]
    """Rows of people who were known before; counted by a check only."""
    rejected: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime]
    because: Mapped[str | None]
    """Why it failed."""


class ImportPart(Base):
    """A piece of an imported file, forgotten with its import."""

    __tablename__ = "import_part"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("import_run.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes]


class ImportReject(Base):
    """A row that was not taken, and why; nothing of what is in it."""

    __tablename__ = "import_reject"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("import_run.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Of the row: the first below the headings is 1."""
    reasons: Mapped[list[str]]


class Lead(Base):
    """The person we believe it is: a fold over member submissions, and what the playbook says of it."""

    __tablename__ = "lead"
    __table_args__ = (
        Index("ix_lead_email", text("((golden -> 'email'::text) ->> 'value'::text)")),
        Index("ix_lead_updated", "updated_at", "id"),
        Index("ix_lead_stage", "stage", "id"),
        Index("ix_lead_rescore", "rescore_at", postgresql_where=text("rescore_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merged_into: Mapped[UUID | None] = mapped_column(index=True)
    version: Mapped[int]
    sequence: Mapped[int]
    """Number of the newest event of this lead; without gaps."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_activity_at: Mapped[datetime | None]
    is_test: Mapped[bool]
    golden: Mapped[dict[str, Any]]
    """Canonical field → {value, submission_id, source, at, rule, provenance}."""
    custom: Mapped[dict[str, Any]]
    attribution: Mapped[dict[str, Any]]
    """{"first": {...}, "last": {...}}: each touch with source, channel, campaign parameters, at, submission_id."""
    consents: Mapped[dict[str, Any]]
    """purpose → channel → {granted, at, submission_id}: the newest decision each."""
    mail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """What became of mail to its addresses: the shape of `domain.mailboxes.Mail`."""
    profile: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """What matching compares: the shape of `domain.matching.profile`."""
    evaluation: Mapped[dict[str, Any] | None]
    """The newest explanation, as `domain.scoring.explanation` writes it."""
    score_total: Mapped[int]
    score_fit: Mapped[int]
    score_engagement: Mapped[int]
    stage: Mapped[str]
    temperature: Mapped[str]
    route: Mapped[str]
    route_rule: Mapped[str]
    route_because: Mapped[str]
    team: Mapped[str | None]
    owner: Mapped[str | None]
    track: Mapped[str | None]
    disqualified_reason: Mapped[str | None]
    sales_decision: Mapped[str | None]
    rescore_at: Mapped[datetime | None]
    held: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    """Why sales does not get it for now: the shape of `domain.lead.Held`."""


class Membership(Base):
    """Who is who: a submission belongs to a lead, how that was decided, and since when."""

    __tablename__ = "membership"

    submission_id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID] = mapped_column(index=True)
    rule: Mapped[str]
    because: Mapped[str]
    match: Mapped[dict[str, Any] | None]
    """How the submission compared with the lead that came closest, in bits: `domain.deduplication.Decision`."""
    since: Mapped[datetime]


class LeadEdit(Base):
    """What a person wrote into a lead. A membership says whose it is, so it goes wherever its lead's submissions go."""

    __tablename__ = "lead_edit"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Stands as `submission_id` in `membership`."""
    fields: Mapped[dict[str, Any]]
    """Canonical field → text, without those that were taken back."""
    taken_back: Mapped[dict[str, Any]]
    """Field → {actor, at}: who did not want it any more, and when."""
    actor: Mapped[str]
    """`command line`, or `key:` and an API key's id."""
    edited_at: Mapped[datetime]


class IdentityKey(Base):
    """A key that finds a lead alone (`active`), or that several people share and that then needs a name (`shared`)."""

    __tablename__ = "identity_key"
    __table_args__ = (
        Index("uq_identity_key_active", "kind", "value", unique=True, postgresql_where=text("status = 'active'")),
        CheckConstraint("status IN ('active', 'shared')", name="status"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    status: Mapped[str]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class BlockKey(Base):
    """A hash of what two leads of one person often share: it finds candidates, and proves nothing.

    A merge leaves these rows alone: whoever finds a lead that was merged away goes on to the one that it became.
    """

    __tablename__ = "block_key"

    key: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    lead_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)


class MatchRecheck(Base):
    """A lead that was just made: another batch may have made one of the same person in the same moment."""

    __tablename__ = "match_recheck"

    lead_id: Mapped[UUID] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(index=True)
    seen: Mapped[str | None]
    """The snapshot (`pg_snapshot`) with which its people were looked for: what it sees was compared then."""


class MatchReview(Base):
    """A question for a person: is the submission that made a lead, or joined it, of this other lead's person, too?"""

    __tablename__ = "match_review"
    __table_args__ = (
        CheckConstraint("answer IN ('same', 'not_same')", name="answer"),
        Index("ix_match_review_open", "bits", "submission_id", postgresql_where=text("answer IS NULL")),
    )

    submission_id: Mapped[UUID] = mapped_column(primary_key=True)
    """What asked; it lies with `lead_id`, and nothing waits for the answer."""
    lead_id: Mapped[UUID] = mapped_column(index=True)
    candidate_id: Mapped[UUID] = mapped_column(index=True)
    bits: Mapped[float] = mapped_column(Double)
    match: Mapped[dict[str, Any]]
    asked_at: Mapped[datetime]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None]


class Merge(Base):
    """One merge of two leads, with all that was moved, so that it can be undone exactly."""

    __tablename__ = "merge"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    winner_id: Mapped[UUID] = mapped_column(index=True)
    loser_id: Mapped[UUID] = mapped_column(index=True)
    submission_id: Mapped[UUID | None]
    """The submission that tied both, if one did."""
    rule: Mapped[str]
    because: Mapped[str]
    moved: Mapped[dict[str, Any]]
    """{"submissions": [...], "keys": [[kind, value], ...], "versions": {...}, "redirected": [...],
    "inherited": [...], "items": [...]}: what undoing it takes back."""
    actor: Mapped[str]
    """Who did it: `leadhub`, `command line`, or `key:` and an API key's id."""
    merged_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undone_because: Mapped[str | None]
    undone: Mapped[dict[str, Any] | None]
    """{"submissions": [...], "unclear": [...]}: what went back, and what came later and could be either side's."""


class NotSame(Base):
    """Two submissions that are not of one person, whatever they share: no path joins their leads again."""

    __tablename__ = "not_same"
    __table_args__ = (CheckConstraint("one < other", name="order"),)

    one: Mapped[UUID] = mapped_column(primary_key=True)
    """Submissions, not leads: memberships move, and a declaration moves with them."""
    other: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    because: Mapped[str]
    actor: Mapped[str]
    declared_at: Mapped[datetime]


class WaitingActivity(Base):
    """Behaviour of somebody whom nobody knows yet, under each handle that may lead to them: it joins their lead."""

    __tablename__ = "waiting_activity"

    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    submission_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)


class WeightsVersion(Base):
    """An immutable version of the table of bits that matching adds up: the active one, one that was, or a proposal."""

    __tablename__ = "weights_version"
    __table_args__ = (
        Index("uq_weights_version_active", "state", unique=True, postgresql_where=text("state = 'active'")),
        CheckConstraint("state IN ('draft', 'active', 'retired')", name="state"),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]]
    """The shape of `domain.matching.weights`."""
    state: Mapped[str]
    author: Mapped[str]
    note: Mapped[str]
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    activated_by: Mapped[str | None]


class DedupeScan(Base):
    """A look over the whole base for leads that are one person, and how far it has come."""

    __tablename__ = "dedupe_scan"
    __table_args__ = (
        Index("uq_dedupe_scan_open", text("(1)"), unique=True, postgresql_where=text("finished_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    after_id: Mapped[UUID]
    """The newest lead looked at; the next slice begins behind it."""
    leads: Mapped[int]
    compared: Mapped[int]
    merged: Mapped[int]
    asked: Mapped[int]
    shown: Mapped[dict[str, Any]]
    """What the slices leave for the end: {"candidates": [[pattern, count], ...], "doubts": [...], ...}."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    learnt: Mapped[int | None]
    """The version of the table of bits that came of it."""


class Activity(Base):
    """One thing a lead did. The lead is its submission's."""

    __tablename__ = "activity"
    __table_args__ = ({"postgresql_partition_by": "RANGE (submission_id)"},)

    submission_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    occurred_at: Mapped[datetime]
    attributes: Mapped[dict[str, Any]]


class Fact(Base):
    """The counters that rules read: one row a lead, activity type and set of attributes."""

    __tablename__ = "fact"

    lead_id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    attributes_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    attributes: Mapped[dict[str, Any]]
    count: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class ConsentRecord(Base):
    """One decision that a person stated in one submission; append-only."""

    __tablename__ = "consent_record"
    __table_args__ = ({"postgresql_partition_by": "RANGE (submission_id)"},)

    submission_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    channel: Mapped[str]
    granted: Mapped[bool]
    wording: Mapped[str | None]
    received_at: Mapped[datetime]
    evidence: Mapped[dict[str, Any]]
    """{ip, user_agent, page_url}: what proves that it was said."""


class PlaybookVersion(Base):
    """An immutable version of the document that decides: a draft, the active one, or one that was."""

    __tablename__ = "playbook_version"
    __table_args__ = (
        Index("uq_playbook_version_active", "state", unique=True, postgresql_where=text("state = 'active'")),
        Index("ix_playbook_version_reference", "reference"),
        Index("uq_playbook_version_shadow", "state", unique=True, postgresql_where=text("state = 'shadow'")),
        CheckConstraint("state IN ('draft', 'shadow', 'active', 'retired')", name="state"),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    reference: Mapped[str]
    """What results name: the document's own `name@version`. One reference never stands for two documents."""
    document: Mapped[str]
    state: Mapped[str]
    author: Mapped[str]
    note: Mapped[str]
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    published_by: Mapped[str | None]


class RescoreRun(Base):
    """The leads that a published version may judge differently, and how far judging them again has come."""

    __tablename__ = "rescore_run"
    __table_args__ = (Index("ix_rescore_run_open", "version", postgresql_where=text("finished_at IS NULL")),)

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reach: Mapped[dict[str, Any]]
    """{"everyone": false, "fields": [...], "events": [...]}: what a lead must carry to be touched."""
    after_id: Mapped[UUID]
    """The newest lead judged; the next batch begins behind it."""
    judged: Mapped[int]
    changed: Mapped[int]
    begins_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ShadowJudgement(Base):
    """What a version in shadow would have decided of a lead, the newest time that the lead was judged."""

    __tablename__ = "shadow_judgement"
    __table_args__ = (Index("ix_shadow_judgement_lead", "lead_id"),)

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lead_id: Mapped[UUID] = mapped_column(primary_key=True)
    against: Mapped[str]
    """The reference of the playbook that decided."""
    before: Mapped[dict[str, Any] | None]
    """{"total": 55, "stage": "MQL", "temperature": "warm", "route": "sales:na"}: what was decided; null if the version
    in shadow says the same."""
    after: Mapped[dict[str, Any] | None]
    """What it would have decided, in the same form; null likewise."""
    judged_at: Mapped[datetime]


class ScoreLine(Base):
    """The ledger: a line where a rule's points for a lead changed. Each rule's newest line adds up to the score."""

    __tablename__ = "score_line"

    lead_id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_version: Mapped[int] = mapped_column(primary_key=True)
    """The version of the lead that the line is part of: the ledger's order."""
    rule: Mapped[str] = mapped_column(primary_key=True)
    points: Mapped[int]
    previous: Mapped[int]
    because: Mapped[str]
    playbook: Mapped[str]
    at: Mapped[datetime]


class StageChange(Base):
    """A lead's stage changed, and what changed it."""

    __tablename__ = "stage_change"

    lead_id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_version: Mapped[int] = mapped_column(primary_key=True)
    previous: Mapped[str | None]
    stage: Mapped[str]
    because: Mapped[str]
    playbook: Mapped[str]
    at: Mapped[datetime]


class Assignment(Base):
    """A lead was handed to somebody in sales; open until released."""

    __tablename__ = "assignment"
    __table_args__ = (
        Index("uq_assignment_open", "lead_id", unique=True, postgresql_where=text("released_at IS NULL")),
        Index("ix_assignment_owner_open", "owner", postgresql_where=text("released_at IS NULL")),
        Index(
            "ix_assignment_waiting",
            "team",
            "routed_at",
            "id",
            postgresql_where=text("owner IS NULL AND released_at IS NULL"),
        ),
        Index("ix_assignment_lead", "lead_id", "assigned_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID]
    team: Mapped[str]
    owner: Mapped[str | None]
    """None while the lead waits in a queue."""
    rule: Mapped[str]
    because: Mapped[str]
    sla: Mapped[str | None]
    due_at: Mapped[datetime | None]
    """First contact is promised by then."""
    assigned_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    release_reason: Mapped[str | None]
    routed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    """When the lead came to sales; the same for everybody who has it until it leaves."""
    queue: Mapped[str | None] = mapped_column(default=None)
    """Where it waits; None once somebody has it."""
    beat: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"), default_factory=list)
    """[[user, why not], …]: who it could have been."""


class TeamCursor(Base):
    """Whose turn it is in a team."""

    __tablename__ = "team_cursor"

    team: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class OwnerLoad(Base):
    """How much somebody in sales has to do: counted under this row's lock, over all teams."""

    __tablename__ = "owner_load"

    owner: Mapped[str] = mapped_column(primary_key=True)
    open_leads: Mapped[int]
    recent: Mapped[list[datetime]] = mapped_column(ARRAY(TIMESTAMP(timezone=True)))
    """The newest hand-overs, as many as a rate cap counts; empty without one."""
    credit: Mapped[int]
    """Turns owed."""


class AccountOwner(Base):
    """Who of a team has the leads of a company."""

    __tablename__ = "account_owner"

    team: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    handed_over_at: Mapped[datetime]
    """The newest of them."""


class ResponseClock(Base):
    """A promise of first contact, from the routing of a lead until it is met, broken or void.

    It is the lead's, not the owner's: whoever takes over takes over what is left of the time. What is to happen when
    was worked out at routing, so a later playbook does not change a promise that was made.
    """

    __tablename__ = "response_clock"
    __table_args__ = (
        Index("uq_response_clock_open", "lead_id", unique=True, postgresql_where=text("stopped_at IS NULL")),
        Index("ix_response_clock_next", "next_at", postgresql_where=text("next_at IS NOT NULL")),
        Index("ix_response_clock_lead", "lead_id", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID]
    sla: Mapped[str]
    met_by: Mapped[str]
    """attempt or contact."""
    started_at: Mapped[datetime]
    due_at: Mapped[datetime]
    steps: Mapped[list[Any]]
    """[{"at", "share", "do", "notify", "to"}, …] in order of time."""
    step: Mapped[int]
    """How many of them have happened."""
    next_at: Mapped[datetime | None]
    """When the next one is due; None when none is left, or the clock is stopped."""
    breached_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[str | None]
    """contacted, attempted, …; or why it is void: left sales, merged."""
    open_seconds: Mapped[int | None]
    """Time until it was met, on the promise's calendar; None for one that is void."""


class Feedback(Base):
    """What sales says of a lead: kept as it came, applied once."""

    __tablename__ = "feedback"
    __table_args__ = (
        Index("uq_feedback_key", "sender", "dedupe_key", unique=True, postgresql_where=text("dedupe_key IS NOT NULL")),
        Index("ix_feedback_due", "due_at", "id", postgresql_where=text("applied_at IS NULL AND failed_at IS NULL")),
        Index("ix_feedback_lead", "lead_id", "occurred_at"),
        CheckConstraint(
            "outcome IN ('accepted', 'rejected', 'attempted', 'contacted', 'meeting', 'opportunity', 'won', 'lost', "
            "'unsubscribed', 'bounced')",
            name="outcome",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sender: Mapped[str]
    """`key:` and an API key's id, `source:` and a source's, or `command line`."""
    dedupe_key: Mapped[str | None]
    fingerprint: Mapped[bytes]
    """SHA-256 of what was said: another word under the same key is a mistake."""
    named: Mapped[dict[str, Any]]
    """Whom it is about, as the sender names it: {"lead": …}, {"email": …}, {"phone": …} or {"external_id": …}."""
    lead_id: Mapped[UUID | None]
    """Who that was."""
    mailbox: Mapped[str | None]
    """Of a bounce: SHA-256 of the mailbox, as `domain.mailboxes.mailbox_of` has it, or `erased`."""
    outcome: Mapped[str]
    reason: Mapped[str | None]
    value: Mapped[float | None] = mapped_column(Double)
    currency: Mapped[str | None]
    duplicate_of: Mapped[UUID | None]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    owner: Mapped[str | None]
    """Who had the lead then."""
    effect: Mapped[str | None]
    """What it changed, in words."""
    due_at: Mapped[datetime]
    attempts: Mapped[int]
    applied_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]


class Enrolment(Base):
    """A lead is on a nurture track; open until exited."""

    __tablename__ = "enrolment"
    __table_args__ = (
        Index("uq_enrolment_open", "lead_id", unique=True, postgresql_where=text("exited_at IS NULL")),
        Index("ix_enrolment_track_open", "track", "enrolled_at", postgresql_where=text("exited_at IS NULL")),
        Index("ix_enrolment_lead", "lead_id", "track"),
        Index("ix_enrolment_planned", "planned_by", postgresql_where=text("exited_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID]
    track: Mapped[str]
    because: Mapped[str]
    enrolled_at: Mapped[datetime]
    exited_at: Mapped[datetime | None]
    exit_reason: Mapped[str | None]
    planned_by: Mapped[str | None] = mapped_column(default=None)
    """The playbook that its next step was planned by: one that was published since may have more."""


class NurtureItem(Base):
    """A step of a track for one lead: waits until it is due, is leased by who sends it, and is sent."""

    __tablename__ = "nurture_item"
    __table_args__ = (
        Index("ix_nurture_item_due", "track", "due_at", "id", postgresql_where=text("state IN ('waiting', 'leased')")),
        Index(
            "uq_nurture_item_open",
            "enrolment_id",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'leased')"),
        ),
        Index("ix_nurture_item_lead", "lead_id", "id"),
        Index("ix_nurture_item_signal", "lead_id", postgresql_where=text("signal IS NOT NULL")),
        CheckConstraint("state IN ('waiting', 'leased', 'sent', 'cancelled')", name="state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    enrolment_id: Mapped[UUID]
    lead_id: Mapped[UUID]
    track: Mapped[str]
    step: Mapped[str]
    channel: Mapped[str]
    content: Mapped[str]
    window_name: Mapped[str | None]
    """The calendar of its hours."""
    state: Mapped[str]
    due_at: Mapped[datetime]
    """Not before this instant. A lease moves it to its own end, so what a dead sender held comes back by itself."""
    attempt: Mapped[int]
    """How often it was leased: more than once means that it may have been sent before."""
    lease_token: Mapped[UUID | None]
    because: Mapped[str | None]
    """Why it waits longer, or why it was cancelled."""
    sent_at: Mapped[datetime | None]
    signal: Mapped[str | None] = mapped_column(default=None)
    """The signal of the playbook that lets it come before it is due."""
    hold_decided: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    """Whether it was decided if it waits for its signal: once, when it is due first, unless a person said before."""


class Event(Base):
    """Something happened that subscribers may want to know: the exact bytes to sign and to send."""

    __tablename__ = "event"
    __table_args__ = ({"postgresql_partition_by": "RANGE (id)"},)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str]
    lead_id: Mapped[UUID | None]
    sequence: Mapped[int | None]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime | None]
    """When the newest submission behind it came in: where the speed-to-lead clock starts."""
    is_test: Mapped[bool]
    body: Mapped[bytes]


class Endpoint(Base):
    """A subscriber's URL."""

    __tablename__ = "endpoint"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'paused', 'gone', 'misconfigured', 'disabled')", name="state"),
        CheckConstraint("ordering IN ('none', 'lead')", name="ordering"),
        CheckConstraint("poison IN ('skip', 'block')", name="poison"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    url: Mapped[str]
    description: Mapped[str]
    event_types: Mapped[list[str]]
    """Empty: all types."""
    include_test: Mapped[bool]
    state: Mapped[str]
    state_because: Mapped[str | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    payload: Mapped[str] = mapped_column(server_default="full", default="full")
    filter: Mapped[str | None] = mapped_column(default=None)
    """Conditions on an event, as JSON."""
    extras: Mapped[bytes | None] = mapped_column(default=None)
    """Headers and authorization, sealed under `endpoint:{id}`."""
    header_names: Mapped[list[str]] = mapped_column(server_default=text("'{}'"), default_factory=list)
    authorization: Mapped[str | None] = mapped_column(default=None)
    """Its kind only."""
    verified_at: Mapped[datetime | None] = mapped_column(default=None)
    """When its receiver last proved that it wants the events; of this URL."""
    is_subscribed: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    """Else it gets only what is replayed to it."""
    ordering: Mapped[str] = mapped_column(server_default="none", default="none")
    """`lead`: an event waits until all earlier ones of its lead have come to an end."""
    poison: Mapped[str] = mapped_column(server_default="skip", default="skip")
    """Of an ordered endpoint, what the end of an event that was given up means for the later ones: skip, or block."""
    schedule: Mapped[list[int] | None] = mapped_column(ARRAY(Integer), default=None)
    """Waits between attempts in seconds; None: those of the standard."""


class EndpointSecret(Base):
    """A signing secret of an endpoint, sealed; the newest signs first, older ones until `valid_until`."""

    __tablename__ = "endpoint_secret"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id", ondelete="CASCADE"), index=True)
    sealed: Mapped[bytes]
    created_at: Mapped[datetime]
    valid_until: Mapped[datetime | None]


class Lane(Base):
    """An endpoint's place in the scheduler: the small hot row that a claim locks."""

    __tablename__ = "lane"

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id", ondelete="CASCADE"), primary_key=True)
    last_served_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None]
    cap: Mapped[int]
    """Greatest number of requests in flight, over all workers."""
    # How it does: see `domain.lane`.
    width: Mapped[int] = mapped_column(server_default="4")
    clean: Mapped[int] = mapped_column(server_default="0", default=0)
    failures: Mapped[int] = mapped_column(server_default="0", default=0)
    window_from: Mapped[datetime | None] = mapped_column(default=None)
    window_attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    window_failures: Mapped[int] = mapped_column(server_default="0", default=0)
    openings: Mapped[int] = mapped_column(server_default="0", default=0)
    failing_since: Mapped[datetime | None] = mapped_column(default=None)
    failing_attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    warnings: Mapped[int] = mapped_column(server_default="0", default=0)
    per_minute: Mapped[int | None] = mapped_column(default=None)
    """Most requests a minute; None: no limit."""
    tokens: Mapped[float] = mapped_column(server_default="0", default=0)
    """Requests that might be sent at once, at `last_served_at`."""
    host: Mapped[str] = mapped_column(server_default="", default="", index=True)
    """Of the endpoint's URL: many endpoints may share one."""
    redirects: Mapped[int] = mapped_column(server_default="0", default=0)
    because: Mapped[str | None] = mapped_column(default=None)
    expiry_told_at: Mapped[datetime | None] = mapped_column(default=None)
    """When it was last said that what is held here will be given up."""


class Delivery(Base):
    """This event to that endpoint."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("uq_delivery_event_endpoint", "event_id", "endpoint_id", unique=True),
        Index(
            "ix_delivery_due",
            "endpoint_id",
            "is_again",
            "due_at",
            "event_id",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_delivery_leased", "endpoint_id", postgresql_where=text("state = 'leased'")),
        Index("ix_delivery_lease_until", "lease_until", postgresql_where=text("state = 'leased'")),
        Index("ix_delivery_lead", "lead_id", "id"),
        Index(
            "ix_delivery_order",
            "endpoint_id",
            "lead_id",
            "sequence",
            postgresql_where=text("is_ordered AND state IN ('pending', 'leased', 'held', 'dead')"),
        ),
        Index("ix_delivery_replay", "replay_id", "state", postgresql_where=text("replay_id IS NOT NULL")),
        # Few rows among many, and what a person looks for: the list of them stays quick.
        Index("ix_delivery_stuck", "id", postgresql_where=text("state IN ('held', 'dead')")),
        CheckConstraint("state IN ('pending', 'leased', 'delivered', 'held', 'dead', 'cancelled')", name="state"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    endpoint_id: Mapped[UUID]
    lead_id: Mapped[UUID | None]
    event_type: Mapped[str]
    state: Mapped[str]
    due_at: Mapped[datetime]
    attempts: Mapped[int]
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    outcome: Mapped[str | None]
    """Class of the newest attempt's outcome: delivered, timeout, rejected, …"""
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    is_again: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    """A retry or a replay: these may not take the place of what is sent for the first time."""
    sequence: Mapped[int | None] = mapped_column(default=None)
    """The lead's number of the event."""
    is_ordered: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    """It waits for the earlier ones of its lead."""
    replay_id: Mapped[UUID | None] = mapped_column(default=None)
    """The replay that queued it last."""


class Replay(Base):
    """A wish to deliver events of the past again, and how far it has come."""

    __tablename__ = "replay"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'paused', 'cancelled', 'finished')", name="state"),
        Index("ix_replay_running", "stepped_at", postgresql_where=text("state = 'running'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(index=True)
    """Where the events go."""
    state: Mapped[str]
    state_because: Mapped[str | None]
    events_from: Mapped[UUID]
    """The first id that an event of the range can have."""
    events_until: Mapped[UUID]
    """The first id behind the range."""
    event_types: Mapped[list[str]]
    """Empty: all types."""
    lead_id: Mapped[UUID | None]
    filter: Mapped[str | None]
    """Conditions on an event, as JSON."""
    only_undelivered: Mapped[bool]
    per_second: Mapped[int]
    cursor: Mapped[UUID]
    """The newest event that was looked at; the next step begins behind it."""
    total: Mapped[int]
    """Events of these types in the range, when the replay was made."""
    examined: Mapped[int]
    queued: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    stepped_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Attempt(Base):
    """One HTTP try that ended. Of one under way there is the delivery's lease, whose token becomes the attempt's id."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index("ix_attempt_delivery", "delivery_id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID]
    number: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    status: Mapped[int | None]
    because: Mapped[str | None]
    """In plain words, for the owner of the endpoint."""
    remote_ip: Mapped[str | None]
    duration_ms: Mapped[int | None]
    response_headers: Mapped[dict[str, Any] | None]
    response_body: Mapped[bytes | None]
    dns_ms: Mapped[int | None] = mapped_column(default=None)
    """This and the next two are absent where a connection was used again."""
    connect_ms: Mapped[int | None] = mapped_column(default=None)
    tls_ms: Mapped[int | None] = mapped_column(default=None)
    first_byte_ms: Mapped[int | None] = mapped_column(default=None)
    """From the request to the head of its answer."""
