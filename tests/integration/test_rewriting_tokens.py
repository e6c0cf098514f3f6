"""The file of tokens, rewritten by several commands at a time, by root, through a link, and where nobody may write."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import ContractError
from phoenix_producer.http.rewriting import rewriting
from phoenix_producer.http.tokens import Role, TokenFile
from tests.support.cli import invoke

if TYPE_CHECKING:
    from pathlib import Path

_AT_ONCE = 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "tokens.json"


def names(path: Path) -> set[str]:
    return {one.name for one in TokenFile(path).tokens()}


def test_of_tokens_made_and_revoked_at_once_none_is_lost_and_none_comes_back(path: Path) -> None:
    for each in range(_AT_ONCE):
        TokenFile(path).add(f"old{each}", Role.VIEWER)
    together = Barrier(2 * _AT_ONCE)

    def make(each: int) -> None:
        together.wait()
        TokenFile(path).add(f"new{each}", Role.VIEWER)

    def revoke(each: int) -> None:
        together.wait()
        TokenFile(path).revoke(f"old{each}")

    with ThreadPoolExecutor(2 * _AT_ONCE) as commands:
        done = [commands.submit(act, each) for each in range(_AT_ONCE) for act in (make, revoke)]
    assert [one.exception() for one in done] == [None] * len(done)
    assert names(path) == {f"new{each}" for each in range(_AT_ONCE)}
    assert sorted(one.name for one in path.parent.iterdir()) == [".tokens.json.lock", "tokens.json"]


def test_owner_and_mode_stay_as_they_are(path: Path) -> None:
    TokenFile(path).add("one", Role.VIEWER)
    owner = (4242, 4343) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    path.chmod(0o400)
    os.chown(path, *owner)
    TokenFile(path).add("two", Role.VIEWER)
    seen = path.stat()
    assert ((seen.st_uid, seen.st_gid), stat.S_IMODE(seen.st_mode)) == (owner, 0o400)


def test_what_root_makes_in_the_directory_of_a_service_is_of_the_service(path: Path) -> None:
    path.parent.mkdir()
    owner = (4242, 4343) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path.parent, *owner)
    TokenFile(path).add("one", Role.VIEWER)
    assert {(one.stat().st_uid, one.stat().st_gid) for one in path.parent.iterdir()} == {owner}


def test_a_link_to_the_file_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    TokenFile(link).add("one", Role.VIEWER)
    assert link.is_symlink()
    assert names(path) == {"one"}


def test_a_lock_that_another_keeps_is_given_up_and_said(path: Path) -> None:
    with (
        rewriting(path),
        pytest.raises(OSError, match="another command has it locked"),
        rewriting(path, lock_seconds=0.05),
    ):
        pytest.fail("Both had it.")


def test_links_that_go_round_are_said_and_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(link)
    with pytest.raises(ContractError, match="cannot be read"):
        TokenFile(link).add("one", Role.VIEWER)
    assert link.is_symlink()


def test_a_file_where_nothing_can_be_made_is_said_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContractError, match="cannot be written"):
        TokenFile(tmp_path / "file" / "tokens.json").add("one", Role.VIEWER)


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt, SystemExit, BrokenPipeError])
def test_a_token_that_a_signal_kept_from_being_shown_is_not_kept(path: Path, ended_by: type[BaseException]) -> None:
    TokenFile(path).add("one", Role.VIEWER)

    def show(_: str) -> None:
        assert names(path) == {"one", "two"}
        raise ended_by

    with pytest.raises(ended_by):
        TokenFile(path).add("two", Role.VIEWER, show=show)
    assert names(path) == {"one"}


def test_a_name_that_is_taken_costs_nobody_a_token(path: Path) -> None:
    secret = TokenFile(path).add("one", Role.VIEWER)
    with pytest.raises(ContractError, match="There is a token one already"):
        TokenFile(path).add("one", Role.VIEWER)
    assert TokenFile(path).find(secret)


@pytest.mark.parametrize("revoked", [False, True])
def test_that_there_are_no_tokens_is_said_to_people_and_an_empty_list_to_programs(path: Path, *, revoked: bool) -> None:
    if revoked:
        TokenFile(path).add("one", Role.VIEWER)
        TokenFile(path).revoke("one")
    listed = invoke("token", "list", "--tokens", str(path))
    assert (listed.exit_code, listed.stdout, listed.stderr) == (0, f"There are no tokens in {path}.\n", "")
    assert invoke("token", "list", "--json", "--tokens", str(path)).stdout == "[]\n"
