"""What a lead's form asks, where the platform keeps that apart from the lead: read once, and again when it changed.

It is put into the lead as `form`, so that a lead says by itself what its answers mean, now and when it is replayed. A
lead whose form cannot be read goes on without: a missing label is no reason to miss a lead.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from leadhub.domain.fetching import FeedSeen
from leadhub.outbound.asking import Account
from leadhub.outbound.meta import Meta
from leadhub.pipeline.fetching import Fetching
from leadhub.store import feeds
from leadhub.store.driver import connect
from leadhub.store.tokens import Connected

_AGAIN = timedelta(minutes=10)
"""How soon a form is asked for again when it could not be read, or a lead answers a question that it does not have."""

Form = Mapping[str, Any]


class Forms:
    """The forms of one source, each looked up once for the leads that come together."""

    def __init__(self, work: Fetching, source: Connected, account: Account) -> None:
        self._work = work
        self._source = source
        self._account = account
        self._known: dict[str, asyncio.Task[Form | None]] = {}

    async def put_into(self, body: bytes) -> bytes:
        """Return a lead with its form, or as it is where there is none to be had."""
        api = self._work.apis.by_channel[self._source.channel]
        lead = orjson.loads(body) if isinstance(api, Meta) else None
        if not isinstance(api, Meta) or not isinstance(lead, dict):
            return body
        form_id = lead.get("form_id")
        if not isinstance(form_id, str) or not form_id.isdigit():
            return body
        asked = _asked(lead)
        if form_id not in self._known:
            self._known[form_id] = asyncio.create_task(self._form(api, form_id, asked))
        form = await self._known[form_id]
        return orjson.dumps(lead | {"form": _of_lead(form, asked)}) if form is not None else body

    async def _form(self, api: Meta, form_id: str, asked: set[str]) -> Form | None:
        now, source_id = self._work.clock(), self._source.source_id
        async with connect(self._work.engine) as connection:
            stored = await feeds.form(connection, source_id, form_id)
        if stored is not None and (
            (stored.form is not None and asked <= _questions(stored.form)) or now - stored.read_at < _AGAIN
        ):
            return stored.form
        found = await api.form(form_id, self._account)
        seen = found if isinstance(found, FeedSeen) else FeedSeen(form_id, "")
        async with connect(self._work.engine) as connection:
            await feeds.seen(connection, source_id, [seen], now=now)
        return seen.form if seen.form is not None else stored.form if stored else None


def _of_lead(form: Mapping[str, Any], asked: set[str]) -> dict[str, Any]:
    """Return of a form what a lead needs: the questions that it answers, and all boxes, also those left empty."""
    legal = form.get("legal_content")
    disclaimer = legal.get("custom_disclaimer") if isinstance(legal, dict) else None
    boxes = disclaimer.get("checkboxes") if isinstance(disclaimer, dict) else None
    questions = form.get("questions")
    return {
        "name": form.get("name"),
        "locale": form.get("locale"),
        "questions": [
            one
            for one in (questions if isinstance(questions, list) else ())
            if isinstance(one, dict) and one.get("key") in asked
        ],
        "checkboxes": boxes if isinstance(boxes, list) else [],
    }


def _asked(lead: Mapping[str, Any]) -> set[str]:
    answers = lead.get("field_data")
    return {
        str(one["name"])
        for one in (answers if isinstance(answers, list) else ())
        if isinstance(one, dict) and isinstance(one.get("name"), str)
    }


def _questions(form: Mapping[str, Any]) -> set[str]:
    """Return the names under which a form's answers can come: of its questions and of its hidden fields."""
    parts = [*(form.get("questions") or ()), *(form.get("tracking_parameters") or ())]
    return {str(one["key"]) for one in parts if isinstance(one, dict) and isinstance(one.get("key"), str)}
