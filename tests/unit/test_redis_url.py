from __future__ import annotations

import pytest

from phoenix_producer.redis_url import verified


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
