"""The shipped sample leads: who they are, how they come in, and what must become of them.

`leads.jsonl` has one submission a line. All people, companies and numbers are invented: domains are reserved ones
(RFC 2606), telephone numbers come from ranges that regulators keep free for films.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from typing import Any, Literal
from urllib.parse import urlencode

import orjson

Outcome = Literal["sales", "nurture", "none", "spam", "refused"]
"""Where the person must be in the end; or that nobody was stored (`refused`), or nobody was told (`spam`)."""

CONSENT = {
    "field": "consent",
    "purpose": "marketing",
    "channel": "email",
    "wording": "Yes, send me product news by e-mail. I can withdraw this at any time.",
}


@dataclass(frozen=True, slots=True)
class SampleSource:
    """A connection that the samples come through."""

    key: str
    channel: Literal["form", "api"]
    name: str
    activity: str | None = None
    """What submitting this form counts as."""

    def options(self, *, origin: str) -> dict[str, Any]:
        """Return the options with which to create it; `origin` is the page that its form stands on."""
        if self.channel == "api":
            return {}
        chosen = {"allowed_origins": [origin], "consents": [CONSENT], "thank_you_url": f"{origin}/thanks"}
        return chosen | ({"activity": self.activity} if self.activity else {})


SOURCES: Mapping[str, SampleSource] = {
    source.key: source
    for source in (
        SampleSource("website", "form", "Website"),
        SampleSource("demo-request", "form", "Demo request", "demo_requested"),
        SampleSource("newsletter", "form", "Newsletter", "newsletter_subscribed"),
        SampleSource("product", "api", "Product"),
    )
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One submission and what is expected of it."""

    source: str
    encoding: Literal["urlencoded", "json"]
    person: str
    """Who it really is: equal for all submissions of one person."""
    expect: Outcome
    shows: str
    """What this line is there for."""
    body: Mapping[str, Any]
    batch: str | None = None
    """Submissions that follow each other and name the same batch are sent in one request."""

    @property
    def is_lead(self) -> bool:
        """Whether it must become part of a lead."""
        return self.expect in {"sales", "nurture", "none"}


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """One request and the samples that it carries."""

    source: SampleSource
    samples: tuple[Sample, ...]
    body: bytes
    media_type: str

    @property
    def path(self) -> str:
        """Where it is posted to."""
        return f"/in/{self.source.channel}/{self.source.key}"


def samples() -> list[Sample]:
    """Return the shipped samples in their order."""
    lines = (files("leadhub.demo") / "leads.jsonl").read_bytes().splitlines()
    return [_sample(orjson.loads(line)) for line in lines]


def _sample(line: dict[str, Any]) -> Sample:
    return Sample(encoding=line.pop("as"), **line)


def requests(of: list[Sample]) -> Iterator[SampleRequest]:
    """Return the requests that carry these samples, in their order."""
    for (batch, _), group in groupby(enumerate(of), key=lambda pair: (pair[1].batch, pair[1].batch or pair[0])):
        together = tuple(sample for _, sample in group)
        source = SOURCES[together[0].source]
        if batch is not None:
            body = orjson.dumps({"submissions": [sample.body for sample in together]})
            yield SampleRequest(source, together, body, "application/json")
        elif together[0].encoding == "json":
            yield SampleRequest(source, together, orjson.dumps(together[0].body), "application/json")
        else:
            body = urlencode(together[0].body).encode("ascii")
            yield SampleRequest(source, together, body, "application/x-www-form-urlencoded")
