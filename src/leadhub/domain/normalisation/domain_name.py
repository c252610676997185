"""The domain that somebody registered, and whether it is a company's own.

`blog.example.co.uk` is registered as `example.co.uk`: where the registry's part ends, the public suffix list says. Its
private part is not used: a name below `github.io` is a customer's page there, so such hosts stand among the platforms.
A page on a platform and a mailbox at a public provider say nothing of a company.
"""

from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from leadhub.domain.normalisation import email_tables, word_lists

PLATFORMS = frozenset(word_lists.read("emails")["platforms"])
"""Where people and companies have a page and none has the domain, as registrable domains."""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


@lru_cache(maxsize=4096)
def registrable_domain(host: str) -> str | None:
    """Return the domain under which a host was registered, or None for a public suffix itself.

    Args:
        host: in lower case, as A-labels, without port.

    >>> registrable_domain("blog.example.co.uk"), registrable_domain("co.uk")
    ('example.co.uk', None)
    """
    found = _suffixes().privatesuffix(host)
    return str(found) if found else None


def company_domain(host: str) -> str | None:
    """Return the registrable domain of a company's website or mailbox, or None where it is not the company's own.

    >>> company_domain("www.example.co.uk"), company_domain("gmail.com"), company_domain("de-de.facebook.com")
    ('example.co.uk', None, None)
    """
    domain = registrable_domain(host)
    is_public = domain in PLATFORMS or domain in email_tables.FREE or domain in email_tables.DISPOSABLE
    return None if is_public or domain in email_tables.MADE_UP else domain
