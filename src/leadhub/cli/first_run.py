"""What `up` says when it is ready; on an empty database it first makes what a newcomer needs to send a lead."""

from rich.markup import escape

from leadhub.cli.console import say
from leadhub.cli.curl import LEAD, curl
from leadhub.cli.database import entropy, now
from leadhub.pipeline import keys, sources
from leadhub.resources import Resources, open_resources
from leadhub.settings import Settings
from leadhub.store import keys as stored_keys
from leadhub.store import sources as stored_sources

_FORM = {
    # On a machine of one's own the page under test may come from anywhere. A real source lists its site.
    "allowed_origins": ["*"],
    "consents": [{"field": "consent", "purpose": "marketing", "channel": "email"}],
}


async def welcome(settings: Settings, gateway_url: str) -> None:
    """Say where it is and what to try."""
    async with open_resources(settings) as resources:
        is_new = await _is_empty(resources)
        token = await _make_first_things(resources) if is_new else None
    say(f"\n[bold]LeadHub[/bold] answers at [bold]{gateway_url}[/bold]")
    if token is None:
        say("  leadhub status             how it is")
        say("  leadhub sources list       where leads may be posted")
        say("  leadhub keys create NAME   another key for the API")
        return
    say(f"\nYour API key, shown only now:\n  [bold]{token}[/bold]")
    say("\nPost a lead:\n" + escape(curl(f"{gateway_url}/in/api/api", LEAD, token=token)))
    say(f"\nA form on any page may post to {gateway_url}/in/form/website")
    say("\nThen, in another terminal:")
    say("  leadhub tail                 follow leads as they come")
    say("  leadhub leads list           who they are, what they are worth, where they went")
    say("  leadhub listen --subscribe   play the CRM that gets them")
    say("  leadhub send --count 20      send more")


async def _is_empty(resources: Resources) -> bool:
    async with resources.sessions() as session:
        return not await stored_keys.list_keys(session, limit=1) and not await stored_sources.list_sources(
            session, limit=1, now=now()
        )


async def _make_first_things(resources: Resources) -> str:
    """Make a form source, an api source and an admin key; return its token."""
    for channel, name, key, options in (("form", "Website", "website", _FORM), ("api", "API", "api", {})):
        await sources.create_source(
            resources.sessions,
            resources.vault,
            channel=channel,
            name=name,
            key=key,
            options=options,
            now=now(),
            entropy=entropy,
        )
    made = await keys.create_key(
        resources.sessions, name="first key", scopes=("admin",), expires_at=None, now=now(), entropy=entropy
    )
    return made.token
