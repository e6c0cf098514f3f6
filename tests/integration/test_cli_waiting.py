"""`phoenix-lxc ensure` while it waits: timeouts, Ctrl-C, nobody who works. On a terminal: test_cli_terminal.py."""

from __future__ import annotations

import json
import shlex
import signal
from threading import Timer
from typing import TYPE_CHECKING

import pytest
import redis

from phoenix_producer.cli import without_workers
from phoenix_producer.ledger.standstill import standstill
from phoenix_producer.ledger.view import LedgerView
from phoenix_worker.commands.demo.embedded import private_redis
from tests.support.cli import invoke

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.driven_ledger import DrivenLedger

SLOW = "408"


def test_a_timeout_is_a_failure_and_says_that_the_job_goes_on(
    run: Callable[..., subprocess.CompletedProcess[str]], release: Callable[[], object]
) -> None:
    done = run("ensure", SLOW, "--timeout", "0.2", "--json")
    release()
    assert done.returncode == 1
    (failure,) = json.loads(done.stdout)
    assert failure["cause"] == "timeout"
    assert failure["message"] == "The request for CTID 408 has not ended in 0.2 s."
    assert failure["remedy"] == "The job continues. To wait for it again: phoenix-lxc ensure 408 --json"


@pytest.mark.parametrize(
    "options",
    [
        ["--adopt", "--state", "stopped", "--json"],
        ["--dry-run"],
        ["--state", "running", "--wait"],
        ["--rerun", "docker", "--rerun", "step ca"],
    ],
)
def test_the_way_to_wait_again_has_all_that_was_given(options: list[str], redis_url: str) -> None:
    result = invoke("--redis-url", redis_url, "ensure", "103", "--timeout", "0.1", *options, "101")
    wanted = f"phoenix-lxc --redis-url {redis_url} ensure 103 101 {shlex.join(options)}"
    remedies = (
        [failure["remedy"] for failure in json.loads(result.stdout)]
        if "--json" in options
        else [line.strip() for line in result.stderr.splitlines() if "wait for it again" in line]
    )
    assert result.exit_code == 1
    assert set(remedies) == {
        f"No worker answers; the request waits in Redis until one starts. To wait for it again: {wanted}"
    }
    assert len(remedies) == (2 if "--json" in options else 1), "people read it once"


def test_the_way_to_wait_again_shows_no_password(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("requirepass", "s3cret")
    url = redis_server.url.replace("redis://", "redis://:s3cret@")
    result = invoke("--redis-url", url, "ensure", "103", "--timeout", "0.1")
    assert "phoenix-lxc --redis-url 'redis://:**@127.0.0.1:" in result.stderr
    assert "s3cret" not in result.output


def test_a_list_of_all_that_nobody_gives_is_waited_for_no_longer_than_asked(redis_url: str) -> None:
    result = invoke("--redis-url", redis_url, "ensure", "--all", "--timeout", "0.1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "for the list of containers has not ended in time" in result.stderr
    assert result.stderr.endswith("phoenix-lxc --redis-url " + redis_url + " ensure --all\n")


@pytest.mark.parametrize("named", [False, True])
def test_ctrl_c_leaves_the_job_and_says_how_to_look_again(
    named: bool, started: Callable[..., subprocess.Popen[str]], release: Callable[[], object], answering_url: str
) -> None:
    there = ["--redis-url", answering_url] if named else []
    command = " ".join(["phoenix-lxc", *there])
    process = started(*there, "ensure", SLOW, "--adopt")
    assert process.stdout is not None
    while "started" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    release()
    assert process.returncode == 130
    _, look, again, cancel = errors.splitlines()
    job_id = look.rpartition(f"{command} jobs show ")[2]
    assert len(job_id) == 36
    assert again.endswith(f"{command} ensure 408 --adopt")
    assert cancel.endswith(f"{command} cancel {job_id}")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("command", "ways"),
    [
        (["ensure", "103", "104"], ["look again", "wait again", "cancel"]),
        pytest.param(["destroy", "103", "--yes"], ["look again", "wait again", "cancel"], marks=pytest.mark.long),
        pytest.param(["rebuild", "103", "104"], ["look again", "cancel"], marks=pytest.mark.long),
    ],
)
def test_a_redis_that_went_away_leaves_the_jobs_and_says_what_can_be_done(
    command: list[str], ways: list[str], started: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    with private_redis(tmp_path) as server:
        process = started("--redis-url", server.url, *command)
        assert process.stderr is not None
        assert "No worker answers" in process.stderr.readline()
        server.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    said, gone_on, *told = errors.splitlines()
    assert "cannot be used" in said
    assert gone_on == "Stopped waiting. The jobs go on when Redis is back with its data."
    by_way = {way.strip(): line for way, _, line in (line.partition(":") for line in told)}
    assert list(by_way) == ways
    assert by_way.get("wait again", " ".join(command)).endswith(" ".join(command))


def test_when_nobody_answers_it_says_so_and_waits_on(
    started: Callable[..., subprocess.Popen[str]], redis_url: str
) -> None:
    process = started("--redis-url", redis_url, "ensure", "103")
    assert process.stderr is not None
    assert "No worker answers. Is one running?" in process.stderr.readline()
    assert process.poll() is None


@pytest.mark.parametrize("command", ["status", "plan 103"])
def test_when_workers_run_it_does_not_say_that_there_are_none(
    command: str, started: Callable[..., subprocess.Popen[str]], redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.zadd("phoenix:workers", {"pve1-worker": client.time()[0] + 60})
    process = started("--redis-url", redis_url, *command.split())
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "No answer yet. Workers are running" in said
    assert said.rstrip().endswith(f"phoenix-lxc --redis-url {redis_url} jobs")


def test_a_cancel_that_no_worker_takes_says_what_it_waits_for(
    started: Callable[..., subprocess.Popen[str]], redis_url: str
) -> None:
    process = started("--redis-url", redis_url, "cancel", "7d8c1a52-6a5e-4a0e-9a6e-2f9f3f0c1b11")
    assert process.stderr is not None
    assert "No worker is running, and only a worker can cancel a job." in process.stderr.readline()


@pytest.mark.parametrize("command", ["status", "drift", "plan --all"])
def test_what_only_looks_waits_no_longer_than_asked(command: str, redis_url: str) -> None:
    result = invoke("--redis-url", redis_url, *command.split(), "--timeout", "0.1")
    assert result.exit_code == 1
    assert result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["ensure 103", "ensure --all", "plan 103", "status", "drift", "adopt --all --yes"])
def test_without_a_worker_and_a_terminal_it_ends_after_a_while(
    command: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(without_workers, "LOOK_SECONDS", 0.5)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as CI does
    result = invoke("--redis-url", redis_url, *command.split())
    assert result.exit_code == 1
    assert all("requested" in line for line in result.stdout.splitlines())
    at_once, *_, remedy = result.stderr.splitlines()
    assert at_once.startswith("No worker answers. Is one running?")
    assert at_once.endswith("exit code 1 after 1 s; what it asked for waits in Redis.")
    assert f"To wait for it again: phoenix-lxc --redis-url {redis_url} {command}" in remedy


ENSURES, UPKEEPS, RESUMES = "phoenix.resume phoenix.ensure", "phoenix.resume phoenix.upkeep", "phoenix.resume"


def lives(client: redis.Redis, queues: str) -> None:
    """A worker lives for as long as the test, and takes from these queues alone."""
    client.zadd("phoenix:workers", {"w1": client.time()[0] + 60})
    client.hset("phoenix:queues", "w1", queues)


@pytest.mark.parametrize(
    ("queues", "command", "untaken", "what"),
    [
        (ENSURES, "destroy 103 --yes", "phoenix.upkeep", "destroy 103"),
        (ENSURES, "ensure 103 --adopt", "phoenix.upkeep", "ensure 103"),
        (ENSURES, "drain pve1", "phoenix.upkeep", "drain pve1"),
        (ENSURES, "move 103 104 --to pve2", "phoenix.upkeep", "migrate 103"),
        (UPKEEPS, "ensure 103", "phoenix.ensure", "ensure 103"),
        (UPKEEPS, "ensure --all", "phoenix.ensure", "containers"),
        (UPKEEPS, "nodes", "phoenix.ensure", "nodes"),
        (RESUMES, "plan 103", "phoenix.ensure", "plans"),
        (RESUMES, "adopt --all --yes", "phoenix.ensure", "status"),
        (RESUMES, "cancel 7d8c1a52-6a5e-4a0e-9a6e-2f9f3f0c1b11", "phoenix.ensure", "cancel 7d8c1a52"),
    ],
)
def test_where_no_worker_takes_from_the_queue_it_ends_and_says_which(
    queues: str, command: str, untaken: str, what: str, redis_client: redis.Redis, redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Workers live, and what is asked for is not theirs to take: nobody would ever answer."""
    monkeypatch.setattr(without_workers, "LOOK_SECONDS", 0.05)
    lives(redis_client, queues)
    result = invoke("--redis-url", redis_url, *command.split())
    assert result.exit_code == 1
    listed = invoke("--redis-url", redis_url, "jobs").stdout
    assert f"a worker that takes from {untaken}; none does" in " ".join(listed.split())
    why = f"No worker takes from the queue {untaken}, where {what} waits. `phoenix-lxc worker` starts one that does."
    assert f"{why} To wait for it again: phoenix-lxc --redis-url {redis_url} {command}" in result.stderr


def test_it_says_at_once_that_no_worker_takes_from_the_queue(
    started: Callable[..., subprocess.Popen[str]], redis_client: redis.Redis, redis_url: str
) -> None:
    lives(redis_client, ENSURES)
    process = started("--redis-url", redis_url, "rebuild", "900")
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("No worker takes from the queue phoenix.upkeep, where rebuild 900 waits.")
    assert said.endswith("ends with exit code 1 after 60 s; what it asked for waits in Redis.\n")


def test_what_waits_for_a_job_that_nobody_takes_ends_too_and_nothing_else(
    driven: DrivenLedger, redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild has asked for an ensure of what its template depends on; another waits for its lock."""
    monkeypatch.setattr(without_workers, "LOOK_SECONDS", 0.05)
    lives(redis_client, UPKEEPS)
    asked, rebuilt, behind = driven.asked(500), driven.taken(103), driven.taken(104)
    driven.hold(rebuilt, "ct/103")
    assert driven.wait(rebuilt, f"job/{asked}", "CT 500, on which CT 103 depends") == "parked"
    assert driven.hold(behind, "ct/103") == "parked"
    for job_id in (rebuilt.id, behind.id):
        result = invoke("--redis-url", redis_url, "jobs", "show", job_id, "--follow")
        assert "from the queue phoenix.ensure, where ensure 500 waits" in result.stderr
        assert f"phoenix-lxc --redis-url {redis_url} jobs show {job_id} --follow" in result.stderr
        assert result.exit_code == 1
    running = driven.taken(105)
    with redis_client.pipeline() as pipe:
        look = LedgerView(lambda ask: (ask(pipe), pipe.execute())[1])
        assert standstill(look, [running.id, rebuilt.id]) == "", "one of them goes on"
        driven.ended(running)
        assert "ensure 500" in standstill(look, [running.id, rebuilt.id]), "the other alone is waited for"
        redis_client.delete("phoenix:queues")  # as a worker of an earlier version, which tells nothing
        assert standstill(look, [rebuilt.id]) == ""


def test_what_is_set_aside_is_said_to_be_and_not_waited_for(
    driven: DrivenLedger, redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers were said to be busy, and it was waited for ever."""
    monkeypatch.setattr(without_workers, "LOOK_SECONDS", 0.05)
    lives(redis_client, f"{ENSURES} {UPKEEPS}")
    aside, behind = driven.taken(103), driven.taken(104)
    driven.hold(aside, "ct/103")
    assert driven.hold(behind, "ct/103") == "parked"
    redis_client.hset(f"phoenix:t:{aside.id}", "state", "aside")
    cancel = f"phoenix-lxc cancel {aside.id}"
    for job_id in (aside.id, behind.id):
        result = invoke("--redis-url", redis_url, "jobs", "show", job_id, "--follow")
        assert f"ensure 103 cannot be handled: it is set aside. End it with `{cancel}`. " in result.stderr
        assert result.exit_code == 1


def test_a_worker_that_comes_in_the_meantime_is_waited_for(
    answering_url: str, monkeypatch: pytest.MonkeyPatch, release: Callable[[], object]
) -> None:
    """Looked at many times while the job runs; what was shown is not shown again."""
    monkeypatch.setattr(without_workers, "LOOK_SECONDS", 0.05)
    Timer(1.0, release).start()
    result = invoke("--redis-url", answering_url, "ensure", SLOW)
    assert result.exit_code == 0, result.stderr
    assert sum("requested" in line for line in result.stdout.splitlines()) == 1
