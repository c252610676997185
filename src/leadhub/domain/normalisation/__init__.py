"""One spelling for each thing that people spell in many ways, and the keys that recognise a person.

    fields as sent ── normalise() ──┬─ values         canonical, comparable: E.164, ISO 3166, months, keywords
                                    ├─ refused        field → why its text is of no use as that
                                    └─ identity_keys  what finds this person alone: mailbox, phone

A value that cannot be normalised is refused, never guessed, and never loses the lead: a broken e-mail beside a usable
phone is a lead with a note. Nothing here raises on any text, and normalising what was normalised changes nothing.
The caller keeps the text as sent in both cases.

Own cleaning comes first, then the library that knows the rules of the world (email-validator, phonenumbers). The
libraries alone do not make keys: they keep the case of a mailbox, know no provider's aliases and refuse a `mailto:`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from leadhub.domain.fields import FIELDS, Kind
from leadhub.domain.model import FieldValue
from leadhub.domain.normalisation.address import Address, comparable_address, normalise_postcode
from leadhub.domain.normalisation.company import Company, normalise_company
from leadhub.domain.normalisation.country import normalise_country
from leadhub.domain.normalisation.domain_name import company_domain, registrable_domain
from leadhub.domain.normalisation.email import Email, EmailClass, hashed_email, hashed_forms, normalise_email
from leadhub.domain.normalisation.job_title import JobTitle, normalise_title
from leadhub.domain.normalisation.language import normalise_language
from leadhub.domain.normalisation.number import amount, employees, months
from leadhub.domain.normalisation.numbering_plan import PhoneKind
from leadhub.domain.normalisation.person_name import PersonName, normalise_name, refusal_of
from leadhub.domain.normalisation.phone import Phone, normalise_phone
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_block, clean_line, fold, identifier
from leadhub.domain.normalisation.url import normalise_url

__all__ = [
    "VERSION",
    "Address",
    "Company",
    "Email",
    "EmailClass",
    "IdentityKey",
    "JobTitle",
    "Normalised",
    "PersonName",
    "Phone",
    "PhoneKind",
    "Reason",
    "Refused",
    "amount",
    "clean_block",
    "clean_line",
    "company_domain",
    "comparable_address",
    "employees",
    "fold",
    "hashed_email",
    "hashed_forms",
    "identifier",
    "months",
    "normalise",
    "normalise_company",
    "normalise_country",
    "normalise_email",
    "normalise_language",
    "normalise_name",
    "normalise_phone",
    "normalise_postcode",
    "normalise_title",
    "normalise_url",
    "registrable_domain",
]

VERSION = 2
"""Raised whenever a rule changes what a stored value would become, so that a stored submission can say who read it."""

_IDENTIFYING = frozenset({EmailClass.FREE, EmailClass.BUSINESS})
_NAMES = ("first_name", "last_name", "full_name")
_BLOCKS = frozenset(
    {"message", "need", "challenges", "success_metrics", "decision_criteria", "decision_process", "pain"}
)
"""Fields of several lines."""

Value = FieldValue | Refused


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """What finds a person alone: a mailbox that one person reads, or a phone number.

    >>> IdentityKey("phone", "+14155550123").kind
    'phone'
    """

    kind: Literal["email", "email:sha256", "phone"]
    value: str


@dataclass(frozen=True, slots=True)
class Normalised:
    """A submission's fields in canonical form; the text as sent stays with the caller."""

    values: Mapping[str, FieldValue]
    """Canonical field name → value; also those that are derived: `email_domain`, `seniority`, …"""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Field name → `Reason` code: {"email": "no_dot_in_domain"}."""
    identity_keys: tuple[IdentityKey, ...] = ()
    """E-mail before phone; never a role, placeholder or disposable mailbox. Every number of a field that lists some."""
    email_hashes: tuple[str, ...] = ()
    """SHA-256 under which one person's mailbox may arrive hashed; that of its key is the last."""
    phone_extension: str | None = None
    phone_kind: PhoneKind | None = None
    """A landline is soon shared by a household or a company."""
    name_suffix: str | None = None
    """`Jr.`, `III`: tells father and son apart."""
    company_keys: tuple[str, ...] = ()
    """Two spellings of one company share one of these."""
    address: Address | None = None
    """The building, in comparable form."""


def normalise(fields: Mapping[str, str], *, default_country: str | None = None) -> Normalised:
    """Return a submission's fields in canonical form, what was refused and why, and the keys of the person.

    Args:
        fields: canonical field name (see `domain.fields`) → text as sent; other names and blank texts are left out.
        default_country: alpha-2 of the form or campaign, for a national phone number when the lead states no country.

    >>> lead = normalise({"email": "Ada.L+demo@gmail.com", "phone": "(415) 555-0123", "country": "USA"})
    >>> lead.values["phone"], lead.values["country"], lead.identity_keys[0].value
    ('+14155550123', 'US', 'adal@gmail.com')
    >>> normalise({"email": "ada@example", "phone": "+14155550123"}).refused
    mappingproxy({'email': 'no_dot_in_domain'})
    """
    draft = _Draft(fields)
    country = draft.read_plain_fields()
    email_domain = draft.read_email()
    draft.read_phone(country, default_country, email_domain)
    draft.read_name(country)
    draft.read_job(email_domain)
    draft.read_address(country)
    return draft.finished()


class _Draft:
    """Collects one lead's values while the fields are read in the order in which they need each other."""

    __slots__ = ("address", "company", "email_hashes", "keys", "name", "phone", "refused", "sent", "values")

    def __init__(self, sent: Mapping[str, str]) -> None:
        self.sent = sent
        self.values: dict[str, FieldValue] = {}
        self.refused: dict[str, str] = {}
        self.keys: list[IdentityKey] = []
        self.email_hashes: tuple[str, ...] = ()
        self.phone: Phone | None = None
        self.name: PersonName | None = None
        self.company: Company | None = None
        self.address: Address | None = None

    def refuse(self, field_name: str, reason: Reason) -> None:
        """Note a refusal; a blank field is absent, not wrong."""
        if reason is not Reason.EMPTY:
            self.refused[field_name] = reason.value

    def read_plain_fields(self) -> str | None:
        """Read every field that stands alone; return the lead's country."""
        for field_name, text in self.sent.items():
            if (found := _READERS.get(field_name)) is None:
                continue
            reader, limit = found
            value = reader(text)
            if isinstance(value, Refused):
                self.refuse(field_name, value.reason)
            elif isinstance(value, str) and len(value) > limit:
                self.refuse(field_name, Reason.TOO_LONG)
            elif value != "":
                self.values[field_name] = value
        country = self.values.get("country")
        return country if isinstance(country, str) else None

    def read_email(self) -> str:
        """Read the e-mail; return its domain, or nothing."""
        text = self.sent.get("email", "")
        if not text:
            return ""
        if (digest := hashed_email(text)) is not None:
            self.keys.append(IdentityKey("email:sha256", digest))
            self.email_hashes = (digest,)
            return ""
        mail = normalise_email(text)
        if isinstance(mail, Refused):
            self.refuse("email", mail.reason)
            return ""
        self.values["email"] = mail.address
        self.values["email_domain"] = mail.domain
        self.values["email_class"] = mail.email_class.value
        if mail.email_class in _IDENTIFYING:
            self.keys.append(IdentityKey("email", mail.key))
            self.email_hashes = hashed_forms(mail)
        return mail.domain

    def read_phone(self, country: str | None, default_country: str | None, email_domain: str) -> None:
        """Read the phone in the lead's country, else the form's, else that of the e-mail's top-level domain."""
        text = self.sent.get("phone", "")
        if not text:
            return
        top = email_domain[-2:] if email_domain[-3:-2] == "." else None
        phone = normalise_phone(text, [guess.upper() for guess in (country, default_country, top) if guess])
        if isinstance(phone, Refused):
            self.refuse("phone", phone.reason)
            return
        self.phone = phone
        self.values["phone"] = phone.e164
        self.keys += [IdentityKey("phone", number) for number in (phone.e164, *phone.others)]

    def read_name(self, country: str | None) -> None:
        """Read the name: parts that were not sent are derived from the full name, sent ones are kept."""
        first, last, full = (self.sent.get(field_name, "") for field_name in _NAMES)
        if not (first or last or full):
            return
        name = normalise_name(first=first, last=last, full=full, country=country)
        if isinstance(name, PersonName):
            self.name = name
            whole = clean_line(full) if full and refusal_of(full) is None else f"{name.first} {name.last}".strip()
            found = {"first_name": name.first, "last_name": name.last, "full_name": whole}
            self.values |= {field_name: value for field_name, value in found.items() if value}
        for field_name, text, beside in zip(_NAMES, (first, last, full), (last, first, ""), strict=True):
            if text and field_name not in self.values and (reason := refusal_of(text, beside)) is not None:
                self.refuse(field_name, reason)

    def read_job(self, email_domain: str) -> None:
        """Read company and job title, and what they and the addresses say of the job."""
        if text := self.sent.get("company", ""):
            company = normalise_company(text)
            if isinstance(company, Refused):
                self.refuse("company", company.reason)
            else:
                self.company = company
                self.values["company"] = company.name
        if text := self.sent.get("job_title", ""):
            title = normalise_title(text)
            if isinstance(title, Refused):
                self.refuse("job_title", title.reason)
            else:
                said = {"job_title": title.name, "seniority": title.seniority, "department": title.department}
                self.values |= {name: value for name, value in said.items() if value}
        website = self.values.get("website")
        host = urlsplit(website).hostname or "" if isinstance(website, str) else ""
        for name in (host, email_domain):
            if name and (domain := company_domain(name)):
                self.values.setdefault("company_domain", domain)

    def read_address(self, country: str | None) -> None:
        """Write the postcode as the country does, and make the address comparable."""
        street, code, city = (str(self.values.get(name, "")) for name in ("street", "postal_code", "city"))
        if code:
            code = self.values["postal_code"] = normalise_postcode(code, country)
        if street:
            self.address = comparable_address(street, code, city, country)

    def finished(self) -> Normalised:
        """Return the collected values, read-only."""
        return Normalised(
            values=MappingProxyType(self.values),
            refused=MappingProxyType(self.refused),
            identity_keys=tuple(self.keys),
            email_hashes=self.email_hashes,
            phone_extension=self.phone.extension if self.phone else None,
            phone_kind=self.phone.kind if self.phone else None,
            name_suffix=self.name.suffix or None if self.name else None,
            company_keys=self.company.keys if self.company else (),
            address=self.address,
        )


def _industry(text: str) -> Value:
    """Keep the words of an industry as playbooks list them: `financial services`."""
    return clean_line(text).lower()


def _reader(name: str, kind: Kind) -> Callable[[str], Value]:
    """Return what reads a field that stands alone."""
    if name in _OWN_READERS:
        return _OWN_READERS[name]
    by_kind: dict[Kind, Callable[[str], Value]] = {
        Kind.COUNTRY: normalise_country,
        Kind.EMPLOYEES: employees,
        Kind.URL: normalise_url,
        Kind.KEYWORD: identifier,
        Kind.NUMBER: months if name == "timeline_months" else amount,
    }
    return by_kind.get(kind, clean_block if name in _BLOCKS else clean_line)


_OWN_READERS: dict[str, Callable[[str], Value]] = {"industry": _industry, "language": normalise_language}
_READERS: dict[str, tuple[Callable[[str], Value], int]] = {
    name: (_reader(name, spec.kind), spec.limit)
    for name, spec in FIELDS.items()
    if spec.kind not in {Kind.EMAIL, Kind.PHONE} and name not in {*_NAMES, "company", "job_title"}
}
"""Fields that stand alone: how each is read, and how long it may become."""
