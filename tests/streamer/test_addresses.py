import pytest

from streamer.addresses import parse_servers
from tests.cases.observations import Observe


@pytest.mark.kind(2)
@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("127.0.0.1:9092", ("127.0.0.1:9092",)),
        ("a:9092, b-1.example.com:9093", ("a:9092", "b-1.example.com:9093")),
        (" a:9092,,b:9092, ", ("a:9092", "b:9092")),
        ("a:9092\n", ("a:9092",)),
        ("a:9092\nb:9092\n", ("a:9092", "b:9092")),
        ("[::1]:9094,[fe80::1%eth0]:9092", ("[::1]:9094", "[fe80::1%eth0]:9092")),
        ("a:9092,a:9092", ("a:9092",)),
    ],
)
def test_addresses_are_read_as_people_write_them(text: str, servers: tuple[str, ...], observe: Observe) -> None:
    assert parse_servers(text) == servers
    observe(f"{text!r} is read as {' '.join(servers)}")


@pytest.mark.kind(2)
@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "write host:port"),
        (" , ", "write host:port"),
        ("localhost", "localhost lacks a port"),
        ("[::1]", "[::1] lacks a port"),
        ("kafka://a:9092", "write a:9092 without kafka://"),
        ("SASL_SSL://a:9092", "write a:9092 without SASL_SSL://"),
        ("a:9092;b:9092", "separate addresses by commas: a:9092,b:9092"),
        ("::1:9092", "in brackets"),
        ("a:notaport", "the port of a:notaport must be a number from 1 to 65535"),
        ("a:70000", "the port of a:70000 must be a number from 1 to 65535"),
        ("a:0", "the port of a:0 must be a number from 1 to 65535"),
        ("a:", "the port of a: must be a number"),
        (":9092", "is no host name"),
        ("a b:9092", "a lacks a port"),
        ("user@a:9092", "is no host name"),
        ("[nonsense]:9092", "is no host name"),
    ],
)
def test_what_is_no_list_of_addresses_is_refused_with_what_is_right(text: str, remedy: str, observe: Observe) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_servers(text)

    assert remedy in str(caught.value)
    observe(f"{text!r} is refused: {caught.value}")
