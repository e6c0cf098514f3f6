"""The settings, and what is said about wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phoenix_worker.catalog.reference import catalog_page
from phoenix_worker.settings import Settings, SettingsError, access_of, load_settings, password_setting
from phoenix_worker.settings.defaults import defaults_of
from phoenix_worker.settings.page import settings_page

ROOT = Path(__file__).parents[2]
SECRET = "8a5f2c1e-1111-4000-8000-7a11c0ffee00"
NEEDED = {
    "PHOENIX_PROXMOX_HOST": "pve.example",
    "PHOENIX_PROXMOX_USER": "phoenix@pve",
    "PHOENIX_PROXMOX_TOKEN_NAME": "worker",
    "PHOENIX_PROXMOX_TOKEN_VALUE": SECRET,
}
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBejCCASGgAwIBAgIUQOPqBjiIufVRRtJIYL+mBMmveycwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjQxODQxNDFaGA8yMTI2MTAzMTE4
NDE0MVowEjEQMA4GA1UEAwwHdGVzdC1jYTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABLF6DoJ556VGXcDaRx0X/n6fKhLLsf9IN4RaaRmZ9FRLlwZ5wxNznQ5/a2jg
HJW4GH5f4u4M4zYa7Xzye63LVOajUzBRMB0GA1UdDgQWBBRysMeBpvYHUocFEdqw
Od4wfXR0gzAfBgNVHSMEGDAWgBRysMeBpvYHUocFEdqwOd4wfXR0gzAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIH0BublN213KBsrwLkfSEIjpVbe4
AtBwEgfsOUhYqKgZAiARjnZJ/GmxMbmV6Wl+4HwJKVRa1jRgf5lSWLigM2npyg==
-----END CERTIFICATE-----
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and nothing of the tester's settings."""
    for name in os.environ:
        if name.upper().startswith("PHOENIX_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def complaint() -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


@pytest.mark.usefixtures("needed")
def test_what_has_no_default_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert (settings.proxmox_host, settings.node, settings.proxmox_ca_file) == ("pve.example", "pve", None)
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert settings.catalog == Path("phoenix_lxc_configs.json")
    monkeypatch.setenv("PHOENIX_PATIENCE", "7.5")
    assert load_settings().patience == 7.5


def test_everything_that_is_missing_is_named_at_once() -> None:
    said = complaint()
    assert all(f"{name}: is not set" in said for name in NEEDED)
    assert len(said.splitlines()) == 1 + len(NEEDED)


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(("empty", "in_file"), [("", False), ("", True), (" ", False), ("\r\n", False), ("' '", True)])
def test_an_empty_one_is_as_good_as_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, empty: str, *, in_file: bool
) -> None:
    unset = load_settings()
    optional = [name for name in (f"PHOENIX_{field.upper()}" for field in Settings.model_fields) if name not in NEEDED]
    optional += [f"PHOENIX_{secret}_FILE" for secret in ("REDIS_URL", "REDIS_PASSWORD", "PROXMOX_TOKEN_VALUE")]
    if in_file:
        (folder / ".env").write_text("".join(f"{name}={empty}\n" for name in (*optional, "PHOENIX_UNKNOWN")))
    else:
        for name in (*optional, "PHOENIX_UNKNOWN"):
            monkeypatch.setenv(name, empty)
    assert load_settings() == unset
    assert (unset.node, unset.template_storage, unset.shell_sudo) == ("pve", "local", False)


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("empty", NEEDED)
@pytest.mark.usefixtures("needed")
def test_a_required_one_that_is_empty_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, empty: str, *, in_file: bool
) -> None:
    if in_file:
        monkeypatch.delenv(empty)
        (folder / ".env").write_text(f"{empty}=\n")
    else:
        monkeypatch.setenv(empty, "\r")
    assert complaint().splitlines()[1:] == [f"  {empty}: is empty. Set it in the environment or in .env."]


@pytest.mark.usefixtures("needed")
def test_an_empty_one_leaves_the_word_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text(f"PHOENIX_NODE=pve7\nPHOENIX_PROXMOX_TOKEN_VALUE={SECRET}x\n")
    monkeypatch.setenv("PHOENIX_NODE", " ")
    monkeypatch.setenv("PHOENIX_PROXMOX_TOKEN_VALUE", "")
    settings = load_settings()
    assert (settings.node, settings.proxmox_token_value.get_secret_value()) == ("pve7", f"{SECRET}x")


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PHOENIX_NODE", "pve_1", "is not the name of a node"),
        ("PHOENIX_NODE", "pve1,", "is not the name of a node"),
        ("PHOENIX_NODE", "pve1, pve1", "names the same node twice"),
        ("PHOENIX_NODE", "any,pve1", "has any beside names"),
        ("PHOENIX_NODE", "ANY", "means every node only in lower case: write any."),
        ("PHOENIX_TEMPLATE_STORAGE", "local:vztmpl", "is not the id of a storage"),
    ],
)
def test_what_cannot_be_a_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    monkeypatch.setenv(name, value)
    assert f"  {name}: {words}" in complaint()


@pytest.mark.usefixtures("needed")
def test_several_nodes_may_be_named_but_not_for_a_worker_on_its_own_node(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, nodes in (("pve1, pve2", "pve1,pve2"), ("any", "any")):
        monkeypatch.setenv("PHOENIX_NODE", value)
        monkeypatch.delenv("PHOENIX_SHELL", raising=False)
        assert load_settings().node == nodes
        monkeypatch.setenv("PHOENIX_SHELL", "local")
        assert "PHOENIX_SHELL=local needs the one node that the worker runs on in PHOENIX_NODE." in complaint()


@pytest.mark.usefixtures("needed")
def test_where_the_password_of_redis_is_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert password_setting(load_settings()) == "PHOENIX_REDIS_URL"
    (folder / ".env").write_text("PHOENIX_REDIS_PASSWORD=p@ss\n")
    assert password_setting(load_settings()) == "PHOENIX_REDIS_PASSWORD"
    (folder / ".env").unlink()
    (folder / "password").write_text("p@ss\n")
    monkeypatch.setenv("PHOENIX_REDIS_PASSWORD_FILE", str(folder / "password"))
    assert password_setting(load_settings()) == "PHOENIX_REDIS_PASSWORD_FILE"
    monkeypatch.delenv("PHOENIX_REDIS_PASSWORD_FILE")
    monkeypatch.setenv("PHOENIX_REDIS_URL", "redis://:p%40ss@redis.example/0")
    assert password_setting(load_settings()) == "PHOENIX_REDIS_URL"


@pytest.mark.usefixtures("needed")
def test_the_environment_comes_before_the_file(folder: Path) -> None:
    (folder / ".env").write_text("PHOENIX_NODE=pve7\nPHOENIX_PROXMOX_HOST=other\nUNRELATED=1\n")
    settings = load_settings()
    assert (settings.node, settings.proxmox_host) == ("pve7", "pve.example")


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize("in_file", [False, True])
def test_a_misspelt_one_is_told_with_the_likely_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, in_file: bool
) -> None:
    if in_file:
        (folder / ".env").write_text("PHOENIX_PROXMOX_HOTS=x\n")
    else:
        monkeypatch.setenv("phoenix_proxmox_hots", "x")
    said = complaint()
    assert "PHOENIX_PROXMOX_HOTS: unknown setting. Did you mean PHOENIX_PROXMOX_HOST?" in said


@pytest.mark.usefixtures("needed")
def test_an_unknown_one_that_resembles_none_is_told_with_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_XYZZY", "1")
    assert "PHOENIX_XYZZY: unknown setting. Known: PHOENIX_REDIS_URL, PHOENIX_REDIS_CA_FILE" in complaint()


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PHOENIX_NODE_CAPACITY", "0", "greater than or equal to 1"),
        ("PHOENIX_PATIENCE", "long", "should be a valid number"),
        ("PHOENIX_PROXMOX_TIMEOUT", "0", "greater than 0"),
        ("PHOENIX_HEARTBEAT_TTL", "90", "less than or equal to 60"),
        ("PHOENIX_REDIS_URL", "localhost:6379", "Not a usable Redis URL"),
        ("PHOENIX_REDIS_URL", "redis://127.0.0.1:6379/abc", "DATABASE a number"),
        ("PHOENIX_PROXMOX_HOST", "https://pve.example:8006", "without https://"),
        ("PHOENIX_PROXMOX_HOST", "", "is empty"),
        ("PHOENIX_PROXMOX_USER", "phoenix", "realm"),
        ("PHOENIX_PROXMOX_USER", "phoenix\n@pve", "characters that cannot be shown"),
        ("PHOENIX_PROXMOX_USER", "phoenix@pve!worker", "PHOENIX_PROXMOX_TOKEN_NAME"),
        ("PHOENIX_PROXMOX_TOKEN_NAME", "", "is empty"),
        ("PHOENIX_PROXMOX_TOKEN_VALUE", "", "is empty"),
        ("PHOENIX_PROXMOX_TOKEN_VALUE", "two words", "characters that a secret cannot have"),
        ("PHOENIX_PROXMOX_FINGERPRINT", "AB:CD", "is not a SHA-256 fingerprint"),
        ("PHOENIX_PROXMOX_HOST", "pve1,,pve2", ""),
        ("PHOENIX_PROXMOX_HOST", "pve1,https://pve2", "without https://"),
        ("PHOENIX_PROXMOX_HOST", "pve1, pve1", "the same address twice"),
        ("PHOENIX_PROXMOX_FINGERPRINT", "ab" * 20, "is not a SHA-256 fingerprint"),
    ],
)
def test_a_wrong_value_is_told_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    said = complaint()
    assert f"  {name}: " in said
    assert words in said
    assert "two words" not in said


@pytest.mark.usefixtures("needed")
def test_each_of_several_nodes_has_its_own_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_PROXMOX_FINGERPRINT", f"{'ab' * 32},{'cd' * 32}")
    assert "has 2 for 1 in PHOENIX_PROXMOX_HOST: name one for each." in complaint()
    monkeypatch.setenv("PHOENIX_PROXMOX_HOST", "pve1:8006, pve2")
    hosts = access_of(load_settings()).hosts
    assert hosts == (("pve1:8006", "ab" * 32), ("pve2", "cd" * 32))


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (ca.pem: No such file or directory)"),
        ("", "holds no PEM certificate (ca.pem)"),
        ("not a certificate", "holds no PEM certificate (ca.pem)"),
    ],
)
def test_a_ca_file_that_is_none_is_told_with_the_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, words: str
) -> None:
    monkeypatch.setenv("PHOENIX_PROXMOX_CA_FILE", "ca.pem")
    if content is not None:
        (folder / "ca.pem").write_text(content)
    said = complaint()
    assert f"  PHOENIX_PROXMOX_CA_FILE: {words}. Copy /etc/pve/pve-root-ca.pem of a Proxmox node there" in said


@pytest.mark.usefixtures("needed")
def test_a_ca_file_with_a_certificate_is_good(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = folder / "ca.pem"
    good.write_text(CERTIFICATE)
    monkeypatch.setenv("PHOENIX_PROXMOX_CA_FILE", str(good))
    assert load_settings().proxmox_ca_file == good


@pytest.mark.usefixtures("needed")
def test_a_secret_shows_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_REDIS_URL", "redis://:hunter2@redis.example/0")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert settings.proxmox_token_value.get_secret_value() == SECRET


def test_each_setting_is_described_on_the_page_and_the_page_is_the_file() -> None:
    page = settings_page()
    for name, field in Settings.model_fields.items():
        assert f"| `PHOENIX_{name.upper()}` | " in page
        assert field.description
    assert (ROOT / "docs" / "configuration.md").read_text() == f"{page}\n{catalog_page()}", (
        "make it anew: python -m phoenix_worker.settings > docs/configuration.md"
    )


@pytest.mark.usefixtures("needed")
def test_where_nodes_are_for_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().shell_addresses == {}
    monkeypatch.setenv("PHOENIX_SHELL_ADDRESSES", "pve1=10.0.0.11, pve2=[fd00::12]:2222,pve-3=n3.example:22")
    assert load_settings().shell_addresses == {
        "pve1": ("10.0.0.11", 22),
        "pve2": ("fd00::12", 2222),
        "pve-3": ("n3.example", 22),
    }


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize("wrong", ["10.0.0.11", "pve1=", "pve1=a,pve1=b", "pve1=fd00::1", "pve1=a:b"])
def test_wrong_addresses_of_nodes(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("PHOENIX_SHELL_ADDRESSES", wrong)
    assert "PHOENIX_SHELL_ADDRESSES: is not a list such as pve1=10.0.0.11" in complaint()


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize("name", ["PHOENIX_SHELL_KEY_FILE", "PHOENIX_SHELL_KNOWN_HOSTS"])
def test_files_for_ssh_that_are_not_there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/no/such/file")
    assert f"{name}: cannot be read (/no/such/file: No such file or directory)." in complaint()


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    "ctids",
    ["900", "900-", "0900-950", "950-900", "99-120", "a-b", "900-1000000000", "-5", f"{'1' * 5000}-2", "\uff1900-950"],
    ids=lambda one: one[:20],
)
def test_what_is_no_range_of_ctids_is_refused(ctids: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_SCRATCH_CTIDS", ctids)
    assert "PHOENIX_SCRATCH_CTIDS: is not a range of CTIDs" in complaint()


@pytest.mark.usefixtures("needed")
def test_scratch_ctids_are_a_range_with_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert defaults_of(load_settings()).scratch is None
    monkeypatch.setenv("PHOENIX_SCRATCH_CTIDS", "9000-9099")
    assert defaults_of(load_settings()).scratch == range(9000, 9100)


def test_a_secret_comes_from_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PHOENIX_PROXMOX_TOKEN_VALUE")
    (folder / "token").write_text(f"{SECRET}\n")
    (folder / "password").write_text("a/b@c:d e%\n")
    monkeypatch.setenv("PHOENIX_PROXMOX_TOKEN_VALUE_FILE", str(folder / "token"))
    monkeypatch.setenv("PHOENIX_REDIS_URL", "redis://worker@redis.example:6379/2")
    (folder / ".env").write_text(f"PHOENIX_REDIS_PASSWORD_FILE={folder / 'password'}\n")
    settings = load_settings()
    assert settings.proxmox_token_value.get_secret_value() == SECRET
    assert settings.redis_url.get_secret_value() == "redis://worker:a%2Fb%40c%3Ad%20e%25@redis.example:6379/2"
    assert {SECRET, "a/b@c:d e%", "a%2Fb%40c%3Ad%20e%25"} <= set(settings.secrets())
    assert "a/b@c:d" not in repr(settings)


@pytest.mark.usefixtures("needed")
def test_a_secret_that_is_given_twice_or_cannot_be_read_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_PROXMOX_TOKEN_VALUE_FILE", "/nowhere/token")
    assert "PHOENIX_PROXMOX_TOKEN_VALUE and PHOENIX_PROXMOX_TOKEN_VALUE_FILE are both set" in complaint()
    monkeypatch.delenv("PHOENIX_PROXMOX_TOKEN_VALUE")
    told = complaint()
    assert "PHOENIX_PROXMOX_TOKEN_VALUE_FILE: /nowhere/token cannot be read (No such file or directory)." in told
    assert SECRET not in told


@pytest.mark.usefixtures("needed")
def test_a_password_in_two_places_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_REDIS_URL", "redis://:first-one@redis.example:6379/0")
    monkeypatch.setenv("PHOENIX_REDIS_PASSWORD", "second-one")
    told = complaint()
    assert "PHOENIX_REDIS_URL has a password, and PHOENIX_REDIS_PASSWORD is set too" in told
    assert "first-one" not in told
    assert "second-one" not in told
