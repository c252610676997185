"""Where a lead stands by one playbook, in the few words by which two playbooks are compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from leadhub.domain.changes import Decision
from leadhub.domain.model import Route


@dataclass(frozen=True, slots=True)
class Standing:
    """What one playbook says of a lead; what sales said of it since, and who has it, is left out."""

    total: int
    stage: str
    temperature: str
    route: str
    """"sales:na", "nurture:beginner", "nurture:none" or "none"."""

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """Return where a decision puts a lead."""
        where = str(decision.route)
        if decision.route is not Route.NONE:
            where += f":{(decision.team if decision.route is Route.SALES else decision.track) or 'none'}"
        context = decision.context
        return cls(decision.scores.total, context.stage.value, context.temperature.value, where)

    def moves(self, after: Self) -> Iterator[tuple[str, str, str]]:
        """Yield what another playbook would change: ("stage", "MQL", "LEAD"); the total is no move."""
        for what in ("stage", "temperature", "route"):
            was, becomes = getattr(self, what), getattr(after, what)
            if was != becomes:
                yield what, was, becomes


@dataclass(frozen=True, slots=True)
class Move:
    """How many leads would move from one stage, temperature or route to another."""

    what: str
    before: str
    after: str
    leads: int


@dataclass(frozen=True, slots=True)
class Moved:
    """One lead that would be judged differently."""

    lead_id: UUID
    before: Standing
    after: Standing
