"""What a source lets its owner say about the answers that come through it."""

from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from leadhub.channels.answers.names import CUSTOM, IGNORE, FormNames, Use
from leadhub.channels.options import CommonOptions
from leadhub.domain.fields import FIELDS
from leadhub.domain.submission import MAX_CONSENTS, AttributeName, AttributeValue, StatedActivity, StatedConsent, Word

FieldName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Wording = Annotated[str, StringConstraints(max_length=4000)]
Version = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9._-]{1,64}$")]
"""What the owner of a form calls a text: `2026-01`."""


_FORM_TARGETS = frozenset({*FIELDS, CUSTOM, IGNORE})


class ConsentField(BaseModel):
    """One box of the form and what ticking it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: FieldName
    purpose: Word = "marketing"
    channel: Word = "email"
    wording: Wording | None = None
    """The exact text beside the box, or its version."""
    wordings: Annotated[dict[Version, Wording], Field(max_length=20)] = Field(default_factory=dict)
    """Texts by their version, for pages that name in `_consent_version` which one they show."""
    required: bool = False
    """Refuse the form when the box is not ticked."""

    def stated(self, *, granted: bool, version: str | None = None) -> StatedConsent:
        """Return the answer of somebody who was shown the text of a version, or the one text that there is.

        A page that names a text that nobody here knows proves no consent, whatever was ticked.
        """
        known = self._stated.get((version, granted))
        return known if known is not None else self._stated[None, False]

    @cached_property
    def _stated(self) -> dict[tuple[str | None, bool], StatedConsent]:
        texts: dict[str | None, str | None] = {None: self.wording} | dict(self.wordings.items())
        return {
            (version, granted): StatedConsent(
                purpose=self.purpose, channel=self.channel, granted=granted, wording=wording
            )
            for version, wording in texts.items()
            for granted in (True, False)
        }


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
