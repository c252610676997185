"""What a source lets its owner say about the answers that come through it."""

from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from leadhub.channels.answers.names import CUSTOM, IGNORE, FormNames, Use
from leadhub.channels.options import CommonOptions
from leadhub.domain.fields import FIELDS
from leadhub.domain.submission import MAX_CONSENTS, AttributeName, AttributeValue, StatedActivity, StatedConsent, Word

FieldName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


_FORM_TARGETS = frozenset({*FIELDS, CUSTOM, IGNORE})


class ConsentField(BaseModel):
    """One box of the form and what ticking it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: FieldName
    purpose: Word = "marketing"
    channel: Word = "email"
    wording: Annotated[str, StringConstraints(max_length=4000)] | None = None
    """The exact text beside the box, or its version."""
    required: bool = False
    """Refuse the form when the box is not ticked."""

    @cached_property
    def yes(self) -> StatedConsent:
        """The consent of somebody who ticked the box."""
        return self._stated(granted=True)

    @cached_property
    def no(self) -> StatedConsent:
        """The refusal of somebody who did not."""
        return self._stated(granted=False)

    def _stated(self, *, granted: bool) -> StatedConsent:
        return StatedConsent(purpose=self.purpose, channel=self.channel, granted=granted, wording=self.wording)


class AnswerOptions(CommonOptions):
    """Options of every source whose leads fill something in."""

    field_map: dict[FieldName, FieldName] = Field(default_factory=dict, max_length=200)
    """The sender's name → canonical field, or `custom`, or `ignore`; wins over the known aliases."""
    consents: tuple[ConsentField, ...] = Field(default=(), max_length=MAX_CONSENTS)
    activity: Word = "form_submitted"
    """What submitting counts as."""
    activity_attributes: dict[AttributeName, AttributeValue] = Field(default_factory=dict, max_length=20)

    @field_validator("field_map")
    @classmethod
    def _known_targets(cls, value: dict[str, str]) -> dict[str, str]:
        for target in sorted(set(value.values())):
            if not cls.may_lead_to(target):
                raise ValueError(f"Unknown target `{target}`: use a canonical field, `custom` or `ignore`.")
        return value

    @classmethod
    def may_lead_to(cls, target: str) -> bool:
        """Whether `field_map` may lead there. A stranger's form must not say whose submission it is."""
        return target in _FORM_TARGETS

    @cached_property
    def names(self) -> FormNames:
        """What this source's names stand for."""
        return self._names()

    @cached_property
    def plain_activity(self) -> StatedActivity:
        """What a submission counts as when it says nothing of it itself."""
        return StatedActivity(type=self.activity, attributes=self.activity_attributes)

    def _names(self) -> FormNames:
        return FormNames(self._special(), self.field_map)

    def _special(self) -> dict[str, Use]:
        """Names that the options themselves give a meaning."""
        return {consent.field: Use.CONSENT for consent in self.consents}
