"""The numbering plans of phonenumbers, prepared for reading a number without its parser.

The patterns are the library's own; only the way to them is shorter: compiled once a country, tried in the library's
order. A plan is loaded when the first number of its country arrives, as in the library.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc


class PhoneKind(StrEnum):
    """What kind of line a number is."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    UNKNOWN = "unknown"
    """Fixed or mobile, as everywhere in North America, or neither: toll-free, premium."""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The numbers of one kind: how many digits, and which."""

    lengths: frozenset[int]
    pattern: re.Pattern[str]

    def fullmatch(self, number: str) -> bool:
        """Say whether a national number is one of these."""
        return (not self.lengths or len(number) in self.lengths) and self.pattern.fullmatch(number) is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """How one country writes its numbers."""

    region: str
    calling_code: int
    regions: tuple[str, ...]
    """All countries that share the calling code, in the library's order."""
    prefix: re.Pattern[str] | None
    """What may stand before a national number inside the country; one with groups rewrites the number."""
    exit_code: re.Pattern[str] | None
    leading_digits: re.Pattern[str] | None
    general: _Numbers
    others: tuple[_Numbers, ...]
    """Premium, toll-free and the like: they come before fixed and mobile."""
    fixed: _Numbers | None
    mobile: _Numbers | None

    def kind(self, number: str) -> PhoneKind | None:
        """Return the kind of a national number, or None if the plan does not assign it."""
        if not self.general.fullmatch(number):
            return None
        if any(numbers.fullmatch(number) for numbers in self.others):
            return PhoneKind.UNKNOWN
        is_mobile = self.mobile is not None and self.mobile.fullmatch(number)
        if self.fixed is not None and self.fixed.fullmatch(number):
            return PhoneKind.UNKNOWN if is_mobile else PhoneKind.LANDLINE
        return PhoneKind.MOBILE if is_mobile else None


def region_and_kind(plan: Plan, number: str) -> tuple[str, PhoneKind | None]:
    """Return the country within a shared plan, and the kind of the number there.

    >>> region_and_kind(plan_of(1), "2125550142"), region_and_kind(plan_of("DE"), "15123456789")
    (('US', <PhoneKind.UNKNOWN: 'unknown'>), ('DE', <PhoneKind.MOBILE: 'mobile'>))
    """
    if len(plan.regions) == 1:
        return plan.region, plan.kind(number)
    for region in plan.regions:
        shared = plan_of(region)
        if shared is None:
            continue
        if shared.leading_digits is not None:
            if shared.leading_digits.match(number):
                return region, shared.kind(number)
        elif (kind := shared.kind(number)) is not None:
            return region, kind
    return plan.region, None


@cache
def plan_of(country: str | int) -> Plan | None:
    """Return the plan of a country (alpha-2) or of a calling code's main country, or None if there is none.

    >>> plan_of("DE").calling_code, plan_of(44).region, plan_of("XX")
    (49, 'GB', None)
    """
    region = phonenumbers.region_code_for_country_code(country) if isinstance(country, int) else country
    metadata = PhoneMetadata.metadata_for_region(region, None) if region in phonenumbers.SUPPORTED_REGIONS else None
    if metadata is None or metadata.country_code is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    others = (
        metadata.premium_rate,
        metadata.toll_free,
        metadata.shared_cost,
        metadata.voip,
        metadata.personal_number,
        metadata.pager,
        metadata.uan,
        metadata.voicemail,
    )
    general = _numbers(metadata.general_desc)
    if general is None:
        return None
    return Plan(
        region=region,
        calling_code=metadata.country_code,
        regions=tuple(phonenumbers.region_codes_for_country_code(metadata.country_code)),
        prefix=re.compile(prefix) if prefix else None,
        exit_code=re.compile(metadata.international_prefix) if metadata.international_prefix else None,
        leading_digits=re.compile(metadata.leading_digits) if metadata.leading_digits else None,
        general=general,
        others=tuple(numbers for desc in others if (numbers := _numbers(desc))),
        fixed=_numbers(metadata.fixed_line),
        mobile=_numbers(metadata.mobile),
    )


def _numbers(desc: PhoneNumberDesc | None) -> _Numbers | None:
    """Prepare one kind of numbers; None if the country has none."""
    if desc is None or not desc.national_number_pattern:
        return None
    return _Numbers(frozenset(desc.possible_length), re.compile(desc.national_number_pattern))
