"""Merging and parting two leads by command."""

import json

import pytest
from tests.cli.commands import Leadhub
from tests.support.admin import Admin
from tests.support.waiting import a_source, content, received

from leadhub.resources import Resources

pytestmark = pytest.mark.timeout(240)  # many cold starts of Python on a busy machine


async def test_two_leads_are_merged_listed_and_parted(leadhub: Leadhub, resources: Resources) -> None:
    source = await a_source(resources.engine)
    for fields in ({"email": "kim.a@acme.example"}, {"phone": "+34612345678"}):
        await received(resources.engine, source, content(fields))
        await Admin(resources).process()
    listed = json.loads((await leadhub("leads", "list", "--json")).out)
    winner, loser = (lead["id"] for lead in reversed(listed))

    edited = await leadhub("leads", "edit", winner, "job_title=CTO", "city=")
    wrong = await leadhub("leads", "edit", winner, "phone=12")
    merged = await leadhub("leads", "merge", winner, loser, "--because", "One person.")
    merges = json.loads((await leadhub("leads", "merges", "--lead", loser, "--json")).out)
    alone = json.loads((await leadhub("leads", "list", "--json")).out)
    parted = await leadhub("leads", "unmerge", merges[0]["id"], "--because", "Two people.")
    again = await leadhub("leads", "merge", winner, loser, "--because", "One person.")

    assert edited.code == 0, edited.err
    assert "Changed: department, job_title, seniority." in edited.out + edited.err
    assert wrong.code != 0
    assert "phone" in wrong.err
    assert merged.code == 0, merged.err
    assert [(one["winner_id"], one["loser_id"], one["actor"]) for one in merges] == [(winner, loser, "command line")]
    assert [lead["id"] for lead in alone] == [winner]
    assert parted.code == 0, parted.err
    assert f"{loser} lives again" in parted.out + parted.err
    assert again.code != 0
    assert "not to be the same person" in again.err
