"""Nobody can make a normaliser work long: what it does grows with the text no faster than the text."""

from collections.abc import Callable
from time import process_time

import pytest

from leadhub.domain.normalisation import (
    amount,
    clean_block,
    clean_line,
    comparable_address,
    employees,
    fold,
    months,
    normalise_company,
    normalise_country,
    normalise_email,
    normalise_language,
    normalise_name,
    normalise_phone,
    normalise_postcode,
    normalise_title,
    normalise_url,
)

EVIL = ["a", " ", "\u0301\u0323", "1 ", "1.", "<a", "((", "@", "-", "\u738b", "\ufdfa", "o'", "\ud800"]
READERS: list[Callable[[str], object]] = [
    amount,
    clean_block,
    clean_line,
    employees,
    fold,
    months,
    normalise_company,
    normalise_country,
    normalise_email,
    lambda text: normalise_name(full=text, first=text),
    lambda text: comparable_address(text, text, text),
    normalise_language,
    normalise_phone,
    normalise_postcode,
    normalise_title,
    normalise_url,
]


@pytest.mark.parametrize("read", READERS)
def test_ten_thousand_characters_take_no_time(read: Callable[[str], object]) -> None:
    start = process_time()

    for piece in EVIL:
        read(piece * (10_000 // len(piece)))
        read("a@" + piece * 250)
        read("+49" + piece * 95)

    # Quadratic work on any of these would take seconds; the bound leaves room for a slow machine.
    assert process_time() - start < 1.5
