"""`leadhub double`: Meta's Graph API and LinkedIn's REST API as far as leads are concerned, on this machine."""

import asyncio

from leadhub.cli.console import note
from leadhub.cli.errors import UserError
from leadhub.demo.doubles.serving import serving
from leadhub.demo.doubles.world import World


def double(*, port: int = 9100, host: str = "127.0.0.1") -> None:
    """Stand in for Meta's Graph API and LinkedIn's REST API until Ctrl-C, so that their leads can be tried out.

    Start LeadHub with the two settings that it prints; give a source of channel meta or linkedin the double's token
    and app secret; then `leadhub send meta` sends leads through it.

    Args:
        port: Port to listen on; 0 picks a free one.
        host: Address to listen on.
    """
    asyncio.run(_serve(host, port))


async def _serve(host: str, port: int) -> None:
    try:
        async with serving(host, port) as url:
            note(f"LEADHUB_META_GRAPH_URL={url}/v26.0")
            note(f"LEADHUB_LINKEDIN_API_URL={url}/rest")
            note(f"LEADHUB_LINKEDIN_OAUTH_URL={url}/oauth/v2/accessToken")
            note(f"token: {World().token}")
            note(f"app secret: {World().app_secret}")
            note("stop with Ctrl-C")
            await asyncio.Event().wait()
    except OSError as error:
        fault = f"Port {port} on {host} cannot be used: {error.strerror}."
        raise UserError(fault, "Name another with --port.") from None
