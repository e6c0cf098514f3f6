from __future__ import annotations

import json
import re
from importlib.metadata import EntryPoint, EntryPoints, version
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import typer

from phoenix_producer import Action, Drift, Exists
from phoenix_producer.cli import extras, plugins
from phoenix_producer.cli.man_page import commands_below
from phoenix_producer.cli.phoenix_lxc import app
from phoenix_producer.cli.terminal import outcome_lines
from phoenix_producer.contract import EnsureResult, Outcome
from phoenix_producer.standing import Standing
from phoenix_producer.testing import RecordingProducer
from tests.support.cli import invoke
from tests.support.recorded_commands import have_commands_use

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


REFUSED, BROKEN, STOPPED = "404", "500", "499"
WARNED = ("420", "421")
NOBODY = "redis://:s3cret@127.0.0.1:1/0"


# --- what a person reads


def test_ensure_tells_each_step_and_the_outcome(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", "103", "101")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  103  ensure started" in done.stdout
    assert "  103  ensure Proxmox task vzclone 103" in done.stdout
    assert "\n103  created on pve in 2.5 s\n" in done.stdout
    assert "\n101  created on pve in 2.5 s\n" in done.stdout
    assert "not applied: requester: " in done.stdout


def test_what_was_not_applied_to_templates_is_told_with_their_ctids() -> None:
    unapplied = {900: ("features: scripts are not run yet",)}
    result = EnsureResult(
        request_id="a", ctid=103, node="pve", outcome=Outcome.CREATED, templates_not_applied=unapplied
    )
    assert EnsureResult.model_validate_json(result.model_dump_json()) == result, "JSON has no numbers for keys"
    assert [*outcome_lines(result)][1:] == ["     not applied to template 900: features: scripts are not run yet"]


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
    assert done.stderr == "499  cancelled: Job 1 was cancelled.\n     Send the request again if that was a mistake.\n"


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
    have_commands_use(producer, monkeypatch)
    told = invoke(*command)
    assert (told.exit_code, told.stdout, told.stderr) == (0, "The catalog declares no containers.\n", "")
    told = invoke(*command, "--json")
    assert (told.exit_code, json.loads(told.stdout), told.stderr) == (0, [], "")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_status_that_cannot_be_told_of_one_is_a_failure(form: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    producer = RecordingProducer()
    have_commands_use(producer, monkeypatch)
    known = {"name": "ct", "role": "container", "state": "running", "node": "pve"}
    producer.stands(Standing(ctid=103, exists=Exists.CONTAINER, **known))
    assert invoke("status", *form).exit_code == 0
    producer.stands(
        Standing(ctid=103, exists=Exists.CONTAINER, **known), Standing(ctid=104, exists=Exists.UNKNOWN, **known)
    )
    told = invoke("status", *form)
    assert told.exit_code == 1
    assert "unknown" in told.stdout


def test_the_status_of_an_empty_catalog_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = RecordingProducer()
    producer.stands()
    have_commands_use(producer, monkeypatch)
    assert invoke("status").stdout == "The catalog is empty.\n"
    assert json.loads(invoke("status", "--json").stdout) == []


def test_plan_prints_what_would_be_done_and_says_so_by_its_exit_code(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run("plan", "--all", "--exit-code")
    told = "101  nothing to do\n103  would be created on pve\n     clone from 900 (full)\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, told, "")
    assert run("plan", "101", "--exit-code").returncode == 0
    assert run("plan", "103").returncode == 0, "only who asks is told by the exit code"
    assert run("plan", "103", REFUSED, "--exit-code").returncode == 1, "what failed may differ as well"


def test_drift_tells_differences_only_and_says_so_by_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = RecordingProducer()
    have_commands_use(producer, monkeypatch)
    same = Drift(ctid=101, exists=Exists.CONTAINER)
    absent = Drift(ctid=102, exists=Exists.ABSENT)
    change = Action(kind="change", key="memory", old="512", new="1024")
    other = Drift(ctid=103, name="ca", node="pve", exists=Exists.CONTAINER, actions=(change,), warnings=("Mind it.",))
    old = Drift(ctid=900, role="template", exists=Exists.TEMPLATE, outdated=("Template 900 is outdated.",))
    theirs = Drift(ctid=104, exists=Exists.NOT_OURS, problem="It is not ours.")
    producer.drifts(same, absent, other, old, theirs)

    def told(*ctids: str) -> tuple[int, str]:
        told = invoke("drift", *ctids, "--exit-code")
        return told.exit_code, told.stdout

    assert told("101", "102") == (0, "Nothing that exists differs from the catalog.\n")
    assert told("101", "103") == (2, "103  ca  container on pve\n     memory: 512 → 1024\n")
    assert told("900") == (2, "900  template\n     Template 900 is outdated.\n")
    assert told("103", "104")[0] == 1
    assert "104  not-ours\n     It is not ours.\n" in told()[1]
    assert invoke("drift", "103").stderr == "Warning: Mind it.\n"
    as_json = invoke("drift", "103", "101", "--json")
    assert as_json.exit_code == 0, "only who asks is told by the exit code"
    assert [one["ctid"] for one in json.loads(as_json.stdout)] == [101, 103]


def test_not_waiting_prints_the_request_ids(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", "103", "101", "--no-wait")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["103", "101"]
    assert all(len(line.split()[1]) == 36 for line in done.stdout.splitlines())


def test_what_to_know_besides_is_told_once_on_stderr(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    for command in ("ensure", "plan"):
        done = run(command, *WARNED)
        assert (done.returncode, done.stderr) == (0, "Warning: Mind the catalog.\n")
    told = run("plan", *WARNED, "--json")
    assert (json.loads(told.stdout)[0]["warnings"], told.stderr) == (["Mind the catalog."], "")


# --- what a program reads


def test_json_is_one_array_and_nothing_else(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("ensure", "103", REFUSED, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    result, failure = json.loads(done.stdout)
    assert (result["ctid"], result["outcome"]) == (103, "created")
    assert (failure["ctid"], failure["cause"], failure["remedy"]) == (404, "not-ours", "Use --adopt.")


def test_json_of_plans_and_of_request_ids(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    told = run("plan", "103", "101", "--json", "--exit-code")
    assert told.returncode == 2
    plan, nothing = json.loads(told.stdout)
    clone = {"kind": "clone", "key": None, "old": None, "new": None, "source": "900", "detail": "full"}
    assert (plan["ctid"], plan["outcome"], plan["actions"]) == (103, "created", [clone])
    assert (nothing["ctid"], nothing["outcome"], nothing["actions"]) == (101, "unchanged", [])
    (request,) = json.loads(run("ensure", "103", "--no-wait", "--json").stdout)
    assert (request["ctid"], len(request["request_id"])) == (103, 36)


def test_the_version_is_told() -> None:
    assert invoke("--version").stdout == f"phoenix-lxc {version('phoenix-lxc')}\n"
    assert invoke("-V").stdout == invoke("--version").stdout


def test_the_first_help_says_what_to_set_and_what_to_try() -> None:
    shown = invoke("--help").stdout
    assert "PHOENIX_REDIS_URL" in shown
    assert all(f"    phoenix-lxc {command}" in shown for command in ("plan --all", "ensure 103", "demo"))
    assert "Exit codes: 0 " in shown


@pytest.mark.parametrize(
    "command",
    [
        *("ensure", "plan", "drift", "status", "templates", "cancel", "locks", "jobs", "jobs show"),
        *("nodes", "move", "drain", "undrain"),
        *("catalog check", "migrate", "demo", "flower", "setup systemd", "setup man"),
    ],
)
def test_the_help_of_each_command_has_an_example_and_the_exit_codes(command: str) -> None:
    shown = invoke(*command.split(), "--help")
    assert shown.exit_code == 0
    assert f"\n     phoenix-lxc {command}" in shown.stdout
    assert "Exit codes: 0 " in shown.stdout


_COMMANDS = (
    "ensure",
    "plan",
    "drift",
    "status",
    "destroy",
    "rebuild",
    "templates",
    "adopt",
    "nodes",
    "move",
    "drain",
    "undrain",
    "cancel",
    "locks",
    "jobs",
    "check",
    "catalog",
    "migrate",
    "demo",
    "flower",
    "serve",
    "setup",
    "token",
    "worker",
)


_BELOW = ("jobs show", "catalog check", "catalog schema", "setup systemd", "setup man")
_TOKENS = ("token add", "token list", "token revoke")


@pytest.mark.parametrize("command", ["", *_COMMANDS, *_BELOW, *_TOKENS])
def test_no_option_is_cut_off_at_80_columns(command: str) -> None:
    shown = invoke(*command.split(), "--help", COLUMNS="80")
    assert shown.exit_code == 0
    assert "…" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert not re.findall(r"<(?:bool|str|int|float|path|list\b).*?>", shown.stdout), "a word of Python's"


def test_help_keeps_the_lines_that_are_set_in_it_at_80_columns() -> None:
    """Paragraphs after the first, and examples, which are copied; and it says what each argument is."""
    top = typer.main.get_command(app)
    contexts = [*commands_below(typer.Context(top, info_name="phoenix-lxc"), "phoenix-lxc")]
    assert {context.info_name for context in contexts} >= {f"phoenix-lxc {name}" for name in (*_COMMANDS, *_BELOW)}
    for context in contexts:
        for text in (context.command.help or "").partition("\n\n")[2], context.command.epilog or "":
            broken = [line for line, after in pairwise([*text.splitlines(), ""]) if after or line.startswith("    ")]
            assert [line for line in broken if len(line) > 78] == [], context.info_name
        arguments = [one for one in context.command.params if one.param_type_name == "argument" and not one.hidden]
        assert [one.metavar for one in arguments if not (one.metavar or "").isupper() or not one.help] == []


def test_the_commands_are_listed_in_groups_a_line_each() -> None:
    shown = invoke("--help", COLUMNS="80").stdout
    groups = re.findall(r"^╭─ (.*?) ─+╮\n(.*?)^╰", shown, re.DOTALL | re.MULTILINE)
    listed = {name: [line[1:-1].split(None, 1) for line in lines.splitlines()] for name, lines in groups}
    del listed["Options"]
    assert list(listed) == ["Containers", "Templates", "Nodes", "Jobs", "Set-up"]
    names = [entry[0] for entries in listed.values() for entry in entries]
    assert sorted(names) == sorted(_COMMANDS), "a line for each"


# --- plug-ins


def test_plugged_commands_are_listed_and_run(tmp_path: Path) -> None:
    listed = invoke("--help").stdout
    assert all(name in listed for name in ("ensure", "plan", "catalog", "demo", "migrate"))
    catalog = tmp_path / "none.json"
    assert "cannot be read" in invoke("catalog", "check", str(catalog)).output
    assert "cannot be read" in invoke("migrate", str(catalog)).output


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("catalog", "worker"),
        ("demo", "demo"),
        ("flower", "monitor"),
        ("migrate", "worker"),
        ("serve", "http"),
        ("worker", "worker"),
    ],
)
def test_a_command_without_its_extra_says_what_to_install(
    name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = EntryPoint(name, "no_such_package.commands:app", extras.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda **query: EntryPoints([absent]).select(**query))
    assert f"pip install '.[{extra}]'" in invoke("--help").stdout
    for arguments in ([], ["check", "file.json", "--json"]):
        result = invoke(name, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.splitlines() == [
            f"phoenix-lxc {name} needs more than is installed here. From a checkout: pip install '.[{extra}]'"
        ]


def test_a_command_that_nobody_plugged_in_is_unknown() -> None:
    result = invoke("teleport")
    assert result.exit_code == 2
    assert "No such command" in result.stderr
