"""Fields made of other answers: joined, cut, looked up, or always the same."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from leadhub.channels.answers.names import is_target, key_of
from leadhub.channels.answers.options import FieldName
from leadhub.channels.decoding import FormFields
from leadhub.domain.normalisation.text import fold

_KINDS = ("join", "split", "lookup", "constant")
_MADE = "="
"""In front of a target's name: the name under which a made answer is passed on; no label begins like this."""

Value = Annotated[str, StringConstraints(max_length=2_000)]


class Derived(BaseModel):
    """One field made of answers, which are used up by it.

    {"to": "full_name", "join": ["First", "Last"]}, {"to": "last_name", "split": "Name", "part": 1, "rest": true},
    {"to": "country", "lookup": "Land", "values": {"Deutschland": "DE"}}, {"to": "origin", "constant": "fair"}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: FieldName
    """A canonical field, `external_id`, an attribution parameter, or `custom.` and a name."""
    join: Annotated[tuple[FieldName, ...], Field(min_length=1, max_length=20)] | None = None
    """Names whose texts are put together, those that are there."""
    glue: Annotated[str, StringConstraints(max_length=20)] = " "
    split: FieldName | None = None
    """A name whose text is cut."""
    at: Annotated[str, StringConstraints(min_length=1, max_length=20)] = " "
    part: Annotated[int, Field(ge=-20, le=20)] = 0
    """Which piece, the first is 0, the last is -1."""
    rest: bool = False
    """That piece and all after it."""
    lookup: FieldName | None = None
    """A name whose text is replaced."""
    values: Annotated[dict[Value, Value], Field(max_length=500)] = Field(default_factory=dict)
    """Text as sent, without regard to case and accents → text to keep."""
    otherwise: Value | None = None
    """For a text that is not among `values`; null keeps it as sent."""
    constant: Value | None = None

    @field_validator("to")
    @classmethod
    def _known_target(cls, value: str) -> str:
        if not is_target(value):
            raise ValueError("Use a canonical field, `external_id`, an attribution parameter, or `custom.` and a name.")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in _KINDS) != 1:
            raise ValueError("Exactly one of join, split, lookup and constant is needed.")
        return self

    @property
    def name(self) -> str:
        """Under which the made answer is passed on."""
        return _MADE + self.to

    @cached_property
    def used(self) -> frozenset[str]:
        """Keys of the names that go into it."""
        return frozenset(key_of(name) for name in (*(self.join or ()), self.split, self.lookup) if name is not None)

    @cached_property
    def folded(self) -> dict[str, str]:
        """`values` as they are compared."""
        return {fold(text.strip()): value for text, value in self.values.items()}


def derive(sent: FormFields, rules: Sequence[Derived]) -> FormFields:
    """Return the answers with what the rules make of them, in place of what they use up.

    >>> rule = Derived(to="full_name", join=("First", "Last"))
    >>> derive({"first": ["Ada"], "Last": ["Lovelace"], "Topic": ["x"]}, [rule])
    {'Topic': ['x'], '=full_name': ['Ada Lovelace']}
    """
    texts: dict[str, list[str]] = {}
    for name, values in sent.items():
        texts.setdefault(key_of(name), []).extend(value for value in values if value.strip())
    used: set[str] = set().union(*(rule.used for rule in rules))
    made = {name: values for name, values in sent.items() if key_of(name) not in used}
    for rule in rules:
        if text := _made(rule, texts):
            made[rule.name] = [text]
    return made


def _made(rule: Derived, texts: dict[str, list[str]]) -> str:
    if rule.constant is not None:
        return rule.constant
    if rule.join is not None:
        return rule.glue.join(text for name in rule.join for text in texts.get(key_of(name), ()))
    [key] = rule.used
    text = next(iter(texts.get(key, ())), "")
    if not text:
        return ""
    if rule.split is not None:
        return _piece(text, rule)
    return rule.folded.get(fold(text.strip()), text if rule.otherwise is None else rule.otherwise)


def _piece(text: str, rule: Derived) -> str:
    pieces = text.strip().split(rule.at)
    if not -len(pieces) <= rule.part < len(pieces):
        return ""
    if rule.rest:
        return rule.at.join(pieces[rule.part :]).strip()
    return pieces[rule.part].strip()
