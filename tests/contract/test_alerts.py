"""The alerts speak of metrics that exist, and each is explained."""

import re
from pathlib import Path

import yaml

from leadhub import telemetry

_DOCS = Path(__file__).parents[2] / "docs"


def _rules() -> list[dict[str, str]]:
    [group] = yaml.safe_load((_DOCS / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def test_every_metric_that_an_alert_reads_is_exposed() -> None:
    families = list(telemetry.REGISTRY.collect())
    counters = {f"{family.name}_total" for family in families if family.type == "counter"}
    histograms = {f"{family.name}_bucket" for family in families if family.type == "histogram"}
    exposed = counters | histograms | {family.name for family in families if family.type == "gauge"}

    read = {name for rule in _rules() for name in re.findall(r"leadhub_\w+", rule["expr"])}

    assert read
    assert read - exposed == set()


def test_every_alert_is_explained_under_its_name() -> None:
    explained = re.findall(r"^## (\w+)$", (_DOCS / "operations.md").read_text(), re.MULTILINE)

    assert explained == [rule["alert"] for rule in _rules()]
