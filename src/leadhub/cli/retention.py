"""`leadhub retention`: drop what was kept long enough."""

from dataclasses import asdict

from leadhub.cli.console import clean, note, say, show_json
from leadhub.cli.database import now, use
from leadhub.cli.options import Flag, Json
from leadhub.pipeline.retention import Retained, retain
from leadhub.resources import Ids, Resources, retention_of


def retention(*, dry_run: Flag = False, as_json: Json = False) -> None:
    """Drop events, deliveries and attempts that were kept long enough, as workers do every hour.

    Args:
        dry_run: Only say what would be dropped.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> Retained:
        kept = retention_of(resources.settings)
        return await retain(resources.engine, resources.sessions, kept, now=now(), new_id=Ids(), is_trial=dry_run)

    done = use(work)
    if as_json:
        show_json(asdict(done))
        return
    verb = "would be dropped" if dry_run else "dropped"
    say(f"{len(done.dropped)} partitions {verb}{': ' if done.dropped else ''}{clean(done.dropped)}")
    say(f"{done.deliveries} deliveries {verb}")
    if done.expired:
        note(f"{done.expired} deliveries that were held for too long {'would be' if dry_run else 'were'} given up")
    if done.awaited:
        note(f"Kept, because something in them is still to be delivered: {', '.join(done.awaited)}")
    if done.busy:
        note(f"In use just now, for the next run: {', '.join(done.busy)}")
