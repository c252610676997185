"""Every channel by its name. A new platform is one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from leadhub.channels.api import ApiChannel
from leadhub.channels.form import FormChannel
from leadhub.channels.platform import Platform
from leadhub.channels.platforms import (
    calendly,
    cloudevents,
    generic,
    google_ads,
    jotform,
    standard_webhooks,
    tally,
    typeform,
    webflow,
)
from leadhub.channels.protocol import Channel

_PLATFORMS = (
    generic.PLATFORM,
    standard_webhooks.PLATFORM,
    cloudevents.PLATFORM,
    google_ads.PLATFORM,
    typeform.PLATFORM,
    jotform.PLATFORM,
    webflow.PLATFORM,
    calendly.PLATFORM,
    tally.PLATFORM,
)

PLATFORMS: Mapping[str, Platform] = MappingProxyType({platform.name: platform for platform in _PLATFORMS})
"""Those that are data and a small function, in the order in which they are listed to people."""

_ALL: tuple[Channel, ...] = (ApiChannel(), FormChannel(), *_PLATFORMS)

CHANNELS: Mapping[str, Channel] = MappingProxyType({channel.name: channel for channel in _ALL})
