"""What to ask a person next: the open items of a checklist, and the fields in which an answer is sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from leadhub.domain.fields import FIELDS
from leadhub.domain.model import LeadView
from leadhub.domain.playbook_conditions import Condition, FieldCondition, walk
from leadhub.domain.playbook_values import resolve_field
from leadhub.domain.scoring import CompiledPlaybook

_CUSTOM = "custom."


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that nobody has said yet."""

    item: str
    """A checklist's own name for it: `budget`."""
    fields: tuple[str, ...]
    """Names under which an answer is understood: ("budget_amount", "budget_status")."""
    framework: str | None = None
    """The checklist; None for how to reach the person."""


CONTACT: Final = Question("contact", ("email", "phone"))
"""Asked first: who cannot be reached is no lead, whatever else they say."""


def next_questions(
    playbook: CompiledPlaybook, view: LeadView, *, now: datetime, framework: str | None = None
) -> tuple[Question, ...]:
    """Return what is open, in the order in which to ask.

    Args:
        playbook: whose checklists are meant.
        view: the person, as far as known.
        now: the instant of asking.
        framework: the checklist; the playbook's first if None. One that it does not have has nothing open.
    """
    document = playbook.playbook
    chosen = framework if framework is not None else next(iter(document.frameworks), None)
    found = () if view.contactable else (CONTACT,)
    if chosen not in document.frameworks:
        return found
    state = playbook.evaluate(view, now=now).frameworks[chosen]
    items = document.frameworks[chosen]
    return (*found, *(Question(item, _fields(items[item]), chosen) for item in state.unknown))


def _fields(condition: Condition) -> tuple[str, ...]:
    """Return the fields whose values a condition looks at, each once, of those that a sender can state."""
    named = [part.field for _, part in walk(condition) if isinstance(part, FieldCondition)]
    resolved = [resolve_field(name) or name for name in named]
    stated = [name.removeprefix(_CUSTOM) for name in resolved if name in FIELDS or name.startswith(_CUSTOM)]
    return tuple(dict.fromkeys(stated))
