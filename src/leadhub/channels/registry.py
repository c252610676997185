"""Every channel by its name. A new platform is one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from leadhub.channels.api import ApiChannel
from leadhub.channels.form import FormChannel
from leadhub.channels.protocol import Channel

_ALL: tuple[Channel, ...] = (ApiChannel(), FormChannel())

CHANNELS: Mapping[str, Channel] = MappingProxyType({channel.name: channel for channel in _ALL})
