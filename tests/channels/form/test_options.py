import json

import pytest

from leadhub.channels.registry import CHANNELS
from leadhub.domain.errors import InvalidInput


def test_options_come_back_in_full_and_twice_the_same() -> None:
    channel = CHANNELS["form"]
    full = channel.validate_options({"consents": [{"field": "ok"}], "allowed_origins": ["HTTPS://A.org/"]})

    assert full["honeypot"] == "_gotcha"
    assert full["allowed_origins"] == ["https://a.org"]
    assert channel.validate_options(full) == full
    json.dumps(full)


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"colour": "red"}, "#/options/colour"),
        ({"default_country": "de"}, "#/options/default_country"),
        ({"default_language": "german!"}, "#/options/default_language"),
        ({"origin": "Referral Programme"}, "#/options/origin"),
        ({"allowed_origins": ["example.org"]}, "#/options/allowed_origins/0"),
        ({"allowed_origins": ["https://example.org/form"]}, "#/options/allowed_origins/0"),
        ({"allowed_origins": ["https://*.example.org"]}, "#/options/allowed_origins/0"),
        ({"thank_you_url": "/thanks"}, "#/options/thank_you_url"),
        ({"thank_you_url": "javascript:alert(1)"}, "#/options/thank_you_url"),
        ({"redirect_hosts": ["https://example.org"]}, "#/options/redirect_hosts/0"),
        ({"redirect_hosts": ["a b"]}, "#/options/redirect_hosts/0"),
        ({"field_map": {"mail": "e-mail"}}, "#/options/field_map"),
        ({"consents": [{"purpose": "x"}]}, "#/options/consents/0/field"),
        ({"consents": [{"field": "x", "purpose": "Big News"}]}, "#/options/consents/0/purpose"),
        ({"activity": "Demo"}, "#/options/activity"),
        ({"activity_attributes": {"a": "x" * 501}}, "#/options/activity_attributes/a"),
        ({"activity_field": "kind"}, "#/options"),
        ({"repeat_seconds": -1}, "#/options/repeat_seconds"),
        ({"honeypot": ""}, "#/options/honeypot"),
    ],
)
def test_wrong_options_are_pointed_at(options: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        CHANNELS["form"].validate_options(options)

    assert [each.pointer for each in caught.value.errors] == [pointer]
