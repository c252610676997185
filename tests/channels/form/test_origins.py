import pytest
from tests.support.posting import a_connection, an_inbound, form

from leadhub.channels.protocol import Reply
from leadhub.channels.registry import CHANNELS
from leadhub.domain.errors import NotAllowed

ADA = {"email": "ada@example.org"}
PAGE = "https://www.example.org"


def header(reply: Reply, name: str) -> str | None:
    return dict(reply.headers).get(name)


@pytest.mark.parametrize(
    ("allowed", "sent", "answered"),
    [
        ([PAGE], PAGE, PAGE),
        (["HTTPS://WWW.example.org:443/"], PAGE, PAGE),
        (["http://localhost:8000"], "http://localhost:8000", "http://localhost:8000"),
        (["null"], "null", "null"),
        (["*"], PAGE, "*"),
        (["*"], "null", "*"),
        ([PAGE], "https://example.org", None),
        ([PAGE], "http://www.example.org", None),
        ([PAGE], "https://www.example.org:8443", None),
        ([PAGE], "https://www.example.org.evil.test", None),
        ([PAGE], "null", None),
        ([PAGE], "", None),
        ([], PAGE, None),
    ],
)
def test_only_listed_origins_post_and_read(allowed: list[str], sent: str, answered: str | None) -> None:
    post = form(ADA, {"origin": sent}, allowed_origins=allowed)
    headers = dict(post.channel.decorate(post.inbound, post.connection))
    question = an_inbound(b"", None, {"origin": sent, "access-control-request-method": "POST"}, method="OPTIONS")

    assert headers["Vary"] == "Origin"
    assert headers.get("Access-Control-Allow-Origin") == answered
    assert "Access-Control-Allow-Credentials" not in headers
    if answered is None:
        with pytest.raises(NotAllowed):
            post.unpack()
        with pytest.raises(NotAllowed):
            post.channel.preflight(question, post.connection)
    else:
        assert post.unpack().submissions
        reply = post.channel.preflight(question, post.connection)
        assert reply is not None
        assert (reply.status, header(reply, "Access-Control-Allow-Methods")) == (204, "POST, OPTIONS")
        assert "Idempotency-Key" in (header(reply, "Access-Control-Allow-Headers") or "")
        assert header(reply, "Access-Control-Max-Age") == "7200"


def test_a_server_has_no_origin_and_may_be_shut_out() -> None:
    assert form(ADA, allowed_origins=[PAGE]).unpack().submissions
    with pytest.raises(NotAllowed):
        form(ADA, allowed_origins=[PAGE], require_origin=True).unpack()


def test_only_options_carry_no_lead() -> None:
    assert CHANNELS["form"].preflight(an_inbound(b"", None, method="GET"), a_connection("form")) is None
