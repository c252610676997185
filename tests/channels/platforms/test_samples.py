"""What `leadhub send` posts as a platform is what its channel reads."""

from dataclasses import replace

import orjson
import pytest
from tests.support.posting import JSON, a_connection, an_inbound
from tests.support.signing import SIGN, STANDARD_SECRET

from leadhub.channels.registry import PLATFORMS
from leadhub.demo import invented
from leadhub.demo.platform_samples import SAMPLES


@pytest.mark.parametrize("channel", SAMPLES)
def test_a_sample_becomes_the_person_that_it_was_made_of(channel: str) -> None:
    lead, secret = invented.lead(7, run="t"), STANDARD_SECRET
    body = orjson.dumps(SAMPLES[channel](lead, "s-7", secret))
    inbound = an_inbound(body, JSON, SIGN[channel](body, secret.encode()))

    [submission] = (
        PLATFORMS[channel].unpack(inbound, replace(a_connection(channel), secrets=(secret.encode(),))).submissions
    )

    assert submission.content.fields["email"] == lead["email"]
    assert submission.dedupe_key or channel == "json"  # whose source says where its id is
    if channel not in {"calendly", "whatsapp"}:
        assert submission.content.fields["company"] == lead["company"]
