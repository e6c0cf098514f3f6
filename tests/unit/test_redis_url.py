from __future__ import annotations

import pytest

from phoenix_producer.client.redis_url import usable, verified
from phoenix_producer.contract import ContractError


@pytest.mark.parametrize(
    ("url", "ca_file", "expected"),
    [
        ("redis://h/0", "ca.pem", "redis://h/0"),
        ("rediss://:p%40ss@h:6380/1", None, "rediss://:p%40ss@h:6380/1?ssl_cert_reqs=required"),
        ("rediss://h/0", "/etc/ca.pem", "rediss://h/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem"),
        ("rediss://h/0?ssl_ca_certs=own.pem", "ca.pem", "rediss://h/0?ssl_cert_reqs=required&ssl_ca_certs=own.pem"),
    ],
)
def test_tls_is_verified_unless_the_url_says_otherwise(url: str, ca_file: str | None, expected: str) -> None:
    assert verified(url, ca_file) == expected
    assert verified(expected) == expected


@pytest.mark.parametrize(
    "url",
    ["redis://h", "redis://h/", "redis://u:p%2F@h:7/12", "redis://[::1]:6379/0", "rediss://h/0?ssl_cert_reqs=none"],
)
def test_what_redis_py_and_kombu_read_alike_is_usable(url: str) -> None:
    assert usable(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:6379/0",
        "http://h/0",
        "unix:///run/s3.sock",
        "redis://",
        "redis:///0",
        "redis://h/abc",  # database 0 to redis-py, an error to kombu
        "redis://h/0/1",  # database 1 to redis-py
        "redis://h/1/",
        "redis://h/-1",
        "redis://h/\u0661",
        "redis://h/0 ",
        "redis://h/0?db=3",  # database 3 to redis-py, unknown to kombu
        "redis://h/0?virtual_host=3",
        "redis://h/0?db=",
        "rediss://h/0?ssl_cert_reqs=none&db=3",
        "redis://h:port/0",
        "redis://h:99999/0",
        "redis://[h/0",
        "redis://:s3/cret@h/0",
        "redis://:12/s3cret@h/0",
        "redis://:12#s3cret@h/0",
        "redis://:12?s3cret@h/0",
    ],
)
def test_any_other_url_is_refused_and_nothing_of_it_is_quoted(url: str) -> None:
    with pytest.raises(ContractError, match=r"Not a usable Redis URL.*DATABASE a number") as refused:
        verified(url)
    assert "s3" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
