"""The numbering plans of phonenumbers, prepared for reading a number without its parser.

The patterns are the library's own; only the way to them is shorter: compiled once a country, tried in the library's
order. A plan is loaded when the first number of its country arrives, as in the library.
"""

import re
from collections.abc import Mapping
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
    lengths: frozenset[int]
    general: re.Pattern[str]
    by_length: Mapping[int, tuple[tuple[PhoneKind, re.Pattern[str]], ...]]
    """Number of digits → the kinds that have numbers of it, in the library's order: the first that matches counts."""

    def is_possible(self, number: str) -> bool:
        """Say whether a national number looks like one of this plan's."""
        return len(number) in self.lengths and self.general.fullmatch(number) is not None

    def kind(self, number: str) -> PhoneKind | None:
        """Return the kind of a national number, or None if the plan does not assign it."""
        if not self.is_possible(number):
            return None
        found = [kind for kind, pattern in self.by_length[len(number)] if pattern.fullmatch(number)]
        if PhoneKind.LANDLINE in found and PhoneKind.MOBILE in found:
            return PhoneKind.UNKNOWN
        return found[0] if found else None


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
    general = metadata.general_desc
    if general is None or not general.national_number_pattern:
        return None
    prefix = metadata.national_prefix_for_parsing
    return Plan(
        region=region,
        calling_code=metadata.country_code,
        regions=tuple(phonenumbers.region_codes_for_country_code(metadata.country_code)),
        prefix=re.compile(prefix) if prefix else None,
        exit_code=re.compile(metadata.international_prefix) if metadata.international_prefix else None,
        leading_digits=re.compile(metadata.leading_digits) if metadata.leading_digits else None,
        lengths=frozenset(general.possible_length),
        general=re.compile(general.national_number_pattern),
        by_length={length: _kinds_of_length(metadata, length) for length in general.possible_length},
    )


def _kinds_of_length(metadata: PhoneMetadata, length: int) -> tuple[tuple[PhoneKind, re.Pattern[str]], ...]:
    """Return what a number of so many digits can be; a kind that states no lengths has those of the whole plan."""
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
    kinds: list[tuple[PhoneKind, PhoneNumberDesc | None]] = [
        *((PhoneKind.UNKNOWN, desc) for desc in others),
        (PhoneKind.LANDLINE, metadata.fixed_line),
        (PhoneKind.MOBILE, metadata.mobile),
    ]
    return tuple(
        (kind, re.compile(desc.national_number_pattern))
        for kind, desc in kinds
        if desc and desc.national_number_pattern and (not desc.possible_length or length in desc.possible_length)
    )
