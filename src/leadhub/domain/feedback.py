"""What sales says of a lead, and what follows from each word."""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from leadhub.domain.submission import Moment


class Outcome(StrEnum):
    """What became of a lead in sales."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ATTEMPTED = "attempted"
    """Somebody tried to reach the lead."""
    CONTACTED = "contacted"
    """Somebody reached it."""
    MEETING = "meeting"
    OPPORTUNITY = "opportunity"
    WON = "won"
    LOST = "lost"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"


REACHED: Final = frozenset({Outcome.CONTACTED, Outcome.MEETING, Outcome.OPPORTUNITY, Outcome.WON, Outcome.LOST})
"""Whoever says this has spoken with the lead."""
TRIED: Final = REACHED | {Outcome.ATTEMPTED}
ENDS: Final = frozenset({Outcome.REJECTED, Outcome.WON, Outcome.LOST})
"""Sales has the lead no longer."""
COUNTED: Final = {Outcome.UNSUBSCRIBED: "unsubscribed", Outcome.BOUNCED: "hard_bounce"}
"""Outcomes that are something the lead did, by the activity that rules and suppressions look for."""


REJECTED: Final = "rejected_"
"""A `sales_decision` that begins so was a no; the rest is the reason."""
Acceptance = Literal["pending", "accepted", "rejected"]


def acceptance(route: str | None, decision: str | None) -> Acceptance | None:
    """Return whether sales has accepted a lead; None if it was never asked.

    >>> acceptance("sales", None), acceptance("nurture", "rejected_not_ready"), acceptance("nurture", None)
    ('pending', 'rejected', None)
    """
    if decision is None:
        return "pending" if route == "sales" else None
    return "rejected" if decision.startswith(REJECTED) else "accepted"


def keeps_promise(outcome: Outcome, met_by: str) -> bool:
    """Return whether a word of sales is the first contact that was promised.

    >>> keeps_promise(Outcome.ATTEMPTED, "attempt"), keeps_promise(Outcome.ATTEMPTED, "contact")
    (True, False)
    """
    return outcome in (TRIED if met_by == "attempt" else REACHED)


class Said(BaseModel):
    """One word of sales about a lead."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"outcome": "rejected", "reason": "not_ready"}, {"outcome": "contacted"}]},
    )

    outcome: Outcome
    reason: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, description="Why it was rejected: a reason that the playbook knows."
    )
    value: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] | None = Field(
        default=None, description="Of the deal: with `won`, or `opportunity`."
    )
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = Field(
        default=None, description="ISO 4217, with `value`."
    )
    duplicate_of: UUID | None = Field(default=None, description="With `rejected`: the lead that it is, too.")
    at: Moment | None = Field(default=None, description="When it happened; when it is received if absent, or later.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse what does not go with the outcome, each by its name."""
        found: list[tuple[str, str]] = []
        if self.outcome is Outcome.REJECTED and self.reason is None:
            found.append(("reason", "a rejection needs its reason"))
        if self.outcome is not Outcome.REJECTED:
            found += [(name, "goes with a rejection") for name in ("reason", "duplicate_of") if getattr(self, name)]
        if self.value is not None and self.outcome not in {Outcome.WON, Outcome.OPPORTUNITY}:
            found.append(("value", "goes with a deal: won, opportunity"))
        if self.currency is not None and self.value is None:
            found.append(("currency", "goes with a value"))
        if found:
            details = [
                InitErrorDetails(
                    type=PydanticCustomError("feedback", "{said}", {"said": said}), loc=(name,), input=None
                )
                for name, said in found
            ]
            raise ValidationError.from_exception_data("Said", details)
        return self
