import asyncio
import gzip
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook
from tests.support.receivers import Received, Receiver, Script, answering, read_request, running, status

from leadhub.domain.attempt import AttemptResult, Failure, Outcome, classify
from leadhub.domain.signature import format_secret
from leadhub.outbound.dialling import AddressRefused, Dialler
from leadhub.outbound.guard import Network
from leadhub.outbound.webhook import Outgoing, WebhookSender

LOOPBACK: list[Network] = [IPv4Network("127.0.0.0/8")]
KEYS = [bytes(range(32)), bytes(range(1, 33))]
BODY = '{"type":"lead.routed","data":{"company":"Zoë"}}'.encode()
TOTAL = 3.0
HASTY = 0.4
TLS = ssl.create_default_context()
"""One for all: reading the system's authorities takes longer than a test."""


def _outgoing(url: str, body: bytes = BODY) -> Outgoing:
    now = datetime.now(UTC)
    return Outgoing(url=url, message_id="evt_1", at=now, body=body, keys=KEYS, attempt=3, sequence=7)


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    async with WebhookSender(allowed_networks=LOOPBACK, connect_seconds=TOTAL, total_seconds=TOTAL, tls=TLS) as opened:
        yield opened


@pytest.fixture
async def hasty() -> AsyncIterator[WebhookSender]:
    """For receivers that never come to an end: their tests last as long as its deadline."""
    async with WebhookSender(allowed_networks=LOOPBACK, connect_seconds=HASTY, total_seconds=HASTY, tls=TLS) as opened:
        yield opened


async def _ok(_: Received) -> bytes:
    return status(200, body=b"thanks")


def _says(answer: bytes) -> Script:
    """Read the request, say something, close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return script


def _repeats(first: bytes, then: bytes, *, every: float) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(first)
        while True:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(every)

    return script


async def _result(sender: WebhookSender, script: Script) -> tuple[AttemptResult, Receiver]:
    async with running(script) as receiver:
        return await sender.send(_outgoing(receiver.url)), receiver


class TestAGoodReceiver:
    async def test_gets_the_signed_bytes_and_the_headers(self, sender: WebhookSender) -> None:
        async with answering(_ok) as receiver:
            result = await sender.send(_outgoing(receiver.url + "?team=a%2Fb"))

        assert (result.status, result.failure, result.body) == (200, None, b"thanks")
        assert result.remote_ip == "127.0.0.1"
        [request] = receiver.requests
        assert request.target == "/hook?team=a%2Fb"
        assert request.body == BODY
        for key in KEYS:
            Webhook(format_secret(key)).verify(request.body, request.headers)
        assert request.headers["webhook-id"] == "evt_1"
        assert request.headers["leadhub-attempt"] == "3"
        assert request.headers["leadhub-sequence"] == "7"
        assert request.headers["user-agent"].startswith("LeadHub/")
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["host"] == f"127.0.0.1:{receiver.port}"

    async def test_is_reached_again_over_the_same_connection(self, sender: WebhookSender) -> None:
        async with answering(_ok) as receiver:
            results = [await sender.send(_outgoing(receiver.url)) for _ in range(3)]

        assert [result.status for result in results] == [200] * 3
        assert [result.remote_ip for result in results] == ["127.0.0.1"] * 3
        assert receiver.connections == 1

    async def test_is_timed_step_by_step(self, sender: WebhookSender) -> None:
        async def late(_: Received) -> bytes:
            await asyncio.sleep(0.05)
            return status(200)

        async with answering(late) as receiver:
            first = await sender.send(_outgoing(receiver.url.replace("127.0.0.1", "localhost")))
            second = await sender.send(_outgoing(receiver.url.replace("127.0.0.1", "localhost")))

        new, used_again = first.timings, second.timings
        assert new.dns_ms is not None
        assert new.connect_ms is not None
        assert new.tls_ms is None
        assert new.first_byte_ms is not None
        assert 50 <= new.first_byte_ms <= first.duration_ms
        assert (used_again.dns_ms, used_again.connect_ms) == (None, None)

    async def test_gets_no_cookies_back(self, sender: WebhookSender) -> None:
        async def answer(_: Received) -> bytes:
            return status(200, "Set-Cookie: session=secret; Path=/")

        async with answering(answer) as receiver:
            await sender.send(_outgoing(receiver.url))
            result = await sender.send(_outgoing(receiver.url))

        assert "cookie" not in receiver.requests[1].headers
        assert result.headers["set-cookie"] == "[redacted]"

    async def test_is_not_reached_through_a_proxy_of_the_environment(
        self, sender: WebhookSender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        async with answering(_ok) as receiver:
            assert (await sender.send(_outgoing(receiver.url))).status == 200

    async def test_answers_early_without_reading_a_large_body(self, sender: WebhookSender) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(status(200, "Connection: close"))
            await writer.drain()

        async with running(script) as receiver:
            result = await sender.send(_outgoing(receiver.url, b"x" * 500_000))

        assert result.status == 200 or result.failure is Failure.CLOSED


class TestTheDeadline:
    @pytest.mark.parametrize(
        "script",
        [
            _repeats(b"", b"", every=0.05),
            _repeats(b"HTTP/1.1 200 OK\r\n", b"x", every=0.05),
            _repeats(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", every=0.05),
        ],
        ids=["hangs", "drips its headers", "hints for ever"],
    )
    async def test_ends_an_answer_that_does_not_come(self, hasty: WebhookSender, script: Script) -> None:
        result, _ = await _result(hasty, script)

        assert result.failure is Failure.TIMEOUT
        assert result.remote_ip in {None, "127.0.0.1"}
        assert HASTY * 1000 <= result.duration_ms < HASTY * 1000 + 2000

    async def test_ends_a_body_that_drips_but_the_status_counts(self, hasty: WebhookSender) -> None:
        script = _repeats(b"HTTP/1.1 202 Accepted\r\nContent-Length: 9999\r\n\r\n", b"x", every=0.05)

        result, _ = await _result(hasty, script)

        assert classify(result) is Outcome.DELIVERED
        assert 1 <= len(result.body) < 50
        assert result.duration_ms < HASTY * 1000 + 2000

    async def test_ends_a_handshake_that_hangs(self, hasty: WebhookSender) -> None:
        async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            while await reader.read(1000):
                pass

        async with running(script) as receiver:
            result = await hasty.send(_outgoing(receiver.url.replace("http:", "https:")))

        assert result.failure in {Failure.CONNECT, Failure.TIMEOUT}

    async def test_of_a_hundred_hanging_requests_delays_no_other(self, sender: WebhookSender) -> None:
        async with running(_repeats(b"", b"", every=0.1)) as hanging, answering(_ok) as fast:
            hung = [asyncio.create_task(sender.send(_outgoing(hanging.url))) for _ in range(100)]
            await asyncio.sleep(0.1)

            result = await sender.send(_outgoing(fast.url))

            assert result.status == 200
            assert not any(task.done() for task in hung)
            for task in hung:
                task.cancel()
            await asyncio.gather(*hung, return_exceptions=True)

    async def test_frees_a_worker_from_names_that_do_not_resolve(self) -> None:
        release = threading.Event()

        def lookup(host: str) -> Sequence[str]:
            if host.startswith("hanging"):
                release.wait(10)
            return ["127.0.0.1"]

        async with (
            WebhookSender(
                allowed_networks=LOOPBACK, connect_seconds=0.8, total_seconds=TOTAL, tls=TLS, lookup=lookup
            ) as sender,
            answering(_ok) as fast,
        ):
            hanging = f"http://hanging.example.com:{fast.port}/"
            tasks = [asyncio.create_task(sender.send(_outgoing(hanging))) for _ in range(200)]
            await asyncio.sleep(0.05)
            result = await sender.send(_outgoing(f"http://fast.example.com:{fast.port}/"))
            hung = await asyncio.gather(*tasks)
            release.set()

        assert result.status == 200
        assert {one.failure for one in hung} == {Failure.CONNECT}


class TestAMisbehavingReceiver:
    async def test_that_closes_at_once_is_a_closed_connection(self, sender: WebhookSender) -> None:
        result, _ = await _result(sender, _says(b""))

        assert result.failure is Failure.CLOSED

    async def test_that_closes_within_its_headers_is_a_closed_connection(self, sender: WebhookSender) -> None:
        result, _ = await _result(sender, _says(b"HTTP/1.1 200 OK\r\nContent-"))

        assert result.failure in {Failure.CLOSED, Failure.NOT_HTTP}

    async def test_that_resets_the_connection_is_a_closed_connection(self, sender: WebhookSender) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            opened: socket.socket = writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        result, _ = await _result(sender, script)

        assert result.failure is Failure.CLOSED

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            (b"Content-Length: 100\r\n\r\n", b"half"),
            (b"Transfer-Encoding: chunked\r\n\r\n", b"ZZ\r\n"),
            (b"Content-Length: 5\r\n\r\n", b""),
        ],
    )
    async def test_that_breaks_its_body_off_has_the_event(
        self, sender: WebhookSender, headers: bytes, body: bytes
    ) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 201 Created\r\n" + headers)
            await asyncio.sleep(0.02)  # in one packet with a broken body the headers are never seen
            writer.write(body)

        result, _ = await _result(sender, script)

        assert classify(result) is Outcome.DELIVERED

    async def test_that_sends_ten_megabytes_is_cut_off(self, sender: WebhookSender) -> None:
        written = 0

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            for _ in range(1000):
                writer.write(b"x" * 100_000)
                await writer.drain()
                written += 100_000

        result, _ = await _result(sender, script)

        assert (result.status, len(result.body)) == (200, 16_384)
        assert written < 20_000_000
        assert result.duration_ms < TOTAL * 1000

    async def test_that_sends_a_gzip_bomb_is_not_unpacked(self, sender: WebhookSender) -> None:
        bomb = gzip.compress(bytes(10_000_000))

        result, _ = await _result(sender, _says(status(200, "Content-Encoding: gzip", body=bomb)))

        assert result.body == bomb[:16_384]

    @pytest.mark.parametrize(
        "headers", [b"X-Long: " + b"x" * 300_000 + b"\r\n", b"X-Many: x\r\n" * 25_000], ids=["long", "many"]
    )
    async def test_that_sends_huge_headers_is_refused(self, sender: WebhookSender, headers: bytes) -> None:
        result, _ = await _result(sender, _says(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n"))

        assert result.status is None
        assert classify(result) is Outcome.PROTOCOL

    @pytest.mark.parametrize("unit", [b"X-%d: " + b"x" * 4_000 + b"\r\n", b"X: y\r\n\r\nHTTP/1.1 103 Hints %d\r\n"])
    async def test_whose_head_is_large_only_as_a_whole_is_cut_off(self, sender: WebhookSender, unit: bytes) -> None:
        written = 0

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            await read_request(reader)
            writer.write(b"HTTP/1.1 103 Hints\r\n")
            for number in range(200_000):
                writer.write(unit % number)
                written += len(unit)
                await writer.drain()

        result, _ = await _result(sender, script)

        assert result.failure is Failure.HEADERS
        assert result.duration_ms < TOTAL * 1000
        assert written < 20_000_000

    async def test_with_a_large_body_in_the_packet_of_its_head_is_no_large_head(self, sender: WebhookSender) -> None:
        result, _ = await _result(sender, _says(status(200, body=b"x" * 200_000)))

        assert (result.status, len(result.body)) == (200, 16_384)

    @pytest.mark.parametrize(
        "answer",
        [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"\x16\x03\x01\x00" * 9],
    )
    async def test_that_speaks_no_http_is_a_protocol_error(self, sender: WebhookSender, answer: bytes) -> None:
        result, _ = await _result(sender, _says(answer))

        assert result.failure is Failure.NOT_HTTP

    async def test_that_switches_protocols_has_no_event(self, sender: WebhookSender) -> None:
        result, _ = await _result(
            sender, _says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        )

        assert classify(result) is Outcome.PROTOCOL

    async def test_that_redirects_is_not_followed(self, sender: WebhookSender) -> None:
        async with answering(_ok) as other:
            location = f"Location: http://169.254.169.254:{other.port}/latest/meta-data/?token=secret"
            result, receiver = await _result(sender, _says(status(307, location)))

        assert (result.status, receiver.connections, other.connections) == (307, 1, 0)
        assert result.location == location.removeprefix("Location: ")
        assert result.headers["location"].endswith("/latest/meta-data/")

    async def test_that_sends_odd_header_bytes_is_kept_printable(self, sender: WebhookSender) -> None:
        odd = b"HTTP/1.1 503 X\r\nRetry-After: 7\r\nX-Odd: a\xff\xfe\x01z\r\nX-Api-Key: secret\r\n\r\n"

        result, _ = await _result(sender, _says(odd))

        assert (result.status, result.retry_after) in {(503, "7"), (None, None)}
        assert all(value.isprintable() for value in result.headers.values())
        assert "secret" not in result.headers.values()


class TestTheGuard:
    @pytest.mark.parametrize(
        "host",
        ["169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[::ffff:7f00:1]", "[::1]"],
    )
    async def test_dials_no_private_literal(self, sender: WebhookSender, host: str) -> None:
        async with answering(_ok) as receiver:
            result = await sender.send(_outgoing(f"https://{host}:{receiver.port}/"))

        assert result.failure is Failure.BLOCKED_ADDRESS
        assert receiver.connections == 0

    @pytest.mark.parametrize("url", ["http://127.1/", "https://user@127.0.0.1/", "file:///etc/passwd", ""])
    async def test_refuses_a_bad_url_before_anything_is_resolved(self, sender: WebhookSender, url: str) -> None:
        assert (await sender.send(_outgoing(url))).failure is Failure.BLOCKED_URL

    @pytest.mark.parametrize(
        "addresses",
        [
            ["93.184.216.34", "10.0.0.1"],
            ["10.0.0.1", "93.184.216.34"],
            ["127.0.0.1"],
            ["::ffff:10.0.0.1"],
            ["::ffff:169.254.169.254"],
            ["64:ff9b::a9fe:a9fe"],
            ["64:ff9b:1::7f00:1"],
            ["2002:7f00:1::"],
            ["::127.0.0.1"],
            ["2606:4700::1111", "fe80::1"],
        ],
    )
    async def test_refuses_a_name_if_any_of_its_addresses_is_private(self, addresses: list[str]) -> None:
        async with WebhookSender(
            connect_seconds=TOTAL, total_seconds=TOTAL, tls=TLS, lookup=lambda _: addresses
        ) as sender:
            result = await sender.send(_outgoing("https://crm.example.com/"))

        assert result.failure is Failure.BLOCKED_ADDRESS

    async def test_follows_no_name_to_where_it_leads_a_moment_later(self) -> None:
        """Rebinding: the address that was allowed when the URL was saved, and at the last attempt, is another now."""
        answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"]])
        listed: list[Network] = [IPv4Network("127.0.0.2/32")]

        async def closing(_: Received) -> bytes:
            return status(200, "Connection: close")

        results = []
        async with answering(closing, host="127.0.0.2") as good, answering(_ok, port=good.port) as bad:
            for addresses in answers:
                async with WebhookSender(
                    allowed_networks=listed,
                    connect_seconds=TOTAL,
                    total_seconds=TOTAL,
                    tls=TLS,
                    lookup=lambda _, found=addresses: found,  # type: ignore[misc]
                ) as sender:
                    results.append(await sender.send(_outgoing(f"http://crm.internal:{good.port}/hook")))

        assert [result.status for result in results] == [200, None, None]
        assert {result.failure for result in results[1:]} == {Failure.BLOCKED_ADDRESS}
        assert (good.connections, bad.connections) == (1, 0)

    async def test_keeps_plain_http_within_the_listed_networks(self) -> None:
        async with WebhookSender(
            allowed_networks=LOOPBACK, connect_seconds=TOTAL, total_seconds=TOTAL, tls=TLS, lookup=lambda _: ["9.9.9.9"]
        ) as sender:
            result = await sender.send(_outgoing("http://crm.internal/"))

        assert result.failure is Failure.BLOCKED_ADDRESS

    async def test_refuses_at_the_socket_what_a_resolver_let_through(self) -> None:
        dialler = Dialler(allowed_networks=[], must_be_listed=False, lookup=lambda _: [])

        with pytest.raises(AddressRefused):
            dialler.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 443)))
        await dialler.close()

    async def test_calls_an_unknown_name_a_dns_failure(self) -> None:
        def lookup(_: str) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        async with WebhookSender(connect_seconds=TOTAL, total_seconds=TOTAL, tls=TLS, lookup=lookup) as sender:
            result = await sender.send(_outgoing("https://crm.example.com/"))

        assert result.failure is Failure.DNS

    async def test_calls_a_closed_port_a_failed_connection(self, sender: WebhookSender) -> None:
        async with answering(_ok) as receiver:
            url = receiver.url

        assert (await sender.send(_outgoing(url))).failure is Failure.CONNECT


NAME = "crm.example.com"
Certificate = Callable[..., ssl.SSLContext]


@pytest.fixture(scope="module")
def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return _certificate("An authority", key, issuer=None, ends=timedelta(days=9)), key


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    ends: timedelta,
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(NAME if " " in name else name), x509.IPAddress(IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


def _server_context(folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


class TestTls:
    @pytest.mark.parametrize(
        ("name", "days", "is_signed", "status_or_failure"),
        [
            (NAME, 9, True, 200),
            (NAME, -1, True, Failure.TLS_EXPIRED),
            ("other.example.com", 9, True, Failure.TLS_NAME),
            (NAME, 9, False, Failure.TLS_UNTRUSTED),
        ],
    )
    async def test_only_a_valid_certificate_for_the_name_will_do(
        self,
        *,
        tmp_path: Path,
        authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
        name: str,
        days: int,
        is_signed: bool,
        status_or_failure: int | Failure,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(name, key, issuer=authority if is_signed else None, ends=timedelta(days=days))
        trusted = ssl.create_default_context(cadata=authority[0].public_bytes(serialization.Encoding.PEM).decode())

        async with (
            answering(_ok, tls=_server_context(tmp_path, made, key)) as receiver,
            WebhookSender(
                allowed_networks=LOOPBACK,
                connect_seconds=2,
                total_seconds=2,
                lookup=lambda _: ["127.0.0.1"],
                tls=trusted,
            ) as sender,
        ):
            result = await sender.send(_outgoing(f"https://{NAME}:{receiver.port}/hook"))

        assert (result.status or result.failure) == status_or_failure
        assert (result.timings.tls_ms is not None) == (result.status == 200)

    async def test_a_plain_server_behind_https_is_a_tls_failure(self, sender: WebhookSender) -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()

        async with running(script) as receiver:
            result = await sender.send(_outgoing(receiver.url.replace("http:", "https:")))

        assert result.failure is Failure.TLS
