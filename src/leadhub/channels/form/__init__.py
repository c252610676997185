"""Channel `form`: what a web page posts, by a person's browser or by its script."""

from leadhub.channels.form.channel import FormChannel
from leadhub.channels.form.options import FormOptions

__all__ = ["FormChannel", "FormOptions"]
