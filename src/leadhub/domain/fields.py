"""The canonical fields of a lead: one name for each, what it holds, how long it may be, and who else calls it what.

Everything that names a field (the API's JSON, a form's inputs, a source's mapping, a playbook's rules, the stored
golden values) uses these names. What a sender calls something else and no alias knows goes to `custom` under the
sender's own key.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a field holds after normalisation."""

    TEXT = "text"
    EMAIL = "email"
    PHONE = "phone"
    COUNTRY = "country"
    NUMBER = "number"
    EMPLOYEES = "employees"
    URL = "url"
    KEYWORD = "keyword"
    """A short lower-case word such as `approved`; compared without regard to case."""


@dataclass(frozen=True, slots=True)
class Field:
    """One canonical field; `limit` is the greatest number of characters accepted from a sender."""

    name: str
    kind: Kind
    limit: int
    aliases: tuple[str, ...] = ()


_CONTACT = (
    Field(
        "email",
        Kind.EMAIL,
        320,
        (
            "e_mail",
            "mail",
            "email_address",
            "your_email",
            "correo",
            "courriel",
            "adresse_mail",
            "email_work",
            "work_email",
            "business_email",
        ),
    ),
    Field(
        "phone",
        Kind.PHONE,
        64,
        ("tel", "telephone", "mobile", "cell", "phone_number", "telefon", "telefono", "whatsapp", "work_phone_number"),
    ),
    Field("first_name", Kind.TEXT, 200, ("firstname", "fname", "given_name", "vorname", "prenom", "nombre")),
    Field(
        "last_name",
        Kind.TEXT,
        200,
        ("lastname", "lname", "surname", "family_name", "nachname", "nom", "apellido", "apellidos"),
    ),
    Field("full_name", Kind.TEXT, 400, ("name", "your_name", "fullname")),
)
_COMPANY = (
    Field(
        "company", Kind.TEXT, 300, ("company_name", "organisation", "organization", "firma", "empresa", "entreprise")
    ),
    Field("job_title", Kind.TEXT, 300, ("title", "position", "role", "funktion", "cargo")),
    Field("industry", Kind.KEYWORD, 200, ("branche",)),
    Field("employees", Kind.EMPLOYEES, 64, ("company_size", "employee_count")),
    Field("website", Kind.URL, 2000, ("url", "homepage")),
)
_PLACE = (
    Field("country", Kind.COUNTRY, 100, ("land", "pais", "pays", "country_code")),
    Field("region", Kind.TEXT, 200, ("state", "province", "bundesland")),
    Field("city", Kind.TEXT, 200, ("town", "ort", "ciudad", "ville")),
    Field("postal_code", Kind.TEXT, 32, ("zip", "zip_code", "postcode", "post_code", "plz", "cp", "cap")),
    Field("street", Kind.TEXT, 400, ("address", "street_address", "strasse")),
    Field("language", Kind.TEXT, 35, ("locale",)),
)
_INTEREST = (
    Field("message", Kind.TEXT, 10_000, ("comments", "enquiry", "inquiry", "your_message", "nachricht", "mensaje")),
    Field("origin", Kind.KEYWORD, 64, ("lead_source",)),
)
_QUALIFICATION = (
    Field("budget_amount", Kind.NUMBER, 64, ("budget",)),
    Field("budget_status", Kind.KEYWORD, 64),
    Field("buying_role", Kind.KEYWORD, 64),
    Field("need", Kind.TEXT, 2000),
    Field("timeline_months", Kind.NUMBER, 64, ("timeline",)),
    Field("urgency", Kind.KEYWORD, 64),
    Field("challenges", Kind.TEXT, 2000),
    Field("success_metrics", Kind.TEXT, 2000),
    Field("economic_buyer", Kind.TEXT, 400),
    Field("decision_criteria", Kind.TEXT, 2000),
    Field("decision_process", Kind.TEXT, 2000),
    Field("pain", Kind.TEXT, 2000),
    Field("champion", Kind.TEXT, 400),
)

FIELDS: dict[str, Field] = {f.name: f for f in (*_CONTACT, *_COMPANY, *_PLACE, *_INTEREST, *_QUALIFICATION)}
"""What a sender may state, by canonical name."""

DERIVED: dict[str, Kind] = {
    "email_domain": Kind.KEYWORD,
    "email_class": Kind.KEYWORD,
    "company_domain": Kind.KEYWORD,
    "seniority": Kind.KEYWORD,
    "department": Kind.KEYWORD,
    "source": Kind.KEYWORD,
    "channel": Kind.KEYWORD,
    "sales_decision": Kind.KEYWORD,
}
"""What LeadHub itself knows of a lead and a playbook may judge; nobody can state these.

`company_domain` is the company's own, from its website or the mailbox; `seniority` and `department` are what the job
title says (see `domain.normalisation.job_title`). `source` is the lead's origin (`origin` if stated, for example
`referral`, else the channel of its first submission); `sales_decision` is what the CRM answered: accepted, or
rejected_ and the reason.
"""

ALIASES: dict[str, str] = {alias: f.name for f in FIELDS.values() for alias in (f.name, *f.aliases)}
"""Every known spelling of a field name → the canonical one. Look up with `canonical_name`."""


def canonical_name(sent: str) -> str | None:
    """Return the canonical name of what a sender or a playbook calls a field, or None.

    >>> canonical_name("Your-Email"), canonical_name("favourite colour")
    ('email', None)
    """
    return ALIASES.get("_".join(sent.strip().lower().replace("-", " ").split()))


def kind_of(name: str) -> Kind | None:
    """Return what a canonical or derived field holds, or None if there is no such field."""
    if name in FIELDS:
        return FIELDS[name].kind
    return DERIVED.get(name)
