"""What a server that sends JSON is answered: one receipt, or several, once all is on disk."""

from collections.abc import Sequence

import orjson

from leadhub.channels.protocol import Receipt, Reply

_JSON = "application/json"


def one(receipt: Receipt) -> Reply:
    """Return the answer to a single submission."""
    link = f"/v1/submissions/{receipt.submission_id}"
    body = {"id": receipt.submission_id, "status": "accepted", "links": {"self": link}}
    headers = [("Location", link)]
    if receipt.replayed:
        headers.append(("Idempotency-Replayed", "true"))
    return Reply(202, orjson.dumps(body), _JSON, tuple(headers))


def several(receipts: Sequence[Receipt]) -> Reply:
    """Return the answer to a batch, a receipt for each submission in its order."""
    replayed = sum(receipt.replayed for receipt in receipts)
    body = {
        "submissions": [{"id": receipt.submission_id, "replayed": receipt.replayed} for receipt in receipts],
        "accepted": len(receipts) - replayed,
        "replayed": replayed,
    }
    headers = (("Idempotency-Replayed", "true"),) if receipts and replayed == len(receipts) else ()
    return Reply(202, orjson.dumps(body), _JSON, headers)
