"""Options that several commands share."""

from typing import Annotated

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(negative="")]
"""A switch that is off unless given; there is no --no-… of it."""
Json = Annotated[bool, Parameter(name="--json", negative="")]
"""Print JSON, for a machine."""
