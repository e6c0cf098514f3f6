"""What the command does when its terminal, its locale or its user's patience is not as usual."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.client.secret_files import secret
from tests.support.cli import COMMAND
from tests.support.interrupted_import import CTRL_C_AT_IMPORT

if TYPE_CHECKING:
    from phoenix_producer import Producer

_INTERRUPTED_WHILE = f"{CTRL_C_AT_IMPORT}from phoenix_producer.cli import main\nmain()\n"
_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def command(*arguments: str, environ: dict[str, str] | None = None, **streams: Any) -> subprocess.CompletedProcess[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(
        [COMMAND, *arguments], check=False, text=True, timeout=180, env={**os.environ, **(environ or {})}, **pipes
    )


@pytest.mark.parametrize(
    "module",
    ["celery", "phoenix_producer.contract", "phoenix_producer.cli.phoenix_lxc", "phoenix_producer.cli.trees", "typer"],
)
def test_ctrl_c_while_the_command_is_imported_ends_it_without_a_word(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_WHILE.format(module=module), "--version"],
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["catalog", "schema"], ["jobs"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_stdout_is_one_line_and_a_failure(
    arguments: list[str], unbuffered: str, environ: dict[str, str]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = command(*arguments, environ={**environ, "PYTHONUNBUFFERED": unbuffered}, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "phoenix-lxc cannot write its output: No space left on device.\n"


def test_a_token_that_nobody_could_read_is_not_made(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    with Path("/dev/full").open("w") as full:
        done = command("token", "add", "billing", "--tokens", str(tokens), stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "billing" not in tokens.read_text()


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "latin-1"}, _ASCII])
def test_a_terminal_that_cannot_show_a_character_gets_another(locale: dict[str, str], tmp_path: Path) -> None:
    catalog = tmp_path / "none→.json"
    done = command("catalog", "check", str(catalog), environ=locale)
    assert done.returncode == 2
    assert f"{str(catalog).replace('→', '?')} cannot be read" in (done.stdout + done.stderr).replace("???", "?")


@pytest.mark.parametrize("locale", [{}, _ASCII])
def test_secret_files_are_read_as_utf_8_whatever_the_locale(locale: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("redis://:pä→ss@127.0.0.1:1/0\n", encoding="utf-8")
    assert secret({"PHOENIX_REDIS_URL_FILE": str(file)}, "PHOENIX_REDIS_URL") == "redis://:pä→ss@127.0.0.1:1/0"
    done = command("jobs", environ={"PHOENIX_REDIS_URL_FILE": str(file), **locale})
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1:1/0 cannot be used" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["catalog", "schema"], ["jobs"], ["setup", "man"]])
def test_a_reader_of_stdout_that_goes_away_is_no_trouble(arguments: list[str], environ: dict[str, str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = command(*arguments, environ=environ, stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_file_is_migrated_though_the_reader_has_gone(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"lxc_configs": {"103": {"clone_from_template_ctid": "900"}}}))
    read, write = os.pipe()
    os.close(read)
    done = command("migrate", str(file), "--write", environ=environ, stdout=write)
    os.close(write)
    assert done.returncode == 141
    assert json.loads(file.read_text()) == {"lxc_configs": {"103": {"clone_from_ctid": "900"}}}


def test_a_failure_is_one_though_the_reader_has_gone(environ: dict[str, str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = command("ensure", "5", environ=environ, stdout=write)
    os.close(write)
    assert done.returncode == 2
    assert "Invalid value" in done.stderr


def closed(streams: str, *arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command without streams that others have open."""
    words = ["sh", "-c", f'exec "$@" {streams}', "sh", str(COMMAND), *arguments]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=180, env=environ)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["jobs"]])
@pytest.mark.parametrize("streams", [">&-", "<&- >&-"])
def test_a_stdout_that_is_closed_is_one_line_and_a_failure(
    arguments: list[str], streams: str, environ: dict[str, str]
) -> None:
    done = closed(streams, *arguments, environ=environ)
    assert (done.returncode, done.stderr) == (1, "phoenix-lxc cannot write its output: Bad file descriptor.\n")


@pytest.mark.parametrize("arguments", [["destroy", "103"], ["ensure", "5"]])
def test_a_full_disk_under_stderr_puts_nothing_else_on_stdout(arguments: list[str], environ: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = command(*arguments, environ={**environ, "PYTHONUNBUFFERED": ""}, stderr=full)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    ("streams", "arguments", "code", "said"),
    [
        ("<&-", ["destroy", "103"], 2, "there is no terminal"),
        ("<&-", ["--version"], 0, "phoenix-lxc"),
        ("2>&-", ["ensure", "5"], 2, ""),
        ("2>&-", ["--version"], 0, "phoenix-lxc"),
        ("<&- 2>&-", ["jobs"], 0, "JOB"),
        ("<&- >&- 2>&-", ["ensure", "5"], 2, ""),
    ],
)
def test_other_streams_may_be_closed(
    streams: str, arguments: list[str], code: int, said: str, environ: dict[str, str], answered: Producer
) -> None:
    if arguments == ["jobs"]:
        answered.ensure(103).wait(60)
    done = closed(streams, *arguments, environ=environ)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def nobody(path: Path) -> dict[str, str]:
    """An environment of a user who is a mere number: of whom no name and no home is known, as in a container."""
    code = "import os\nos.getuid = lambda: 54321\n"
    (path / "sitecustomize.py").write_text(code)
    left_out = {"HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CONFIG_HOME"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | {
        "PYTHONPATH": os.pathsep.join([str(path), *sys.path])
    }


def test_a_user_without_a_name_and_a_home_may_ask_too(tmp_path: Path, environ: dict[str, str]) -> None:
    without = nobody(tmp_path) | {"PHOENIX_REDIS_URL": environ["PHOENIX_REDIS_URL"]}
    words = [str(COMMAND), "ensure", "103", "--json"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=180, env=without)
    assert (done.returncode, done.stderr) == (0, "")
    assert "uid 54321@" in done.stdout
    for command in (["token", "list"], ["serve", "--port", "0"]):
        words = [str(COMMAND), *command]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=180, env=without)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "This user has no home directory: name the file of tokens in PHOENIX_HTTP_TOKENS.\n"


def test_a_login_name_of_any_bytes_is_no_trouble(environ: dict[str, str]) -> None:
    hostile = os.fsdecode(b"\xff\x1b[31m\n") + "x" * 300
    done = command("status", environ={**environ, "LOGNAME": hostile, "USER": hostile})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["--install-completion", "bash"], ["token", "list", "--tokens", "/dev/null/x"]])
def test_a_directory_that_cannot_be_made_is_one_line(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command(*words, environ={"HOME": str(tmp_path / "file")})
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr


def test_completion_that_is_asked_for_without_a_line_says_nothing() -> None:
    done = command(environ={"_PHOENIX_LXC_COMPLETE": "complete_bash", "COMP_WORDS": "", "COMP_CWORD": "x"})
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize("columns", ["0", "-1", "9" * 12, "wide"])
def test_a_size_that_no_terminal_has_is_not_heeded(columns: str, environ: dict[str, str]) -> None:
    done = command("jobs", "--help", environ={**environ, "COLUMNS": columns, "LINES": columns})
    assert (done.returncode, done.stderr) == (0, "")
    assert "phoenix-lxc jobs" in done.stdout
