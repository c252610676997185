"""What one submission says of who somebody is: nothing but that, in the form in which it is compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from leadhub.domain.matching.names import Name
from leadhub.domain.normalisation import EmailClass, Normalised, PhoneKind, fold

OWN_MAILBOX = frozenset({EmailClass.FREE, EmailClass.BUSINESS})
OF_A_COMPANY = frozenset({EmailClass.BUSINESS, EmailClass.ROLE})
_EMAIL, _HASHED = "email", "email:sha256"
"""Kinds of keys."""


class Key(NamedTuple):
    """What can find a lead: ("email", "ada@example.com"), ("phone", "+4930…"), ("external:<source>", "crm-7")."""

    kind: str
    value: str

    @property
    def is_external(self) -> bool:
        """Whether this is a sender's own id for the person."""
        return self.kind.startswith("external:")

    @property
    def is_mailbox(self) -> bool:
        """Whether this is an address, or a hashed one."""
        return self.kind in {_EMAIL, _HASHED}


def hashed_mailbox(digest: str) -> Key:
    """Return the key of an address of which only the SHA-256 is known."""
    return Key(_HASHED, digest)


def hashed_form(key: Key) -> str | None:
    """Return the SHA-256 of the mailbox of a key; None of a key that is none.

    >>> hashed_form(hashed_mailbox("ab")), hashed_form(Key("phone", "+14155550123"))
    ('ab', None)
    """
    if key.kind == _EMAIL:
        return sha256(key.value.encode()).hexdigest()
    return key.value if key.kind == _HASHED else None


class Place(NamedTuple):
    """Where somebody lives or works, folded; an absent part is the empty string."""

    street: str = ""
    """Without the house number."""
    number: str = ""
    postcode: str = ""
    city: str = ""


NOBODY = Name()
NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one submission says of who somebody is."""

    keys: Mapping[Key, bool] = field(default_factory=dict)
    """Strongest first, each with whether many people use it from the start (info@): such a key needs a name."""
    name: Name = NOBODY
    email: str = ""
    """The key of the mailbox, also of one that many people use; its SHA-256 if it came hashed."""
    email_class: EmailClass | None = None
    """None if there is no address, or a hashed one."""
    email_hashes: tuple[str, ...] = ()
    """SHA-256 of one person's mailbox, in each form in which it may arrive hashed; that of its key is the last."""
    phones: tuple[str, ...] = ()
    """E.164."""
    phone_kind: PhoneKind | None = None
    companies: tuple[str, ...] = ()
    """Spellings of the company's name without legal form."""
    place: Place = NOWHERE

    @property
    def has_own_mailbox(self) -> bool:
        """Whether the address is one that a single person reads."""
        return self.email_class in OWN_MAILBOX

    @property
    def company_domain(self) -> str:
        """The domain of a business address, or nothing."""
        return self.email.rpartition("@")[2] if self.email_class in OF_A_COMPANY else ""


def sighting_of(normalised: Normalised, *, external: Key | None = None) -> Sighting:
    """Return what a normalised submission says of who somebody is.

    Two kinds of number are a company's rather than a person's, and count as shared from the start: one with an
    extension behind it, and one that came with the company's own mailbox (`info@`).

    >>> from leadhub.domain.normalisation import normalise
    >>> seen = sighting_of(normalise({"email": "info@example.com", "phone": "+14155550123", "full_name": "Ada King"}))
    >>> seen.name.last, [(key.kind, is_shared) for key, is_shared in seen.keys.items()]
    ('king', [('email', True), ('phone', True)])
    """
    values = normalised.values
    email_class = EmailClass(str(values["email_class"])) if "email_class" in values else None
    is_role = email_class is EmailClass.ROLE
    is_switchboard = is_role or normalised.phone_extension is not None
    keys: dict[Key, bool] = {external: False} if external else {}
    if is_role:
        keys[Key("email", str(values["email"]))] = True
    for found in normalised.identity_keys:
        keys[Key(found.kind, found.value)] = is_switchboard and found.kind == "phone"
    email = next((key.value for key in keys if key.is_mailbox), "")
    return Sighting(
        keys=keys,
        name=Name(_folded(values, "first_name"), _folded(values, "last_name"), _generation(normalised.name_suffix)),
        email=email,
        email_class=email_class if email else None,
        email_hashes=normalised.email_hashes,
        phones=tuple(key.value for key in keys if key.kind == "phone"),
        phone_kind=normalised.phone_kind,
        companies=normalised.company_keys,
        place=_place(normalised),
    )


def _place(normalised: Normalised) -> Place:
    if (address := normalised.address) is not None:
        return Place(address.street, address.number, address.postcode, address.city)
    postcode = "".join(filter(str.isalnum, _folded(normalised.values, "postal_code")))
    return Place(postcode=postcode.upper(), city=_folded(normalised.values, "city"))


def _folded(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    return fold(str(value)) if value else ""


def _generation(suffix: str | None) -> str:
    folded = fold(suffix).rstrip(".") if suffix else ""
    return {"junior": "jr", "senior": "sr"}.get(folded, folded)
