"""All that is known of who a lead is, small enough to be read for every candidate.

A profile is a fold over the sightings of a lead: adding one more, or uniting two profiles, needs no other member. It
keeps each different value once, with the number of times a name was seen, and stops growing at a bound that no person
reaches: what a thousand people share must not become slow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from leadhub.domain.matching.names import Name
from leadhub.domain.matching.sighting import NOWHERE, OF_A_COMPANY, OWN_MAILBOX, Place, Sighting
from leadhub.domain.normalisation import EmailClass, PhoneKind

_Value = TypeVar("_Value")
_Kind = TypeVar("_Kind")

MOST_VALUES = 20
"""Different values of a kind that a profile keeps."""


@dataclass(slots=True)
class Profile:
    """What a lead's submissions say of who it is; only placing submissions changes it."""

    submissions: int = 0
    names: dict[Name, int] = field(default_factory=dict)
    """Each spelling → how often it was seen."""
    emails: dict[str, EmailClass | None] = field(default_factory=dict)
    """Keys of mailboxes. Without a class: what came hashed, and the SHA-256 of spellings that the key does not give."""
    phones: dict[str, PhoneKind | None] = field(default_factory=dict)
    companies: dict[str, None] = field(default_factory=dict)
    places: dict[Place, None] = field(default_factory=dict)
    externals: dict[str, str] = field(default_factory=dict)
    """Kind of a sender's own id (one a source) → the id."""

    def add(self, sighting: Sighting, *, is_edit: bool = False) -> None:
        """Take in one more submission, or an edit by a person, which says who somebody is and is no submission."""
        self.submissions += not is_edit
        if sighting.name.first or sighting.name.last:
            _count(self.names, sighting.name, 1)
        if sighting.email:
            _keep(self.emails, sighting.email, sighting.email_class)
            for spelling in sighting.email_hashes[:-1]:
                _keep(self.emails, spelling, None)
        for phone in sighting.phones:
            _keep(self.phones, phone, sighting.phone_kind)
        for company in sighting.companies:
            _keep(self.companies, company, None)
        if sighting.place != NOWHERE:
            _keep(self.places, sighting.place, None)
        for key in sighting.keys:
            if key.is_external:
                self.externals.setdefault(key.kind, key.value)

    def unite(self, other: "Profile") -> None:
        """Take in all that another lead's submissions said."""
        self.submissions += other.submissions
        for name, times in other.names.items():
            _count(self.names, name, times)
        _keep_all(self.emails, other.emails)
        _keep_all(self.phones, other.phones)
        _keep_all(self.companies, other.companies)
        _keep_all(self.places, other.places)
        self.externals = other.externals | self.externals

    @property
    def own_mailboxes(self) -> list[str]:
        """The addresses that a single person reads."""
        return [email for email, kind in self.emails.items() if kind in OWN_MAILBOX]

    @property
    def company_domains(self) -> set[str]:
        """The domains of business addresses."""
        return {email.rpartition("@")[2] for email, kind in self.emails.items() if kind in OF_A_COMPANY}

    def document(self) -> dict[str, Any]:
        """Return the profile as JSON, the inverse of `read`."""
        return {
            "n": self.submissions,
            "names": [[name.first, name.last, name.suffix, times] for name, times in self.names.items()],
            "emails": self.emails,
            "phones": self.phones,
            "companies": list(self.companies),
            "places": [[place.street, place.number, place.postcode, place.city] for place in self.places],
            "externals": self.externals,
        }


def read(document: Mapping[str, Any]) -> Profile:
    """Return the profile that was written as JSON; an empty document is one of nobody."""
    if not document:
        return Profile()
    return Profile(
        submissions=document["n"],
        names={Name(first, last, suffix): times for first, last, suffix, times in document["names"]},
        emails={email: EmailClass(kind) if kind else None for email, kind in document["emails"].items()},
        phones={phone: PhoneKind(kind) if kind else None for phone, kind in document["phones"].items()},
        companies=dict.fromkeys(document["companies"]),
        places={Place(*parts): None for parts in document["places"]},
        externals=dict(document["externals"]),
    )


def profile_of(sightings: Sequence[Sighting]) -> Profile:
    """Return what several submissions together say of who somebody is.

    >>> profile_of([Sighting(name=Name("ada")), Sighting(name=Name("ada"))]).names
    {Name(first='ada', last='', suffix=''): 2}
    """
    profile = Profile()
    for sighting in sightings:
        profile.add(sighting)
    return profile


def _keep(values: dict[_Value, _Kind], value: _Value, kind: _Kind) -> None:
    if value in values or len(values) < MOST_VALUES:
        values[value] = kind


def _keep_all(values: dict[_Value, _Kind], more: Mapping[_Value, _Kind]) -> None:
    for value, kind in more.items():
        _keep(values, value, kind)


def _count(names: dict[Name, int], name: Name, times: int) -> None:
    if name in names or len(names) < MOST_VALUES:
        names[name] = names.get(name, 0) + times
