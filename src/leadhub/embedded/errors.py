"""The one exception of the embedded mode."""


class EmbeddedError(RuntimeError):
    """The embedded servers cannot start; the message names what is in the way and what to do."""
