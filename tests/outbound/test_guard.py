from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.errors import InvalidInput
from leadhub.outbound.guard import Network, check_url, inspect, is_allowed

LOOPBACK: list[Network] = [IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")]

REFUSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255",  # noqa: S104 - nothing is bound
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "233.252.0.1", "240.0.0.1",
    "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "9.9.9.9", "93.184.216.34", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", REFUSED)
def test_no_address_but_public_ones_is_allowed(address: str) -> None:
    assert not is_allowed(ip_address(address), allowed_networks=[])


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(ip_address(address), allowed_networks=[])
    assert is_allowed(ip_address(address), allowed_networks=LOOPBACK)
    assert not is_allowed(ip_address(address), allowed_networks=LOOPBACK, must_be_listed=True)


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_refused(ip: IPv4Address | IPv6Address) -> None:
    if ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_link_local:
        assert not is_allowed(ip, allowed_networks=[])


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_a_listed_network_is_allowed(address: str) -> None:
    assert is_allowed(ip_address(address), allowed_networks=LOOPBACK)
    assert is_allowed(ip_address(address), allowed_networks=LOOPBACK, must_be_listed=True)


def test_listing_a_nat64_prefix_opens_the_internet_but_not_what_is_private() -> None:
    nat64 = [ip_network("64:ff9b::/96")]

    assert is_allowed(ip_address("64:ff9b::9.9.9.9"), allowed_networks=nat64)
    assert not is_allowed(ip_address("64:ff9b::10.0.0.1"), allowed_networks=nat64)
    assert not is_allowed(ip_address("64:ff9b::169.254.169.254"), allowed_networks=nat64)


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.com",
        "https://crm.example.com/hooks/leadhub?team=emea&x=%20",
        "HTTPS://CRM.Example.com:8443/",
        "https://xn--bcher-kva.example/hook",
        "https://under_score.example.com/",
        "https://1and1.example.com/",
        "https://93.184.216.34/",
        "https://[2606:4700::1111]/",
    ],
)
def test_a_public_url_is_accepted(url: str) -> None:
    check_url(url, [])

    assert not inspect(url, []).must_be_listed


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/hook",
        "http://[::1]:9000/hook",
        "http://localhost:9000/hook",
        "https://localhost/hook",
        "http://crm:8080/",
        "https://crm.internal/",
        "https://crm.example.com:9443/",
        "http://crm.example.com/",
    ],
)
def test_an_inside_url_needs_a_listed_network(url: str) -> None:
    check_url(url, LOOPBACK)

    assert inspect(url, LOOPBACK).must_be_listed or "127.0.0.1" in url
    with pytest.raises(InvalidInput):
        check_url(url, [])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.example.com",
        "//crm.example.com/",
        "ftp://crm.example.com/",
        "javascript://crm.example.com/%0a",
        "https:///hook",
        "https://",
        "https://user:password@crm.example.com/",
        "https://crm.example.com@127.0.0.1/",
        "https://crm.example.com/#fragment",
        "https://crm.example.com\\@127.0.0.1/",
        "https://crm.example.com/ x",
        "https://crm.example.com/\r\nHost: x",
        "https://crm.example.com/\0",
        "https://bücher.example/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://crm.example.com./",
        "https://crm..example.com/",
        "https://-crm.example.com/",
        "https://%31%32%37.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.0x1/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://[::1",
        "https://[::1]x/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        "https://[9.9.9.9]/",
        "https://crm[1].example.com/",
        "https://crm.example.com:x/",
        "https://crm.example.com:99999/",
        "https://" + "a" * 64 + ".example.com/",
        "https://" + "a." * 127 + "example.com/",
        "https://crm.example.com/" + "x" * 2048,
        "http://9.9.9.9/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://168.63.129.16/",
    ],
)
@pytest.mark.parametrize("networks", [[], LOOPBACK])
def test_any_other_url_is_refused_at_its_field(url: str, networks: list[Network]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_url(url, networks)

    assert [error.pointer for error in refusal.value.errors] == ["#/url"]


@given(st.text(max_size=60) | st.text("htps:/.@[]0123456789abx%#?\\ -_").map("https://{}".format))
def test_no_text_breaks_the_check(url: str) -> None:
    try:
        check_url(url, LOOPBACK)
    except InvalidInput:
        return
    assert url.isascii()
