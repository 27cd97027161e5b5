import socket

import pytest

from streamer.runtime.address import own_url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "worker-0.example"])
async def test_where_one_address_is_bound_it_is_the_one_that_others_use(host: str) -> None:
    assert await own_url(host, 6066, ["kafka:9092"]) == f"http://{host}:6066"


async def test_where_all_are_bound_others_use_the_one_on_the_way_to_kafka() -> None:
    assert await own_url("0.0.0.0", 6066, ["127.0.0.1:9092"]) == "http://127.0.0.1:6066"
    assert await own_url("::", 1, ["no.such.host.invalid:9092", "[::1]:9092"]) == "http://[::1]:1"


async def test_where_kafka_has_no_address_in_the_family_it_is_any_way_out_or_the_name() -> None:
    url = await own_url("0.0.0.0", 6066, ["[::1]:9092"])

    host = url.removeprefix("http://").removesuffix(":6066")
    assert host == socket.gethostname() or socket.inet_aton(host)
