"""What every channel lets a source choose, and how options are checked when a source is saved."""

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from leadhub.channels.pointers import invalid

Country = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
Language = Annotated[str, StringConstraints(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Keyword = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,63}$")]
PostsPerMinute = Annotated[int, Field(ge=1, le=1_000_000)]


class CommonOptions(BaseModel):
    """Options of every channel. None is a channel's own: it writes into a submission only what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default_country: Country | None = None
    """ISO 3166-1 alpha-2, for a national phone number of a lead that names no country."""
    default_language: Language | None = None
    """BCP 47, for a lead that names no language."""
    origin: Keyword | None = None
    """What a lead that names no origin came by, for example `referral`."""
    limit_per_minute: PostsPerMinute | None = None
    """Most posts a minute through this source; those beyond are asked to come again."""
    limit_per_address: PostsPerMinute | None = None
    """Most posts a minute of one address; for what browsers post, platforms all come from a few."""


Options = TypeVar("Options", bound=CommonOptions)


def read_options(model: type[Options], options: Mapping[str, object]) -> Options:
    """Return a source's options, typed.

    Raises:
        InvalidInput: an option is unknown or wrong; each pointed at as `#/options/…`.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        raise invalid(error, prefix=("options",), describe=_describe) from None


def options_of(model: type[Options], options: Mapping[str, object]) -> Options:
    """Return the options of a saved source, typed once for as long as the caller passes the same object."""
    known = _typed.get(id(options))
    if known is not None and known[0] is options and isinstance(known[1], model):
        return known[1]
    if len(_typed) >= _REMEMBERED:
        _typed.clear()
    typed = read_options(model, options)
    _typed[id(options)] = (options, typed)
    return typed


_REMEMBERED = 512
_typed: dict[int, tuple[Mapping[str, object], CommonOptions]] = {}
"""Identity of a source's options → themselves, which keeps that identity theirs, and what they say."""


def _describe(each: ErrorDetails) -> str | None:
    if each["type"] == "extra_forbidden":
        return "There is no such option."
    return None
