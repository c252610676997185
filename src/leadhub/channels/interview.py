"""What a bot that qualifies people is told to ask next, for platforms whose answer can carry it."""

from collections.abc import Sequence
from typing import Any

from leadhub.channels.answers.options import FieldName
from leadhub.channels.platform import PlatformOptions
from leadhub.domain.questions import Question


class BotOptions(PlatformOptions):
    """Options of a source whose sender asks questions."""

    framework: FieldName | None = None
    """The playbook's checklist of which the answer says what is open; its first one if null."""


def questions_document(questions: Sequence[Question] | None) -> dict[str, Any]:
    """Return questions as a bot reads them; nothing if nobody could say in time what is open.

    >>> questions_document([Question("budget", ("budget_amount",), "bant")])["next_question"], questions_document(())
    ('budget', {'next_question': None, 'questions': []})
    """
    if questions is None:
        return {}
    return {
        "next_question": questions[0].item if questions else None,
        "questions": [{"item": one.item, "framework": one.framework, "fields": one.fields} for one in questions],
    }
