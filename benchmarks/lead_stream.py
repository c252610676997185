"""An invented stream of leads whose true persons are known, with what makes recognising people hard.

Households on one mailbox, colleagues on one switchboard, fathers and sons, namesakes, people who move on to another
address, number or job, recycled numbers, nicknames, typing errors, swapped names, made-up addresses. Seeded: equal
seeds give equal streams. Fields come out as people type them, so that normalising is part of what is measured.

How often people are called alike decides most of the result, so names come from lists of real ones (`faker`), as often
as censuses count them. How often the rest goes wrong was set, at each level, to bring what exact rules reach to what
they reach on the stream that our bars were drawn from; the last time by somebody who never saw what LeadHub makes of
it. Means of seeds 1 to 7, precision / recall; `./run bench stream_facts` measures all of it anew:

    rule                                         easy            standard        hard
    lower-cased e-mail                    here   0.941 / 0.641   0.560 / 0.435   0.236 / 0.279
                                         there   0.931 / 0.636   0.564 / 0.433   0.241 / 0.279
    mailbox                               here   0.978 / 0.730   0.967 / 0.533   0.963 / 0.352
                                         there   0.981 / 0.722   0.972 / 0.531   0.962 / 0.355
    mailbox or phone                      here   0.946 / 0.955   0.900 / 0.816   0.831 / 0.566
                                         there   0.948 / 0.955   0.892 / 0.818   0.831 / 0.574
    own mailbox, or phone + sound         here   0.967 / 0.948   0.966 / 0.787   0.971 / 0.530
    of the first name                    there   0.969 / 0.949   0.963 / 0.785   0.971 / 0.529
    identity keys + name check            here                   0.997 / 0.808
                                         there                   0.998 / 0.802

    at the standard level                                           here      there
    known persons found by identity keys / any key         0.822 / 0.987      0.823 / 0.987
    true pairs without a common identity key                       0.253      0.26
    mailboxes / phones of more than one person             0.008 / 0.015      0.008 / 0.015
    pairs, 10,000 submissions of 5,882 people                      6,963      6,876

Nothing is further off than 1.6 times what one seed differs from the next. What leans to one side: fewer pairs lack a
common key here, and who checks names finds a little more, and is wrong a little more often. The rules leave open which
error it is that parts two submissions, and they do not see how often a form asks for a place or a company, or how alike
strangers are called: that is set by what is plausible.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from faker import Faker

from leadhub.domain.nicknames import forms_of

_COMMON_GIVEN = {
    "DE": "Thomas Sabine Michael Susanne Andreas Petra Peter Birgit Stefan Gabriele Christian Andrea Martin Claudia "
    "Uwe Heike Matthias Anna Jan Julia Tobias Katharina Sebastian Lena Florian Laura Jürgen Renate Jörg Käthe Björn "
    "Sören",
    "FR": "Jean Marie Pierre Nathalie Michel Isabelle Philippe Sylvie Nicolas Catherine Julien Camille Thierry Céline "
    "François Aurélie Jérôme Hélène Jean-Pierre Anne-Marie Éric Zoé Léa Hugo Antoine Chloé",
    "ES": "José María Antonio Carmen Manuel Ana Francisco Isabel Juan Laura David Cristina Javier Marta Daniel Lucía "
    "Carlos Pilar Miguel Rosa Alejandro Elena Álvaro Inés Iván Sofía",
    "IN": "Amit Priya Rahul Anjali Sanjay Pooja Rajesh Neha Vijay Sunita Arjun Kavita Deepak Ritu Suresh Lakshmi Anil "
    "Meena Rohan Divya Vikram Swati Manoj Rekha",
    "BR": "João Maria José Ana Antônio Francisca Carlos Adriana Paulo Juliana Pedro Márcia Lucas Fernanda Luiz "
    "Patrícia Marcos Aline Rafael Camila Bruno Letícia Thiago Beatriz",
}
_COMMON_FAMILY = {
    "DE": "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein "
    "Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Werner Krause Lehmann Köhler "
    "Herrmann",
    "FR": "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel García "
    "Fournier Lambert Fontaine Rousseau Vincent Müller Lefèvre Faure André Mercier Blanc Guérin Boyer Garnier "
    "Chevalier",
    "ES": "García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz Hernández Díaz "
    "Moreno Muñoz Álvarez Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez Ramos Gil Ramírez Serrano",
    "IN": "Kumar Sharma Singh Patel Gupta Reddy Nair Iyer Mehta Joshi Rao Desai Shah Verma Mishra Chopra Kapoor "
    "Malhotra Bose Das Banerjee Mukherjee Pillai Menon Agarwal Bhat",
    "BR": "Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gomes Costa Ribeiro Martins Carvalho "
    "Almeida Lopes Soares Fernandes Vieira Barbosa Rocha Dias Nascimento Andrade Moreira Nunes",
}
_CALLED_ALIKE = {
    "US": (0, 0), "DE": (0.25, 0.1), "FR": (0.25, 0.05), "ES": (0.25, 0.35), "IN": (0.25, 0.35), "BR": (0.25, 0.35),
}  # fmt: skip
"""Country → how many have one of its common given names, and of its common family names. The lists of the United
States say themselves how common each name is, those of the other countries do not."""
_LISTED = 0.41
"""Share of Americans with one of the thousand commonest family names. Source: US Census Bureau, Frequently Occurring
Surnames from the 2010 Census; the hundred commonest are 17 % of them, the commonest one 0.8 %."""
_LOCALES = {"US": "en_US", "DE": "de_DE", "FR": "fr_FR", "ES": "es_ES", "IN": "en_IN", "BR": "pt_BR"}
_SYLLABLES = (
    "bar den kel lo mar nov per ros sal tan ver wil zan har bek dor fen gil hol jan kor lem mol ash bren cul dra esk "
    "fal gor hin ist jur kva lud mez nar ost pru rit stan tor ulm vog wen yar zim"
)
_ENDINGS = {"US": "son ton er field", "DE": "mann er berg feld", "FR": "ier eau ard in", "ES": "ez as al ero",
            "IN": "wal kar an ia", "BR": "eira ado im ales"}  # fmt: skip
_COUNTRIES = ("US", "US", "US", "DE", "DE", "FR", "ES", "IN", "BR")
_FREE = {"US": "gmail.com yahoo.com outlook.com icloud.com", "DE": "gmx.de web.de gmail.com t-online.de",
         "FR": "orange.fr gmail.com free.fr", "ES": "gmail.com hotmail.es hotmail.com", "IN": "gmail.com yahoo.in",
         "BR": "gmail.com uol.com.br hotmail.com"}  # fmt: skip
_TYPO_DOMAINS = {"gmail.com": "gmial.com", "yahoo.com": "yaho.com", "outlook.com": "outlok.com", "gmx.de": "gmx.dee"}
_STREETS = {"US": "Oak Street|Maple Avenue|Main Street|Cedar Lane|Park Road|Lake Drive|Hill Street|Elm Avenue",
            "DE": "Hauptstraße|Bahnhofstr.|Gartenweg|Schulstraße|Bergstr.|Lindenallee|Kirchgasse",
            "FR": "Rue de la Paix|Avenue Victor Hugo|Rue Pasteur|Place du Marché|Rue des Lilas",
            "ES": "Calle Mayor|Avenida de la Paz|Calle Real|Paseo del Prado", "IN": "MG Road|Station Road|Park Street",
            "BR": "Rua das Flores|Avenida Brasil|Rua São João|Avenida Paulista"}  # fmt: skip
_CITIES = "Springfield Riverton Lakeside Neustadt Altdorf Villeneuve Montclair Rioja Leiria Graz"
_COMPANY_WORDS = (
    "Acorn Beacon Cobalt Delta Ember Falcon Granite Harbor Indigo Juniper Keystone Lumen Meridian Nimbus Orchid "
    "Pinnacle Quartz Ridge Summit Tundra Umbra Vertex Willow Zephyr Atlas Birch Cedar Drift Echo Forge Glacier Helix"
)
_COMPANY_KINDS = "Systems Logistics Foods Energy Media Health Labs Partners Software Works Textiles Finance"
_FORMS = {"US": ("Inc.", "LLC", ""), "DE": ("GmbH", "AG", "GmbH & Co. KG"), "FR": ("SARL", "SAS", ""),
          "ES": ("S.L.", "S.A."), "IN": ("Pvt Ltd", ""), "BR": ("Ltda", "S.A.")}  # fmt: skip
_SUBMISSIONS_EACH = 1.7
"""Mean of submissions a person."""
_COLLEAGUES = 5
"""People in the stream for each company in it; not all of them have a job."""
_SKEW = 1.8
"""How much more often people work for some companies than for others: 1 is not at all, with 1.8
one in fifty works for the largest."""
_RECYCLED = 0.006
"""Share of mobile numbers that were somebody else's."""
_ON_FAMILY_MAILBOX = 0.16
"""Share of the households of several in which an address is the family's."""
_JUNIOR = 0.04
"""Share of relatives who are called as the first of the family; many write `Jr.` behind it."""
_SECOND_NAME = 0.05
"""Share of people who go by another given name that no table of short forms knows."""
_MADE_UP = ("test@test.com", "asdf@asdf.com", "none@none.com", "noemail@gmail.com")


@dataclass(frozen=True)
class Hardness:
    """How often things go wrong, as probabilities a submission."""

    typo: float = 0.035
    nickname: float = 0.17
    """Of those whose name has a short form, or who go by another one."""
    swap: float = 0.02
    initial: float = 0.02
    email_typo: float = 0.015
    phone_typo: float = 0.025
    new_email: float = 0.1
    """Of those who come again: another main address than the last time."""
    new_phone: float = 0.03
    """Of those who come again: another mobile number."""
    new_job: float = 0.03
    """Of those with a job who come again: another one."""
    other_email: float = 0.04
    """Any of the person's addresses instead of the usual one."""
    work_email: float = 0.5
    """Of those with a job, where business is asked for: the address at work."""
    variant: float = 0.6
    """Of addresses at Gmail: with other dots, or a +tag."""
    family_mailbox: float = 0.5
    """Of those whose family has an address: that one instead of one's own."""
    no_phone: float = 0.14
    """Of forms that do not demand a number."""
    shared_line: float = 0.18
    """The family's or the company's number instead of one's own."""
    role: float = 0.05
    made_up: float = 0.0175
    nameless: float = 0.05
    """Of newsletter forms: they ask for an address only."""
    nameless_chat: float = 0.15
    """Of chats."""
    bare: float = 0.0
    """Nothing ties the submission to its person."""


STANDARD = Hardness()
EASY = Hardness(
    typo=0.01, nickname=0.03, swap=0.005, initial=0.005, email_typo=0.006, phone_typo=0.008, new_email=0.01,
    new_phone=0.005, new_job=0.01, other_email=0.01, work_email=0.18, variant=0.3, no_phone=0.02, shared_line=0.04,
    role=0.03, made_up=0.005, nameless=0.01, nameless_chat=0.03,
)  # fmt: skip
HARD = Hardness(
    typo=0.07, nickname=0.35, swap=0.04, initial=0.05, email_typo=0.05, phone_typo=0.05, new_email=0.16,
    new_phone=0.05, new_job=0.04, other_email=0.22, work_email=0.55, variant=0.85, no_phone=0.2, shared_line=0.32,
    role=0.06, made_up=0.031, nameless=0.2, bare=0.08,
)  # fmt: skip
NAMELESS = replace(STANDARD, nameless=0.5)
"""Half of the newsletter forms ask for nothing but an address."""


@dataclass(frozen=True)
class Company:
    """Where people work."""

    name: str
    domain: str
    country: str
    switchboard: str
    style: int
    """How it makes addresses of names."""


@dataclass(frozen=True)
class Person:
    """Who somebody truly is, at some time."""

    number: int
    first: str
    last: str
    suffix: str
    country: str
    household: int
    emails: tuple[str, ...]
    mobile: str
    home_line: str
    family_mailbox: str
    street: str
    postal_code: str
    city: str
    company: Company | None
    work_email: str
    account: str
    nick: str = ""
    on_family_mailbox: bool = False


@dataclass(frozen=True)
class Arrival:
    """One submission: whose it truly is, and what was typed."""

    person: int
    household: int
    fields: Mapping[str, str]
    external_id: str | None = None
    default_country: str = "US"


@dataclass
class _World:
    random: Random
    hardness: Hardness
    people: list[Person] = field(default_factory=list)
    companies: list[Company] = field(default_factory=list)
    names: dict[str, Faker] = field(default_factory=dict)
    mailboxes: set[str] = field(default_factory=set)
    """Addresses that are somebody's: no provider gives one to two people."""


def stream(seed: int, *, submissions: int = 10_000, hardness: Hardness = STANDARD) -> list[Arrival]:
    """Return a stream in order of arrival."""
    world = _World(Random(seed), hardness)
    for country, locale in _LOCALES.items():
        world.names[country] = Faker(locale)
        world.names[country].seed_instance(f"{seed} {country}")
    _fill(world, round(submissions / _SUBMISSIONS_EACH))
    return [_submission(world, person) for person in _visits(world, submissions)]


def _visits(world: _World, count: int) -> Iterator[Person]:
    """Yield who comes, in order: somebody new, or any of those who have been here, with what is new about them.

    So how often people come is geometric.
    """
    random = world.random
    newcomers = random.sample(world.people, len(world.people))
    first_visits = {0, *random.sample(range(1, count), len(newcomers) - 1)} if count else set()
    known: list[Person] = []
    for index in range(count):
        if index in first_visits:
            known.append(newcomers.pop())
            yield known[-1]
        else:
            at = random.randrange(len(known))
            known[at] = _moved_on(world, known[at])
            yield known[at]


def _moved_on(world: _World, person: Person) -> Person:
    """Return somebody some time later."""
    random, hardness = world.random, world.hardness
    if random.random() < hardness.new_email:
        person = replace(person, emails=(_unique(world, _private(random, person)), *person.emails))
    if random.random() < hardness.new_phone:
        person = replace(person, mobile=_line(random, person.country, mobile=True))
    if person.company and random.random() < hardness.new_job:
        company = _employer(world)
        person = replace(person, company=company, work_email=_unique(world, _at_work(random, person, company)))
    return person


def _fill(world: _World, count: int) -> None:
    random = world.random
    for number in range(max(count // _COLLEAGUES, 4)):
        world.companies.append(_company(random, number))
    household = 0
    while len(world.people) < count:
        household += 1
        country = random.choice(_COUNTRIES)
        base = _person(world, household, country)
        world.people.append(base)
        if random.random() < 0.16:
            world.people[-1] = base = replace(base, on_family_mailbox=random.random() < _ON_FAMILY_MAILBOX)
            for _ in range(random.choice((1, 1, 1, 2, 3))):
                world.people.append(_relative(world, base))
        elif random.random() < 0.02:
            household += 1
            world.people.append(_namesake(world, base, household))
    del world.people[count:]


def _company(random: Random, number: int) -> Company:
    country = random.choice(_COUNTRIES)
    words = _one_of(random, _COMPANY_WORDS), _one_of(random, _COMPANY_KINDS)
    prefix = random.choice(("", "", _one_of(random, _SYLLABLES).title() + _one_of(random, _SYLLABLES)))
    name = " ".join(filter(None, (prefix, *words, random.choice(_FORMS[country]))))
    domain = f"{prefix.lower()}{words[0].lower()}{words[1].lower()}{number if not prefix else ''}.{_top(country)}"
    return Company(name, domain, country, _line(random, country, mobile=False), random.randrange(3))


def _top(country: str) -> str:
    return {"US": "com", "DE": "de", "FR": "fr", "ES": "es", "IN": "in", "BR": "com.br"}[country]


def _line(random: Random, country: str, *, mobile: bool) -> str:
    def digits(count: int) -> str:
        return str(random.randrange(2, 10)) + "".join(str(random.randrange(10)) for _ in range(count - 1))

    if country == "US":
        return f"+1{random.choice(('212', '415', '312', '206', '617', '305'))}{digits(3)}{digits(4)}"
    if country == "DE":
        return f"+49{random.choice(('151', '160', '170', '172', '176') if mobile else ('30', '40', '89'))}{digits(8)}"
    if country == "FR":
        return f"+33{random.choice('67') if mobile else random.choice('124')}{digits(8)}"
    if country == "ES":
        return f"+34{random.choice(('61', '62', '65')) if mobile else '91'}{digits(7)}"
    if country == "IN":
        return f"+91{random.choice(('98', '99', '97'))}{digits(8)}" if mobile else f"+9122{digits(8)}"
    return f"+5511{'9' + digits(8) if mobile else '3' + digits(7)}"


def _one_of(random: Random, words: str) -> str:
    return random.choice(words.split())


def _pick(random: Random, names: str) -> str:
    """Pick a name, the first ones more often: a few names are everybody's."""
    words = names.split()
    return words[int(random.random() ** 1.6 * len(words))]


def _given_name(world: _World, country: str) -> str:
    if world.random.random() < _CALLED_ALIKE[country][0]:
        return _pick(world.random, _COMMON_GIVEN[country])
    return str(world.names[country].first_name())


def _family_name(world: _World, country: str) -> str:
    random = world.random
    if random.random() < _CALLED_ALIKE[country][1]:
        return _pick(random, _COMMON_FAMILY[country])
    listed = str(world.names[country].last_name())
    if random.random() < _LISTED:
        return listed
    made = "".join(_one_of(random, _SYLLABLES) for _ in range(random.choice((1, 2, 2)))) + _one_of(
        random, _ENDINGS[country]
    )
    return f"{made.title()}-{listed}" if random.random() < 0.06 else made.title()


def _person(world: _World, household: int, country: str) -> Person:
    random = world.random
    first, last = _given_name(world, country), _family_name(world, country)
    person = Person(
        number=len(world.people), first=first, last=last, suffix="", country=country, household=household,
        emails=(), mobile=_line(random, country, mobile=True), home_line=_line(random, country, mobile=False),
        family_mailbox=_unique(
            world, f"{_slug(last)}family{random.randrange(100)}@{_one_of(random, _FREE[country])}"
        ),
        street=f"{random.choice(_STREETS[country].split('|'))} {random.randrange(1, 180)}",
        postal_code=f"{random.randrange(10000, 99999)}", city=_one_of(random, _CITIES),
        company=None, work_email="", account="",
    )  # fmt: skip
    return _equipped(world, person)


def _equipped(world: _World, person: Person) -> Person:
    """Give a person addresses, a job and perhaps an account."""
    random = world.random
    count = random.choice((1, 1, 1, 2, 2))
    company = _employer(world) if random.random() < 0.6 else None
    recycled = random.random() < _RECYCLED and len(world.people) > 50
    return replace(
        person,
        emails=tuple(_unique(world, _private(random, person)) for _ in range(count)),
        mobile=random.choice(world.people).mobile if recycled else _line(random, person.country, mobile=True),
        company=company,
        work_email=_unique(world, _at_work(random, person, company)) if company else "",
        account=f"u{random.randrange(10**9)}" if random.random() < 0.12 else "",
        nick=_nick(world, person),
    )


def _nick(world: _World, person: Person) -> str:
    if world.random.random() < _SECOND_NAME:
        return _given_name(world, person.country)
    forms = sorted(forms_of(_slug(person.first)))
    return world.random.choice(forms).title() if forms else ""


def _employer(world: _World) -> Company:
    return world.companies[int(world.random.random() ** _SKEW * len(world.companies))]


def _unique(world: _World, address: str) -> str:
    local, _, domain = address.rpartition("@")
    number = 1
    while (mailbox := local.replace(".", "") + domain) in world.mailboxes:
        number += 1
        local = f"{address.rpartition('@')[0]}{number}"
    world.mailboxes.add(mailbox)
    return f"{local}@{domain}"


def _private(random: Random, person: Person) -> str:
    first, last = _slug(person.first), _slug(person.last)
    local = random.choice(
        (
            f"{first}.{last}", f"{first}{last}{random.randrange(1, 99)}",
            f"{first[0]}{last}{random.randrange(1950, 2005)}",
            f"{first}{random.randrange(10, 9999)}", f"{last}.{first}",
            f"{_one_of(random, _COMPANY_WORDS).lower()}{_one_of(random, _SYLLABLES)}{random.randrange(10, 999)}",
        )
    )  # fmt: skip
    return f"{local}@{_one_of(random, _FREE[person.country])}"


def _at_work(random: Random, person: Person, company: Company) -> str:
    first, last = _slug(person.first), _slug(person.last)
    local = (f"{first}.{last}", f"{first[0]}{last}", first)[company.style]
    return f"{local}{random.randrange(2, 99) if company.style == 2 else ''}@{company.domain}"


def _relative(world: _World, base: Person) -> Person:
    random = world.random
    junior = random.random() < _JUNIOR
    first = base.first if junior else _given_name(world, base.country)
    while not junior and first == base.first:
        first = _given_name(world, base.country)
    last = base.last if random.random() < 0.85 else _family_name(world, base.country)
    one = replace(base, number=len(world.people), first=first, last=last, suffix="Jr." if junior else "")
    return _equipped(world, one)


def _namesake(world: _World, base: Person, household: int) -> Person:
    """Return a stranger of the same name; one in twenty is a colleague."""
    stranger = replace(_person(world, household, base.country), first=base.first, last=base.last)
    made = _equipped(world, stranger)
    if base.company and world.random.random() < 0.05:
        work_email = _unique(world, _at_work(world.random, made, base.company))
        made = replace(made, company=base.company, work_email=work_email)
    return made


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.lower().replace("ß", "s"))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha())


def _submission(world: _World, person: Person) -> Arrival:
    """Return what a person types."""
    random, hardness = world.random, world.hardness
    if random.random() < hardness.bare:
        fields = _bare(random, person)
    else:
        fields = dict(_FORMS_OF_CONTACT[_form(random)](world, person))
    external = person.account if person.account and random.random() < 0.5 else None
    return Arrival(person.number, person.household, {k: v for k, v in fields.items() if v}, external, person.country)


def _form(random: Random) -> int:
    return random.choices(range(6), weights=(10, 29, 25, 18, 8, 10))[0]


def _newsletter(world: _World, person: Person) -> Iterator[tuple[str, str]]:
    yield "email", _email(world, person)
    if world.random.random() >= world.hardness.nameless:
        yield "first_name", _first(world, person)
        if world.random.random() < 0.95:
            yield "last_name", _typed(world, person.last)


def _contact(world: _World, person: Person) -> Iterator[tuple[str, str]]:
    yield from _name(world, person)
    yield "email", _email(world, person, at_work=0.12)
    if world.random.random() >= world.hardness.no_phone:
        yield "phone", _phone(world, person)
    if world.random.random() < 0.25:
        yield from _place(world, person)


def _demo(world: _World, person: Person) -> Iterator[tuple[str, str]]:
    yield from _name(world, person)
    yield "email", _email(world, person, at_work=world.hardness.work_email)
    yield "phone", _phone(world, person)
    if person.company:
        yield "company", _written(world, person.company)


def _lead_ad(world: _World, person: Person) -> Iterator[tuple[str, str]]:
    yield from _name(world, person)
    yield "email", person.emails[0]
    if world.random.random() >= world.hardness.no_phone:
        yield "phone", person.mobile


def _chat(world: _World, person: Person) -> Iterator[tuple[str, str]]:
    if world.random.random() >= world.hardness.nameless_chat:
        yield "full_name", _first(world, person) + (f" {person.last}" if world.random.random() < 0.95 else "")
    yield "phone", _phone(world, person)
    if world.random.random() < 0.6:
        yield "email", _email(world, person)


def _list(world: _World, person: Person) -> Iterator[tuple[str, str]]:
    """A trade fair's list: name and company, and one way to reach them."""
    yield from _name(world, person)
    if person.company:
        yield "company", _written(world, person.company)
    ways = world.random.random()
    if ways < 0.75:
        yield "email", _email(world, person, at_work=world.hardness.work_email)
    if ways > 0.4:
        yield "phone", _phone(world, person)
    if world.random.random() < 0.3:
        yield from _place(world, person)


_FORMS_OF_CONTACT = (_newsletter, _contact, _demo, _lead_ad, _chat, _list)


def _bare(random: Random, person: Person) -> dict[str, str]:
    """Nothing that ties it to the person: a fresh address, a first name."""
    word = _one_of(random, _COMPANY_WORDS).lower()
    fields = {"email": f"{word}{random.randrange(10**5)}@{_one_of(random, _FREE[person.country])}"}
    if random.random() < 0.6:
        fields["first_name"] = person.first
    return fields


def _name(world: _World, person: Person) -> Iterator[tuple[str, str]]:
    random, hardness = world.random, world.hardness
    first, last = _first(world, person), _typed(world, person.last)
    if person.suffix and random.random() < 0.7:
        last = f"{last} {person.suffix}"
    if random.random() < 0.08:
        first, last = (first.upper(), last.upper()) if random.random() < 0.5 else (first.lower(), last.lower())
    if random.random() < hardness.swap:
        first, last = last, first
    if random.random() < 0.3:
        yield "full_name", f"{first} {last}"
        return
    yield "first_name", first
    if random.random() < 0.95:
        yield "last_name", last


def _first(world: _World, person: Person) -> str:
    random, hardness = world.random, world.hardness
    if random.random() < hardness.initial:
        return f"{person.first[0]}."
    if person.nick and random.random() < hardness.nickname:
        return person.nick
    return _typed(world, person.first)


def _typed(world: _World, text: str) -> str:
    return _slip(world.random, text) if world.random.random() < world.hardness.typo else text


def _slip(random: Random, text: str) -> str:
    """Make one typing error."""
    if len(text) < 3:
        return text
    at = random.randrange(1, len(text) - 1)
    kind = random.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + random.choice("abcdefghijklmnopqrstuvwxyz") + text[at:]
    if kind == 2:
        return text[:at] + random.choice("abcdefghijklmnopqrstuvwxyz") + text[at + 1 :]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _email(world: _World, person: Person, *, at_work: float = 0.0) -> str:
    """Return an address as it is typed; `at_work` is how likely it is the employer's, 0 where nobody means business."""
    random, hardness = world.random, world.hardness
    if random.random() < hardness.made_up:
        return random.choice(_MADE_UP)
    work_email = person.work_email if at_work else ""
    if work_email and random.random() < hardness.role:
        return f"{random.choice(('info', 'info', 'sales'))}@{work_email.rpartition('@')[2]}"
    if person.on_family_mailbox and random.random() < hardness.family_mailbox:
        return person.family_mailbox
    choice = work_email if work_email and random.random() < at_work else person.emails[0]
    if random.random() < hardness.other_email:
        choice = random.choice((*person.emails, *filter(None, (work_email,))))
    local, _, domain = choice.rpartition("@")
    if random.random() < hardness.email_typo:
        if domain in _TYPO_DOMAINS and random.random() < 0.5:
            return f"{local}@{_TYPO_DOMAINS[domain]}"
        return f"{_slip(random, local)}@{domain}"
    if domain == "gmail.com" and random.random() < hardness.variant:
        if random.random() < 0.5:
            local += "+" + random.choice(("news", "web", "x"))
        else:
            local = local.replace(".", "") if "." in local else f"{local[:3]}.{local[3:]}"
    return f"{local}@{domain}".title() if random.random() < 0.06 else f"{local}@{domain}"


def _phone(world: _World, person: Person) -> str:
    random, hardness = world.random, world.hardness
    number = person.mobile
    if random.random() < hardness.shared_line:
        number = person.company.switchboard if person.company and random.random() < 0.5 else person.home_line
    if random.random() < hardness.phone_typo:
        at = random.randrange(5, len(number))
        number = number[:at] + random.choice("0123456789") + number[at + 1 :]
    style = random.randrange(4)
    if style == 0:
        return "00" + number[1:]
    if style == 1:
        return f"{number[:-6]} {number[-6:-3]} {number[-3:]}"
    return number


def _place(world: _World, person: Person) -> Iterator[tuple[str, str]]:
    yield "street", _typed(world, person.street)
    yield "postal_code", person.postal_code
    yield "city", person.city


def _written(world: _World, company: Company) -> str:
    """Return a company's name as it is typed, often without its legal form."""
    random, name = world.random, company.name
    if random.random() < 0.25:
        for form in _FORMS[company.country]:
            name = name.removesuffix(f" {form}")
    return _slip(random, name) if random.random() < 0.03 else name
