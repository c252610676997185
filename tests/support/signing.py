"""The signature table, written a second time and by hand: each platform's headers for a body at a time.

`channels/signatures.py` must accept exactly what these make; that its own `sign` makes the same is a test too.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

SECRET = "a-secret-of-the-tests-0001"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"a-secret-of-the-tests-0001").decode()
SECONDS = "1768469400"
MILLISECONDS = "1768469400000"
"""2026-01-15T09:30:00Z."""

Sign = Callable[[bytes, bytes], Mapping[str, str]]
"""Body and secret → headers."""


def _hex(key: bytes, data: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(key, data, getattr(hashlib, algorithm)).hexdigest()


def _b64(key: bytes, data: bytes) -> str:
    return base64.b64encode(hmac.new(key, data, hashlib.sha256).digest()).decode()


def _standard(body: bytes, secret: bytes) -> Mapping[str, str]:
    key = base64.b64decode(secret.removeprefix(b"whsec_"))
    return {
        "webhook-id": "msg_1768469400000",
        "webhook-timestamp": SECONDS,
        "webhook-signature": "v1," + _b64(key, b"msg_1768469400000.1768469400." + body),
    }


SIGN: dict[str, Sign] = {
    "json": lambda body, s: {"x-leadhub-signature": f"t={SECONDS},v1=" + _hex(s, b"1768469400." + body)},
    "standard-webhooks": _standard,
    "cloudevents": lambda _, s: {"authorization": f"Bearer {s.decode()}"},
    "google-ads": lambda _, __: {},
    "typeform": lambda body, s: {"typeform-signature": "sha256=" + _b64(s, body)},
    "jotform": lambda _, s: {"x-leadhub-secret": s.decode()},
    "webflow": lambda body, s: {
        "x-webflow-timestamp": MILLISECONDS,
        "x-webflow-signature": _hex(s, b"1768469400000:" + body),
    },
    "calendly": lambda body, s: {"calendly-webhook-signature": f"t={SECONDS},v1=" + _hex(s, b"1768469400." + body)},
    "tally": lambda body, s: {"tally-signature": _b64(s, body)},
    "tiktok": lambda body, s: {"tiktok-signature": f"t={SECONDS},s=" + _hex(s, b"1768469400." + body)},
    "hubspot": lambda body, s: {
        "x-hubspot-request-timestamp": MILLISECONDS,
        "x-hubspot-signature-v3": _b64(s, b"POSThttps://leads.example.org/in/test/test" + body + b"1768469400000"),
    },
    "gravity-forms": lambda _, s: {"x-leadhub-secret": s.decode()},
    "wpforms": lambda _, s: {"x-leadhub-secret": s.decode()},
    "contact-form-7": lambda _, s: {"x-leadhub-secret": s.decode()},
    "elementor": lambda _, s: {"x-leadhub-secret": s.decode()},
    "bot": lambda _, s: {"authorization": f"Bearer {s.decode()}"},
    "intercom": lambda body, s: {"x-hub-signature": "sha1=" + _hex(s, body, "sha1")},
    "drift": lambda _, s: {"x-verification-token": s.decode()},
    "salesloft": lambda body, s: {"x-salesloft-signature": _hex(s, body, "sha1")},
    "manychat": lambda _, s: {"x-leadhub-secret": s.decode()},
    "dialogflow": lambda _, s: {"authorization": "Basic " + base64.b64encode(s + b":").decode()},
    "landbot": lambda _, s: {"authorization": f"Token {s.decode()}"},
    "tidio": lambda body, s: {"x-tidio-signature": f"t={SECONDS},s=" + _hex(s, body + b"_1768469400")},
    "crisp": lambda body, s: {
        "x-crisp-request-timestamp": MILLISECONDS,
        "x-crisp-signature": _hex(s, b"[1768469400000;" + body + b"]"),
    },
    "chatwoot": lambda body, s: {
        "x-chatwoot-timestamp": SECONDS,
        "x-chatwoot-signature": "sha256=" + _hex(s, b"1768469400." + body),
    },
    "zendesk": lambda body, s: {
        "x-zendesk-webhook-signature-timestamp": "2026-01-15T09:30:00Z",
        "x-zendesk-webhook-signature": _b64(s, b"2026-01-15T09:30:00Z" + body),
    },
    "chatbase": lambda body, s: {"x-chatbase-signature": _hex(s, body, "sha1")},
    "whatsapp": lambda body, s: {"x-hub-signature-256": "sha256=" + _hex(s, body)},
    "messenger": lambda body, s: {"x-hub-signature-256": "sha256=" + _hex(s, body)},
    "meta": lambda body, s: {"x-hub-signature-256": "sha256=" + _hex(s, body)},
    "segment": lambda _, s: {"authorization": "Basic " + base64.b64encode(s + b":").decode()},
    "linkedin": lambda body, s: {"x-li-signature": "hmacsha256=" + _hex(s, b"hmacsha256=" + body)},
}
