"""The grammar of playbooks as JSON Schema, for editors that complete and underline while somebody writes."""

from typing import Any, Final

from leadhub.domain.playbook import Playbook

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema of a playbook (JSON Schema 2020-12).

    It accepts every document that `playbook_loading.read` accepts. What it cannot say, such as that a name must be
    defined elsewhere in the document, only `read` finds.
    """
    document = Playbook.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, **document, "title": "LeadHub playbook"}
