"""Legal forms of companies, and what people type who have no company."""

import re

from leadhub.domain.normalisation import word_lists

_LISTS = word_lists.read("companies")

BEHIND = frozenset(form for section, forms in _LISTS.items() if section.startswith("behind_") for form in forms)
LONGEST_FORM_WORDS = 8
"""`sp. z o. o. sp. k.` has six; a few more do no harm."""
FRONT = frozenset(_LISTS["front"])
NO_COMPANY = frozenset(_LISTS["no_company"])

_ATTACHED = "|".join(map(re.escape, _LISTS["attached"]))
ATTACHED = re.compile(rf"^(?:{_ATTACHED})\s*|\s*(?:{_ATTACHED})$")
"""Forms that no blank separates from the name."""
