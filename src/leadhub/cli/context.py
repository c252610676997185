"""Which LeadHub a command speaks to: the environment's, else the one that `leadhub up` runs on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from leadhub.cli.errors import UserError
from leadhub.settings import Settings

DESCRIBED = (
    "host", "port", "public_url", "outbound_networks", "sink_directory", "meta_graph_url", "linkedin_api_url",
)  # fmt: skip
"""Settings that `up` writes into its run file, because commands beside it must go by the same."""


class Given(BaseSettings):
    """What of a deployment the environment gives; the rest is started, or found, for the user."""

    model_config = SettingsConfigDict(env_prefix="LEADHUB_", frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: str | None = None
    redis_url: str | None = None
    secret_key: SecretStr | None = None
    data_dir: Path | None = None
    pg_bin: Path | None = None
    """A folder with `initdb` and `postgres` that the embedded server is to use."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A LeadHub that this command may use."""

    settings: Settings
    gateway_url: str
    where: str
    """For people: where it was found."""


def from_environment(**chosen: object) -> Settings:
    """Return the settings of a process of production: from the environment, but for what was chosen by a flag.

    Raises:
        UserError: a variable is missing or wrong; the sentence names it and says what it is for.
    """
    return build(chosen)


def build(values: Mapping[str, Any]) -> Settings:
    """Return settings from these values and, for all others, the environment."""
    try:
        return Settings(**values)
    except ValidationError as error:
        raise _named(error) from None


def _named(error: ValidationError) -> UserError:
    """Name each missing or wrong variable, its fault and its use; never its value."""
    faults: dict[str, str] = {}
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(one["loc"][0]) if one["loc"] else ""
        faults[name] = "is not set" if one["type"] == "missing" else one["msg"][:1].lower() + one["msg"][1:]
    first, *others = [f"LEADHUB_{name.upper()} {fault}" for name, fault in faults.items()]
    uses = [f"  LEADHUB_{name.upper()}: {field.description}" for name in faults if (field := _field(name))]
    if "is not set" in faults.values():
        uses.append("Set what is missing, or run `leadhub up`, which starts it for you.")
    return UserError("; ".join([first, *others]) + ".", "\n".join(uses))


def _field(name: str) -> FieldInfo | None:
    return Settings.model_fields.get(name)


def find(data_dir: Path | None = None) -> Deployment:
    """Return the LeadHub to use.

    Raises:
        UserError: the environment names none and none runs here.
    """
    given = Given()
    if given.database_url is not None:
        settings = from_environment()
        return Deployment(settings, gateway_url=url_of(settings), where="the environment")
    running = running_here(data_dir or given.data_dir)
    if running is None:
        raise UserError(
            "No LeadHub to speak to: LEADHUB_DATABASE_URL is not set and no `leadhub up` runs on this machine.",
            "Start one with `leadhub up`, or set LEADHUB_DATABASE_URL, LEADHUB_REDIS_URL and LEADHUB_SECRET_KEY.",
        )
    return running


def running_here(data_dir: Path | None) -> Deployment | None:
    """Return the LeadHub of a running `up`, or None."""
    from leadhub import embedded  # noqa: PLC0415 - not needed in production

    described = embedded.read_run_file(data_dir)
    if described is None:
        return None
    key = Path(described["data_dir"]) / "secret.key"
    try:
        secret_key = key.read_text(encoding="ascii").strip()
    except OSError as error:
        raise UserError(f"{key} cannot be read: {error.strerror}.", "Use the account that runs `leadhub up`.") from None
    known = {name: described[name] for name in ("database_url", "redis_url", *DESCRIBED) if name in described}
    settings = build({**known, "secret_key": secret_key})
    where = f"`leadhub up` in {described['data_dir']}"
    return Deployment(settings, gateway_url=str(described.get("gateway_url") or url_of(settings)), where=where)


def url_of(settings: Settings) -> str:
    """Return where the gateway answers: its public address, else that of this machine."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104 - read, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
