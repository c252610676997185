"""Options that several commands share."""

from typing import Annotated

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""A switch that is off unless given; there is no --no-… of it."""
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
"""Print JSON, for a machine."""
Several = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]
"""An option that may be repeated."""
