from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_producer.client.connection import celery_urls, with_settings
from phoenix_producer.client.redis_url import place_of, usable, verified
from phoenix_producer.client.secret_files import password_variable, redis_url_of
from phoenix_producer.contract import ContractError

if TYPE_CHECKING:
    from pathlib import Path


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


SENTINELS = "sentinel://me:p%2F@h1:26380,h2,[::1]:26381/my-master.1/3?sentinel_password=s3%20cret"


def test_a_url_of_sentinels_names_them_the_master_and_its_database() -> None:
    place = place_of(SENTINELS)
    assert place.hosts == (("h1", 26380), ("h2", 26379), ("::1", 26381))
    assert (place.master, place.database, place.username, place.password) == ("my-master.1", 3, "me", "p/")
    assert place.secrets() == ["p/", "s3 cret"]
    assert place.shown() == "sentinel://me:**@h1:26380,h2:26379,[::1]:26381/my-master.1/3"
    assert "p/" not in repr(place)
    assert "s3" not in repr(place)


@pytest.mark.parametrize("url", ["sentinel://h/m", "sentinel://h,h2:1/m/", "sentinel://h/m/0", "sentinels://h/m/12"])
def test_urls_of_sentinels_are_usable(url: str) -> None:
    assert usable(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://h",
        "sentinel://h/",
        "sentinel:///m/0",
        "sentinel://h,/m/0",
        "sentinel://h:x/m/0",
        "sentinel://h:0/m/0",
        "sentinel://h/m/x",
        "sentinel://h/m/0/1",
        "sentinel://h/m m/0",
        "sentinel://h;h2/m/0",
        "sentinel://h/m/0?db=1",
        "sentinel://h/m/0?ssl_cert_reqs=none",
        "redis://h1,h2/0",
        "redis://h/0?sentinel_password=s3cret",
        "sentinel://:s3/cret@h/m/0",
    ],
)
def test_any_other_url_of_sentinels_is_refused(url: str) -> None:
    with pytest.raises(ContractError, match="Not a usable Redis URL") as refused:
        usable(url)
    assert "s3" not in str(refused.value)


def test_celery_and_redis_py_take_what_each_of_them_reads() -> None:
    made = celery_urls(verified(SENTINELS.replace("sentinel://", "sentinels://"), "ca.pem"))
    login = "sentinel://me:p%2F@"
    assert made["broker_url"] == made["result_backend"] == f"{login}h1:26380/3;{login}h2:26379/3;{login}[::1]:26381/3"
    options = made["broker_transport_options"]
    assert options["master_name"] == "my-master.1"
    assert options["sentinel_kwargs"]["password"] == "s3 cret"
    tls = {"ssl_cert_reqs": "required", "ssl_ca_certs": "ca.pem"}
    assert made["broker_use_ssl"] == made["redis_backend_use_ssl"] == tls
    assert options["sentinel_kwargs"] | tls == options["sentinel_kwargs"], "the Sentinels are reached by TLS too"
    plain = with_settings({"broker_transport_options": {"socket_timeout": 3}}, SENTINELS)["broker_transport_options"]
    assert (plain["socket_timeout"], plain["master_name"]) == (3, "my-master.1")
    assert celery_urls("redis://h/1") == {"broker_url": "redis://h/1", "result_backend": "redis://h/1"}


def test_passwords_come_from_variables_too() -> None:
    environ = {"PHOENIX_REDIS_URL": "sentinel://me@h1,h2/m/0", "PHOENIX_REDIS_PASSWORD": "a/b@c"}
    place = place_of(redis_url_of(environ | {"PHOENIX_SENTINEL_PASSWORD": "d&e=f"}))
    assert (place.username, place.secrets()) == ("me", ["a/b@c", "d&e=f"])
    with pytest.raises(ContractError, match="names no Sentinels"):
        redis_url_of({"PHOENIX_REDIS_URL": "redis://h/0", "PHOENIX_SENTINEL_PASSWORD": "x"})
    with pytest.raises(ContractError, match="sentinel_password, and PHOENIX_SENTINEL_PASSWORD is set too"):
        redis_url_of({"PHOENIX_REDIS_URL": SENTINELS, "PHOENIX_SENTINEL_PASSWORD": "x"})


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_empty_variables_are_as_good_as_none(empty: str) -> None:
    names = ("PHOENIX_REDIS_URL", "PHOENIX_REDIS_PASSWORD", "PHOENIX_SENTINEL_PASSWORD")
    assert redis_url_of({name: empty for one in names for name in (one, f"{one}_FILE")}) == redis_url_of({})


def test_the_password_is_of_the_variable_that_holds_it(tmp_path: Path) -> None:
    name = "PHOENIX_REDIS_PASSWORD"
    (tmp_path / "password").write_text("p@ss\n")
    in_file = {f"{name}_FILE": str(tmp_path / "password")}
    for environ, variable in (
        ({}, "PHOENIX_REDIS_URL"),
        ({name: "other"}, "PHOENIX_REDIS_URL"),
        ({name: "p@ss"}, name),
        (in_file, f"{name}_FILE"),
        (in_file | {name: "p@ss"}, "PHOENIX_REDIS_URL"),  # neither is used: it is a URL of its own
        ({f"{name}_FILE": "/nowhere"}, "PHOENIX_REDIS_URL"),
    ):
        assert password_variable(environ, "p@ss") == variable
    assert password_variable({name: "x"}, None) == "PHOENIX_REDIS_URL"


@pytest.mark.parametrize(
    ("url", "around"),
    [
        ('"redis://:secret@127.0.0.1:6379/0"', "quotes around it"),
        ("'redis://:secret@127.0.0.1:6379/0'", "quotes around it"),
        (" redis://:secret@127.0.0.1:6379/0", "blanks or the line break around it"),
        ("redis://:secret@127.0.0.1:6379/0\n", "blanks or the line break around it"),
        ("redis//:secret@127.0.0.1:6379/0", ""),
    ],
)
def test_what_stands_around_a_url_is_told_and_nothing_of_it(url: str, around: str) -> None:
    with pytest.raises(ContractError) as refused:
        usable(url)
    assert around in str(refused.value)
    assert ("around it" in str(refused.value), "secret" in str(refused.value)) == (bool(around), False)
