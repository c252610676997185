"""Channel `form`: what a web page posts, by a person's browser or by its script."""

from leadhub.channels.form.channel import FormChannel, wants_page
from leadhub.channels.form.options import FormOptions
from leadhub.channels.form.pages import not_taken

__all__ = ["FormChannel", "FormOptions", "not_taken", "wants_page"]
