"""Text to playbook: every finding at once, each with its line, its column and, where one is near, the right word."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from leadhub.domain import documents, playbook_checks
from leadhub.domain.documents import Document, Found, Path
from leadhub.domain.errors import FieldError, InvalidDocument, NotFound
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_checks import Sections
from leadhub.domain.playbook_part import Loc
from leadhub.domain.playbook_values import Names


@dataclass(frozen=True, slots=True)
class Reading:
    """A playbook that holds, and what its author should nevertheless look at."""

    playbook: Playbook
    warnings: tuple[FieldError, ...]


def load(text: str) -> Playbook:
    """Return the playbook that a YAML or JSON text holds.

    Raises:
        InvalidDocument: it does not hold; `errors` are all findings.
    """
    return _checked(documents.read(text))


def read(text: str) -> Reading:
    """Return the playbook that a text holds, with its warnings.

    Raises:
        InvalidDocument: it does not hold; `errors` are all findings.
    """
    document = documents.read(text)
    playbook = _checked(document)
    warnings = sorted(_located(document, playbook_checks.warnings(playbook, well_known_events())))
    return Reading(playbook, tuple(documents.finding(*one) for one in warnings))


def _checked(document: Document) -> Playbook:
    names = Names.of(document.tree)
    try:
        playbook = Playbook.model_validate(document.tree, context=names)
    except ValidationError as error:
        found = [_shape_error(document, one) for one in error.errors(include_url=False, include_input=False)]
        sections = Sections.of_tree(document.tree, names)
        raise _invalid([*document.repeated, *found, *_located(document, playbook_checks.errors(sections))]) from None
    if found := [*document.repeated, *_located(document, playbook_checks.errors(Sections.of(playbook)))]:
        raise _invalid(found)
    return playbook


def _invalid(found: list[Found]) -> InvalidDocument:
    # A part that is well formed but stands in a broken section can be found twice.
    errors = [documents.finding(*one) for one in sorted(set(found), key=lambda one: (one[0], str(one)))]
    findings = "one finding" if len(errors) == 1 else f"{len(errors)} findings"
    return InvalidDocument(f"{findings} in the playbook, the first in {errors[0].detail}", errors)


def _shape_error(document: Document, error: ErrorDetails) -> Found:
    path = _path(document, error["loc"])
    at_key = error["type"] == "unknown_key" or "[key]" in error["loc"]
    position = document.keys.get(path) if at_key else None
    return position or document.position(path), path, error["msg"]


def _located(document: Document, findings: Iterator[tuple[Loc, str]]) -> list[Found]:
    return [(document.position(path), path, detail) for path, detail in findings]


def _path(document: Document, loc: Loc) -> Path:
    """Return the place in the document that pydantic means: without the names it gives to kinds of conditions.

    The last part may be missing from the document; that is then what is wrong.
    """
    path: Path = ()
    for part in loc:
        named = isinstance(part, str) and part[:1] in "<["
        if (*path, part) in document.values or (part == loc[-1] and not named):
            path = (*path, part)
    return path


def shipped_names() -> tuple[str, ...]:
    """Return the names of the playbooks that come with LeadHub."""
    files = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


def shipped(name: str) -> str:
    """Return the text of a playbook that comes with LeadHub: `guide` or `basics`.

    Raises:
        NotFound: none is called that.
    """
    if name not in (known := shipped_names()):
        raise NotFound(f"no playbook of that name comes with LeadHub; there are {', '.join(known)}")
    return (_folder() / f"{name}.yaml").read_text("utf-8")


@cache
def well_known_events() -> frozenset[str]:
    """Return the types of activities that the playbooks which come with LeadHub look for."""
    names = (name.split("+")[0] for name in shipped_names())  # a variant of another one knows the same
    return frozenset(one for name in set(names) for one in playbook_checks.events_of(load(shipped(name))))


def _folder() -> Traversable:
    return resources.files("leadhub.domain") / "playbooks"
