"""The playbook that decides now, compiled once a version."""

from datetime import datetime, timedelta

from leadhub.domain.playbook_loading import load
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.store import playbooks
from leadhub.store.engine import Sessions

_LOOK_EVERY = timedelta(seconds=2)
"""How late a worker may notice that another version was published."""


class NoPlaybook(RuntimeError):
    """The database holds none: it was not migrated."""


class ActivePlaybook:
    """Holds the active version; looks for a newer one every now and then."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._compiled: CompiledPlaybook | None = None
        self._version: int | None = None
        self._looked_at: datetime | None = None

    async def current(self, *, now: datetime) -> CompiledPlaybook:
        """Return the compiled document.

        Raises:
            NoPlaybook: none was ever published.
        """
        if self._compiled is None or self._looked_at is None or now - self._looked_at >= _LOOK_EVERY:
            await self._look()
            self._looked_at = now
        if self._compiled is None:
            raise NoPlaybook("no playbook is published; run `leadhub migrate`")
        return self._compiled

    async def _look(self) -> None:
        async with self._sessions() as session:
            version = await playbooks.active_version(session)
            if version is None or version == self._version:
                return
            stored = await playbooks.active(session)
        if stored is not None:
            self._compiled, self._version = compile_playbook(load(stored.document)), stored.version
