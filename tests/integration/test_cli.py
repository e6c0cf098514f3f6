from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from typer.testing import CliRunner

from phoenix_producer import plugins, session
from phoenix_producer.cli import app
from phoenix_producer.testing import RecordingProducer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result

    from phoenix_worker.commands.embedded import RedisServer

COMMAND = Path(sys.executable).parent / "phoenix-lxc"
REFUSED, SLOW, BROKEN, STOPPED = "404", "408", "500", "499"
NOBODY = "redis://:s3cret@127.0.0.1:1/0"


@pytest.fixture
def environ(answering_url: str) -> dict[str, str]:
    return {**os.environ, "PHOENIX_REDIS_URL": answering_url, "COLUMNS": "120"}


@pytest.fixture
def run(environ: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The installed command, in a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=60, env=environ
        )

    return run


@pytest.fixture
def started(environ: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """The command still running, with pipes."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **streams: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        process = subprocess.Popen([COMMAND, *arguments], text=True, env=environ, **pipes)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def release(answering_url: str) -> Callable[[], object]:
    """Lets the slow job end."""

    def release() -> object:
        with redis.Redis.from_url(answering_url) as client:
            return client.rpush("release", "now")

    return release


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


# --- what a person reads


def test_ensure_tells_each_step_and_the_outcome(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", "103", "101")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  103  ensure started" in done.stdout
    assert "  103  ensure Proxmox task vzclone 103" in done.stdout
    assert "\n103  created on pve in 2.5 s\n" in done.stdout
    assert "\n101  created on pve in 2.5 s\n" in done.stdout
    assert "not applied: requester: " in done.stdout


def test_a_failure_is_on_stderr_with_its_remedy(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", REFUSED, "103")
    assert done.returncode == 1
    assert done.stderr == "404  failed: CTID 404 is not ours.\n     Use --adopt.\n"
    assert "103  created" in done.stdout


def test_a_worker_whose_code_breaks_is_no_traceback(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", BROKEN)
    assert done.returncode == 1
    assert "500  failed: The request for CTID 500 ended as FAILURE: RuntimeError" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_that_somebody_cancelled_is_told_as_such(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", STOPPED)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith("  499  cancelled"), "the history ends there"
    assert done.stderr == "499  cancelled: Job 1 was cancelled.\n     Ask again if that was a mistake.\n"


def test_a_dry_run_tells_what_would_be_done(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", "103", "--dry-run", "--adopt", "--state", "stopped")
    assert "103  would stay unchanged on pve\n     would clone from 900\n" in done.stdout
    assert "not applied: adopt: True" in done.stdout
    assert "not applied: state: stopped" in done.stdout


def test_all_is_what_the_worker_says(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", "--all")
    assert "101  created" in done.stdout
    assert "103  created" in done.stdout


@pytest.mark.parametrize("command", [["ensure", "--all"], ["plan", "--all"], ["ensure", "--all", "--no-wait"]])
def test_all_of_an_empty_catalog_is_told(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    producer = RecordingProducer()
    producer.declares()
    monkeypatch.setattr(session, "Producer", lambda *_, **__: producer)
    told = invoke(*command)
    assert (told.exit_code, told.stdout, told.stderr) == (0, "The catalog declares no containers.\n", "")
    told = invoke(*command, "--json")
    assert (told.exit_code, json.loads(told.stdout), told.stderr) == (0, [], "")


def test_the_status_of_an_empty_catalog_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = RecordingProducer()
    producer.stands()
    monkeypatch.setattr(session, "Producer", lambda *_, **__: producer)
    assert invoke("status").stdout == "The catalog is empty.\n"
    assert json.loads(invoke("status", "--json").stdout) == []


def test_plan_prints_the_steps(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("plan", "--all")
    assert done.returncode == 0
    assert done.stdout.endswith("101  nothing to do\n103\n     clone 103 from 900\n")


def test_not_waiting_prints_the_request_ids(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", "103", "101", "--no-wait")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["103", "101"]
    assert all(len(line.split()[1]) == 36 for line in done.stdout.splitlines())


def test_a_terminal_shows_one_live_line_for_each_job(started: Callable[..., subprocess.Popen[str]]) -> None:
    ours, theirs = pty.openpty()
    process = started("ensure", "103", "101", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = ""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait(30) == 0
    assert "\x1b[" in shown
    assert "103" in shown
    assert "created on pve" in shown


def test_a_notice_stands_above_the_live_lines(started: Callable[..., subprocess.Popen[str]], redis_url: str) -> None:
    ours, theirs = pty.openpty()
    started("--redis-url", redis_url, "ensure", "103", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = ""
    while "\x1b[2K" not in shown.partition("No worker has taken")[2]:
        shown += _read(ours)
    os.close(ours)
    before = shown.partition("No worker has taken")[0]
    assert before.endswith("\x1b[2K"), "the line that was there is cleared"


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode()
    except OSError:  # Linux says so when the other side is closed
        return ""


# --- what a program reads


def test_json_is_one_array_and_nothing_else(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", "103", REFUSED, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    result, failure = json.loads(done.stdout)
    assert (result["ctid"], result["outcome"]) == (103, "created")
    assert (failure["ctid"], failure["cause"], failure["remedy"]) == (404, "not-ours", "Use --adopt.")


def test_json_of_plans_and_of_request_ids(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert json.loads(run("plan", "103", "--json").stdout) == [
        {"ctid": 103, "lines": ["clone 103 from 900"], "not_applied": []}
    ]
    (request,) = json.loads(run("ensure", "103", "--no-wait", "--json").stdout)
    assert (request["ctid"], len(request["request_id"])) == (103, 36)


# --- waiting


def test_a_timeout_is_a_failure_and_says_that_the_job_goes_on(
    run: Callable[..., subprocess.CompletedProcess[str]], release: Callable[[], object]
) -> None:
    done = run("ensure", SLOW, "--timeout", "0.2", "--json")
    release()
    assert done.returncode == 1
    (failure,) = json.loads(done.stdout)
    assert failure["cause"] == "timeout"
    assert failure["message"] == "The request for CTID 408 has not ended in 0.2 s."
    assert failure["remedy"] == "It goes on. Wait for it again with: phoenix-lxc ensure 408 --json"


@pytest.mark.parametrize(
    "options", [["--adopt", "--state", "stopped", "--json"], ["--dry-run"], ["--state", "running", "--wait"]]
)
def test_the_way_to_wait_again_has_all_that_was_given(options: list[str], redis_url: str) -> None:
    result = invoke("--redis-url", redis_url, "ensure", "103", "--timeout", "0.1", *options, "101")
    wanted = f"phoenix-lxc --redis-url {redis_url} ensure 103 101 {' '.join(options)}"
    remedies = (
        [failure["remedy"] for failure in json.loads(result.stdout)]
        if "--json" in options
        else [line.strip() for line in result.stderr.splitlines() if "Wait for it again" in line]
    )
    assert result.exit_code == 1
    assert set(remedies) == {
        f"No worker answers; the request waits in Redis until one starts. Wait for it again with: {wanted}"
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
    assert "for the list of containers has not ended in 0.1 s" in result.stderr
    assert result.stderr.endswith("phoenix-lxc --redis-url " + redis_url + " ensure --all\n")


def test_ctrl_c_leaves_the_job_and_says_how_to_look_again(
    started: Callable[..., subprocess.Popen[str]], release: Callable[[], object]
) -> None:
    process = started("ensure", SLOW, "--adopt")
    assert process.stdout is not None
    while "started" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    release()
    assert process.returncode == 130
    _, look, again, cancel = errors.splitlines()
    job_id = look.rpartition("phoenix-lxc jobs show ")[2]
    assert len(job_id) == 36
    assert again.endswith("phoenix-lxc ensure 408 --adopt")
    assert cancel.endswith(f"phoenix-lxc cancel {job_id}")
    assert "Traceback" not in errors


def test_when_nobody_answers_it_says_so_and_waits_on(
    started: Callable[..., subprocess.Popen[str]], redis_url: str
) -> None:
    process = started("--redis-url", redis_url, "ensure", "103")
    assert process.stderr is not None
    assert "No worker has taken the request yet; is one running?" in process.stderr.readline()
    assert process.poll() is None


# --- what is wrong


@pytest.mark.parametrize(
    "arguments",
    [
        ["ensure"],
        ["ensure", "103", "--all"],
        ["ensure", "5"],
        ["ensure", "x"],
        ["plan"],
        ["ensure", "103", "--state", "on"],
    ],
)
def test_bad_input_is_exit_code_2_and_nothing_on_stdout(arguments: list[str]) -> None:
    result = invoke("--redis-url", NOBODY, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Invalid value" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ensure", "555"], 2),
        (["ensure", "555", "556", "--json"], 2),
        (["plan", "555"], 2),
        (["status", "103", "555"], 2),
        (["ensure", "555", REFUSED], 1),
        (["ensure", "103", "555"], 1),
    ],
)
def test_ctids_that_the_catalog_does_not_have_are_bad_input_if_nothing_was_begun(
    arguments: list[str], code: int, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert "CT 555 is not in the catalog." in done.stdout + done.stderr


def test_a_url_that_is_none_is_bad_input() -> None:
    result = invoke("--redis-url", "http://:s3cret@127.0.0.1", "ensure", "103")
    assert result.exit_code == 2
    assert "Not a usable Redis URL" in result.stderr
    assert "s3cret" not in result.output


@pytest.mark.parametrize(
    ("login", "why"),
    [
        (":wr0ng@", "refuses the password in PHOENIX_REDIS_URL"),
        ("", "wants a password, and PHOENIX_REDIS_URL has none"),
    ],
)
def test_a_password_that_redis_refuses_is_bad_input(login: str, why: str, redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("requirepass", "s3cret")
    result = invoke("--redis-url", redis_server.url.replace("redis://", f"redis://{login}"), "ensure", "103")
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr
    assert "is it running" not in result.stderr.lower()
    assert "wr0ng" not in result.output


def test_a_redis_that_is_down_is_one_line_without_its_password() -> None:
    result = invoke("--redis-url", NOBODY, "ensure", "103")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "Redis at redis://:**@127.0.0.1:1/0 cannot be used" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["ensure", "--help"], ["plan", "--help"]])
def test_help_teaches(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "Exit codes" in result.stdout or "--all" in result.stdout


# --- plug-ins


def test_plugged_commands_are_listed_and_run(tmp_path: Path) -> None:
    listed = invoke("--help").stdout
    assert all(name in listed for name in ("ensure", "plan", "catalog", "demo", "migrate"))
    catalog = tmp_path / "none.json"
    assert "cannot be read" in invoke("catalog", "check", str(catalog)).output
    assert "cannot be read" in invoke("migrate", str(catalog)).output


@pytest.mark.parametrize(("name", "extra"), [("catalog", "worker"), ("demo", "demo"), ("migrate", "worker")])
def test_a_command_without_its_extra_says_what_to_install(
    name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = EntryPoint(name, "no_such_package.commands:app", plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda **query: EntryPoints([absent]).select(**query))
    assert f"phoenix-lxc[{extra}]" in invoke("--help").stdout
    for arguments in ([], ["check", "file.json", "--json"]):
        result = invoke(name, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.splitlines() == [
            f"phoenix-lxc {name} needs more than is installed here. Get it with: pip install 'phoenix-lxc[{extra}]'"
        ]


def test_a_command_that_nobody_plugged_in_is_unknown() -> None:
    result = invoke("teleport")
    assert result.exit_code == 2
    assert "No such command" in result.stderr
