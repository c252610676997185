"""Every channel by its name. A new platform is one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from leadhub.channels.activities import ActivitiesChannel
from leadhub.channels.api import ApiChannel
from leadhub.channels.form import FormChannel
from leadhub.channels.platform import Platform
from leadhub.channels.platforms import (
    bot,
    calendly,
    chatbase,
    chatwoot,
    cloudevents,
    contact_form_7,
    crisp,
    dialogflow,
    drift,
    elementor,
    generic,
    google_ads,
    gravity_forms,
    hubspot,
    intercom,
    jotform,
    landbot,
    linkedin,
    manychat,
    messenger,
    meta,
    salesloft,
    segment,
    standard_webhooks,
    tally,
    tidio,
    tiktok,
    typeform,
    webflow,
    whatsapp,
    wpforms,
    zendesk,
)
from leadhub.channels.protocol import Channel

_PLATFORMS = (
    generic.PLATFORM,
    standard_webhooks.PLATFORM,
    cloudevents.PLATFORM,
    meta.PLATFORM,
    linkedin.PLATFORM,
    google_ads.PLATFORM,
    tiktok.PLATFORM,
    typeform.PLATFORM,
    jotform.PLATFORM,
    webflow.PLATFORM,
    calendly.PLATFORM,
    tally.PLATFORM,
    hubspot.PLATFORM,
    gravity_forms.PLATFORM,
    wpforms.PLATFORM,
    contact_form_7.PLATFORM,
    elementor.PLATFORM,
    bot.PLATFORM,
    intercom.PLATFORM,
    drift.PLATFORM,
    salesloft.PLATFORM,
    manychat.PLATFORM,
    dialogflow.PLATFORM,
    landbot.PLATFORM,
    tidio.PLATFORM,
    crisp.PLATFORM,
    chatwoot.PLATFORM,
    zendesk.PLATFORM,
    chatbase.PLATFORM,
    whatsapp.PLATFORM,
    messenger.PLATFORM,
    segment.PLATFORM,
)

PLATFORMS: Mapping[str, Platform] = MappingProxyType({platform.name: platform for platform in _PLATFORMS})
"""Those that are data and a small function, in the order in which they are listed to people."""

_ALL: tuple[Channel, ...] = (ApiChannel(), ActivitiesChannel(), FormChannel(), *_PLATFORMS)

CHANNELS: Mapping[str, Channel] = MappingProxyType({channel.name: channel for channel in _ALL})
