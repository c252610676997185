"""Every setting, typed, with its unit. Nothing else reads the environment.

Built once at an edge and passed on as an argument. A test compares the README's table with this class.
"""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network


class Settings(BaseSettings):
    """What a deployment can choose; each variable is the field's name in capitals behind `LEADHUB_`."""

    model_config = SettingsConfigDict(env_prefix="LEADHUB_", frozen=True, extra="ignore")

    database_url: str = Field(description="PostgreSQL as postgresql+asyncpg://…; `up` starts its own if unset")
    redis_url: str = Field(description="Redis or Valkey as redis://… or unix://…; `up` starts its own if unset")
    secret_key: SecretStr = Field(description="32 random bytes in base64: seals secrets at rest; `up` makes its own")
    retired_secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="Earlier secret keys, comma-separated: still open what they sealed"
    )

    host: str = Field(default="127.0.0.1", description="Address that the gateway listens on")
    port: int = Field(default=8080, ge=0, le=65535, description="Port that the gateway listens on; 0 picks a free one")
    public_url: str = Field(default="", description="Base of absolute links, for example https://leads.example.com")
    trusted_proxies: str = Field(
        default="127.0.0.1",
        pattern=r"^[^*]*$",  # `*` would believe whatever a client invents
        description="Addresses and networks whose X-Forwarded-For is believed, comma-separated",
    )
    docs: bool = Field(default=True, description="Serve the API's description under /openapi.json")

    database_pool: int = Field(default=10, ge=2, le=200, description="Connections a process keeps to PostgreSQL")
    pool_wait_seconds: float = Field(default=0.5, gt=0, le=30, description="Longest wait for a connection")
    statement_seconds: float = Field(default=5.0, gt=0, le=60, description="Longest run of a gateway's statement")

    body_bytes: int = Field(default=1_000_000, ge=1_000, le=16_000_000, description="Largest request body in bytes")
    head_seconds: float = Field(default=10, gt=0, le=60, description="Longest time to receive a request's head")
    body_seconds: float = Field(default=20, gt=0, le=120, description="Longest time to receive a request's body")
    connections: int = Field(default=2_000, ge=10, description="Most open connections of one gateway")

    requests: int = Field(default=600, ge=1, description="Most requests with leads in progress of one gateway")
    drain_seconds: float = Field(default=1, ge=0, le=60, description="Time to serve on after SIGTERM, not ready")

    inbox_rows: int = Field(default=5_000, ge=1, description="Most submissions waiting in memory for their commit")
    inbox_bytes: int = Field(default=32_000_000, ge=1_000_000, description="Most bytes waiting for their commit")
    inbox_wait_seconds: float = Field(
        default=2.0, gt=0, le=30, description="Longest wait for a commit before a sender is told to come again"
    )

    batch_rows: int = Field(default=32, ge=1, le=2_000, description="Most submissions processed in one transaction")
    lease_seconds: float = Field(default=30, ge=5, le=600, description="A dead worker's claims return after this")
    processing_attempts: int = Field(
        default=5, ge=1, le=20, description="Tries before a submission is parked as failed"
    )

    delivery_slots: int = Field(
        default=64, ge=1, le=1_000, description="Most webhooks that one worker sends at once; more wait for slow ones"
    )
    delivery_host_cap: int = Field(
        default=32, ge=1, le=1_000, description="Most webhooks in flight to one host, over all workers and endpoints"
    )
    delivery_lane_cap: int = Field(default=4, ge=1, le=32, description="Most webhooks in flight to one new endpoint")
    delivery_connect_seconds: float = Field(default=5, gt=0, le=30, description="Longest connect to an endpoint")
    delivery_total_seconds: float = Field(default=15, gt=0, le=30, description="Longest whole attempt")
    outbound_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        description="Private networks that webhooks may reach, also over http, comma-separated: 127.0.0.0/8,::1/128",
    )

    sink_directory: Path | None = Field(
        default=None, description="Folder in which workers write events for endpoints jsonl:NAME; none: no such files"
    )

    meta_graph_url: str = Field(
        default="https://graph.facebook.com/v26.0", description="Where Meta's leads are fetched, with the API's version"
    )
    linkedin_api_url: str = Field(default="https://api.linkedin.com/rest", description="Where LinkedIn's are fetched")
    linkedin_oauth_url: str = Field(
        default="https://www.linkedin.com/oauth/v2/accessToken", description="Where LinkedIn's tokens are renewed"
    )
    linkedin_version: str = Field(
        default="202607", pattern="^[0-9]{6}$", description="Version of LinkedIn's API; one is served for a year"
    )
    turnstile_url: str = Field(
        default="https://challenges.cloudflare.com/turnstile/v0/siteverify", description="Where Turnstile is verified"
    )
    hcaptcha_url: str = Field(default="https://api.hcaptcha.com/siteverify", description="Where hCaptcha is verified")
    recaptcha_url: str = Field(
        default="https://www.google.com/recaptcha/api/siteverify",
        description="Where reCAPTCHA is verified; www.recaptcha.net where Google is out of reach",
    )
    idempotency_days: int = Field(default=4, ge=3, le=90, description="How long a client's Idempotency-Key is kept")
    event_days: int = Field(
        default=90, ge=7, le=3_650, description="How long events and their deliveries are kept, in whole partitions"
    )
    held_days: int = Field(
        default=180,
        ge=7,
        le=3_650,
        description="How long what an endpoint did not take is held for it, then given up; at least LEADHUB_EVENT_DAYS",
    )
    attempt_days: int = Field(
        default=14, ge=1, le=3_650, description="How long the log of single attempts is kept, in whole partitions"
    )
    worker_metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port on which a worker serves /metrics; none: it does not"
    )
    worker_metrics_host: str = Field(default="127.0.0.1", description="Address of a worker's /metrics")
    log_format: str = Field(default="json", pattern="^(json|console)$", description="json or console")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Least level logged")
    data_dir: Path | None = Field(default=None, description="Folder of the embedded servers")

    @field_validator("outbound_networks", "retired_secret_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
