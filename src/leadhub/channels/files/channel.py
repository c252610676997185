"""What a file's rows become. No request can bring any: its path looks like one that is not there."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

import orjson
from typing_extensions import override

from leadhub.channels.answers.names import FormNames, Use, is_target
from leadhub.channels.answers.options import AnswerOptions
from leadhub.channels.answers.page import Page
from leadhub.channels.answers.reading import grouped, is_yes, read_consent, read_fields, texts_of
from leadhub.channels.contact import contact_problem
from leadhub.channels.decoding import FormFields
from leadhub.channels.digging import moment
from leadhub.channels.options import options_of, read_options
from leadhub.channels.protocol import Capture, Connection, Guide, Inbound, Receipt, Reply, SecretFrom, Unpacked
from leadhub.domain.errors import FieldError, NotFound
from leadhub.domain.normalisation.text import clean_line
from leadhub.domain.submission import MAX_CUSTOM, Content, Word

_MAX_ID = 200


class ImportOptions(AnswerOptions):
    """Options of an `import` source; `field_map` says what its columns are."""

    activity: Word = "imported"

    @classmethod
    @override
    def may_lead_to(cls, target: str) -> bool:
        return is_target(target)


class RowReading(NamedTuple):
    """A row as read: a submission, or why it is none."""

    unpacked: Unpacked | None
    reasons: tuple[str, ...] = ()
    """Each names its column and never shows a value."""


class ImportChannel:
    """Files."""

    name = "import"
    needs_scope: str | None = None
    calls: tuple[str, ...] = ()
    guide = Guide(
        "File (CSV, JSON lines, Excel)", SecretFrom.NOBODY, ("Run `leadhub imports start FILE --source KEY`",)
    )

    def check_secret(self, secret: str) -> None:
        """Accept any: nothing is verified by it."""

    def validate_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Return the options in full."""
        return read_options(ImportOptions, options).model_dump(mode="json")

    def preflight(self, inbound: Inbound, connection: Connection) -> NoReturn:
        """Answer as if nothing were here."""
        del inbound, connection
        raise NotFound

    def unpack(self, inbound: Inbound, connection: Connection) -> NoReturn:
        """Answer as if nothing were here."""
        del inbound, connection
        raise NotFound

    def preview(self, inbound: Inbound, connection: Connection) -> NoReturn:
        """Refuse: a check of the file shows what it would become."""
        del inbound, connection
        raise NotFound("Nothing is posted to this source; check the file instead.")

    def reply(self, capture: Capture, receipts: Sequence[Receipt], inbound: Inbound, connection: Connection) -> Reply:
        """Return nothing: nobody waits."""
        del capture, receipts, inbound, connection
        return Reply(204)

    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        """Add no headers."""
        del inbound, connection
        return ()


def names_of(connection: Connection, mapping: Mapping[str, str]) -> FormNames:
    """Return what a file's columns stand for: as its own mapping says, else as the source's, else by their names."""
    options = options_of(ImportOptions, connection.options)
    special = {consent.field: Use.CONSENT for consent in options.consents}
    return FormNames(special, {**options.field_map, **mapping})


def read_row(row: FormFields, names: FormNames, connection: Connection, *, key: str) -> RowReading:
    """Return what a row becomes.

    Args:
        row: column → its values.
        names: of `names_of`, made once for a file.
        connection: the source.
        key: under which the row is taken once.
    """
    options = options_of(ImportOptions, connection.options)
    groups = grouped(row, names)
    errors: list[FieldError] = []
    fields, custom = read_fields(groups, errors)
    external = next(iter(texts_of(groups[Use.EXTERNAL_ID])), "")
    when = next(iter(texts_of(groups[Use.SUBMITTED_AT])), None)
    if not external and (problem := contact_problem(fields.get("email", ""), fields.get("phone", ""))):
        errors.append(FieldError("#", problem))
    if len(external) > _MAX_ID:
        errors.append(FieldError("#/external_id", f"At most {_MAX_ID} characters are accepted."))
    if len(custom) > MAX_CUSTOM:
        errors.append(FieldError("#", f"At most {MAX_CUSTOM} columns without a field are accepted."))
    consents = [read_consent(groups, consent, errors) for consent in options.consents]
    if errors:
        return RowReading(None, tuple(_reason(error) for error in errors))
    page = Page(groups[Use.PAGE])
    content = Content(
        fields=fields,
        custom=custom,
        attribution=page.attribution(groups[Use.ATTRIBUTION]),
        activities=[options.plain_activity],
        consents=consents,
        evidence=page.evidence(),
        external_id=clean_line(external) or None,
        submitted_at=None if when is None else moment(when),
        is_test=any(is_yes(text, None) for text in texts_of(groups[Use.TEST])),
    )
    raw = orjson.dumps(row)
    return RowReading(Unpacked(content, raw, "application/json", dedupe_key=key, permanent_key=True))


def _reason(error: FieldError) -> str:
    column = error.pointer.removeprefix("#").removeprefix("/")
    return f"{column}: {error.detail}" if column else error.detail
