"""`phoenix-lxc jobs`, `locks`, `status` and `cancel`, without the product's workers."""

from __future__ import annotations

import json
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from phoenix_producer.cli.phoenix_lxc import app
from phoenix_producer.contract import Change, EnsureFailed, EnsureResult, Failure, Outcome
from tests.support.driven_ledger import UPID, DrivenLedger

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis
    from typer.testing import Result

    from phoenix_worker.durable.run import Run

NOBODYS_ID = "5b0e2f0a-9a3e-4d6b-8a69-0d0c54a3c002"
NOBODY = "redis://:s3cret@127.0.0.1:1/0"


@pytest.fixture
def cli(redis_url: str) -> Callable[..., Result]:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--redis-url", redis_url, *arguments])

    return invoke


@pytest.fixture
def answered(answering_url: str) -> Callable[..., Result]:
    """The command line in front of workers that answer."""

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--redis-url", answering_url, *arguments])

    return invoke


def lane_scene(driven: DrivenLedger) -> list[Run]:
    """101 is cloned, 102 waits for the lane, 103 for a Proxmox task, 104 sleeps, 105 tries again, 106 waits for 101."""
    runs = [driven.taken(ctid) for ctid in range(101, 107)]
    driven.hold(runs[0], "ct/900")
    driven.hold(runs[1], "ct/900")
    driven.wait(runs[2], f"upid/{UPID}", "Proxmox: clone template 900 to CT 103 on pve1")
    driven.say("sleep", runs[3], "", 1, 50)
    driven.say("retry", runs[4], "", 50, "CT is locked (backup).")
    driven.wait(runs[5], f"job/{runs[0].id}", "CT 101, on which CT 106 depends")
    return runs


def stored(redis: Redis, job_id: str, status: str, result: Any) -> None:
    redis.set(f"celery-task-meta-{job_id}", json.dumps({"status": status, "task_id": job_id, "result": result}))


# --- jobs


def test_each_open_job_is_one_line(cli: Callable[..., Result], driven: DrivenLedger) -> None:
    runs = lane_scene(driven)
    result = cli("jobs")
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["JOB", "WHAT", "STATE", "STEP", "SINCE", "REQUESTER", "WAITS", "FOR"]
    assert [line.split()[0] for line in lines] == [run.id[:8] for run in runs]
    assert [line.split()[1:4] for line in lines][:2] == [["ensure", "101", "running"], ["ensure", "102", "waiting"]]
    assert all("the tests" in line for line in lines)
    waits = [line.partition("the tests")[2].strip() for line in lines]
    assert waits[:3] == [
        "",
        "its turn at template 900 (next): held by ensure 101",
        f"Proxmox: clone template 900 to CT 103 on pve1 {UPID}",
    ]
    assert waits[3].startswith("resumes at ")
    assert waits[4].startswith("tries again at ")
    assert waits[4].endswith(": CT is locked (backup).")
    assert waits[5] == f"CT 101, on which CT 106 depends (ensure 101, job {runs[0].id[:8]})"


def test_ended_jobs_are_listed_with_all(cli: Callable[..., Result], driven: DrivenLedger) -> None:
    assert cli("jobs", "--all").stdout == "No jobs were found.\n"
    driven.ended(driven.taken(103))
    assert cli("jobs", "--ctid", "103").stdout == (
        "No jobs are under way. Add --all for those that ended in the last week.\n"
    )
    assert cli("jobs", "--state", "failed").stdout == "No jobs were found.\n"
    assert "ensure 103  done" in cli("jobs", "--all").stdout


def test_ended_jobs_that_only_looked_are_listed_when_asked_for(
    cli: Callable[..., Result], driven: DrivenLedger, redis_client: Redis
) -> None:
    def listed(*options: str) -> list[str]:
        return [one["what"] for one in json.loads(cli("jobs", *options, "--json").stdout)]

    ended, failed, under_way, made = (driven.taken(ctid) for ctid in (103, 104, 105, 106))
    for run in (ended, failed, under_way):
        redis_client.hset(f"phoenix:job:{run.id}", "name", "phoenix.plan")
    driven.ended(ended)
    driven.ledger.finish(failed, "failed", {"cause": "not-ours", "message": ""})
    driven.ended(made)
    assert listed("--all") == ["plan 105", "ensure 106"]
    assert listed("--all", "--looks") == ["plan 103", "plan 104", "plan 105", "ensure 106"]
    assert listed("--cause", "not-ours") == ["plan 104"], "one that is asked for by its end is there"


def test_ended_jobs_are_listed_with_their_outcome_and_cause(cli: Callable[..., Result], driven: DrivenLedger) -> None:
    made, failed, _open = driven.taken(103), driven.taken(104), driven.taken(105)
    driven.ledger.finish(made, "ok", {"outcome": "created"})
    driven.ledger.finish(failed, "failed", {"cause": "not-ours", "message": "It is not ours."})
    head, *lines = cli("jobs", "--all").stdout.splitlines()
    assert head.split()[:6] == ["JOB", "WHAT", "STATE", "OUTCOME", "TOOK", "STEP"]
    told = {line.split()[2]: line.split()[3:5] for line in lines}
    assert (told["103"], told["104"], told["105"][0]) == (["done", "created"], ["failed", "not-ours"], "running")
    assert [one["cause"] for one in json.loads(cli("jobs", "--all", "--json").stdout)] == ["", "not-ours", ""]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--ctid", "103"], {"103"}),
        (["--ctid", "1030"], set()),
        (["--all", "--requester", "tests"], {"103", "104", "105"}),
        (["--requester", "nobody"], set()),
        (["--state", "failed"], {"104"}),
        (["--state", "running"], {"103", "105"}),
        (["--cause", "not-ours"], {"104"}),
        (["--cause", "not-ours", "--ctid", "105"], set()),
    ],
)
def test_jobs_are_chosen(
    cli: Callable[..., Result], driven: DrivenLedger, options: list[str], expected: set[str]
) -> None:
    driven.taken(103)
    driven.ledger.finish(driven.taken(104), "failed", {"cause": "not-ours", "message": ""})
    driven.taken(105)
    found = json.loads(cli("jobs", *options, "--json").stdout)
    assert {one["what"].split()[1] for one in found} == expected


def test_a_watch_needs_a_terminal(cli: Callable[..., Result]) -> None:
    result = cli("jobs", "--watch")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "needs a terminal" in result.stderr


def test_jobs_for_programs(cli: Callable[..., Result], driven: DrivenLedger) -> None:
    assert json.loads(cli("jobs", "--json").stdout) == []
    owner, waiter, *_ = lane_scene(driven)
    told = {job["id"]: job for job in json.loads(cli("jobs", "--json").stdout)}
    assert told[waiter.id]["state"] == "waiting"
    assert told[waiter.id]["waits_for"]["owners"] == [{"job": owner.id, "what": "ensure 101"}]
    assert told[owner.id]["waits_for"] is None


def test_show_tells_the_story_of_a_job(cli: Callable[..., Result], driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(103)
    step = {"name": "clone", "ctid": 103, "started": 5.0, "seconds": 2.0, "upid": UPID}
    following = driven.landed(driven.replaced(run, "clone", 103), "verify", 103, step)
    assert "queued since" in cli("jobs", "show", run.id[:8]).stdout
    driven.ended(driven.claim(following), "failed")
    failure = Failure(request_id=run.id, ctid=103, message="It broke.", cause="broken", remedy="Mend it.")
    told = {"exc_type": "EnsureFailed", "exc_message": [EnsureFailed.of(failure).args[0]]}
    stored(redis_client, run.id, "FAILURE", told)
    result = cli("jobs", "show", run.id[:8])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"ensure 103  {run.id}"
    assert lines[1].endswith(" by the tests")
    assert lines[2].strip().startswith("failed at ")
    assert lines[3] == "    +0.000 s  requested"
    assert [line.partition(" s  ")[2] for line in lines[3:-3]] == [
        "requested", "ensure started", "clone started", "clone done", "verify started", "failed",
    ]  # fmt: skip
    assert lines[-3:] == [f"     clone 103 took 2.000 s  {UPID}", "103  failed: It broke.", "     Mend it."]


def test_show_tells_a_result(cli: Callable[..., Result], driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(103)
    driven.ended(run)
    changes = (Change(key="memory", old="512", new="1024"), Change(key="onboot", new="1"))
    told = EnsureResult(
        request_id=run.id, ctid=103, node="pve1", outcome=Outcome.UPDATED, changes=changes, warnings=("Mind it.",)
    )
    stored(redis_client, run.id, "SUCCESS", told.model_dump(mode="json"))
    shown = cli("jobs", "show", run.id)
    assert shown.stdout.endswith("103  updated on pve1\n     memory: 512 → 1024\n     onboot: unset → 1\n")
    assert shown.stderr == "Warning: Mind it.\n"
    document = json.loads(cli("jobs", "show", run.id, "--json").stdout)
    assert (document["state"], document["answer"]["outcome"]) == ("done", "updated")
    assert [entry["kind"] for entry in document["history"]] == ["requested", "step-started", "step-done", "done"]


def test_show_draws_when_the_steps_of_an_ended_job_were_done(cli: Callable[..., Result], driven: DrivenLedger) -> None:
    run = driven.taken(103)
    steps = [
        {"name": name, "ctid": 103, "started": began, "seconds": 1.0, "changes": [], **more}
        for name, began, more in (("clone", 5.0, {"source": 900}), ("configure", 6.0, {}), ("start", 7.0, {}))
    ]
    at = driven.replaced(run, "clone", 103)
    for step, then in zip(steps, ("configure", "start", "verify"), strict=True):
        at = driven.claim(driven.landed(at, then, 103, step))
    assert "█" not in cli("jobs", "show", run.id).stdout, "it has not ended"
    driven.ended(at, "failed")
    bars = [line for line in cli("jobs", "show", run.id).stdout.splitlines() if "█" in line]
    assert [bar.split("█")[0].strip() for bar in bars] == ["clone 900 → 103", "configure 103", "start 103"]
    begins = [bar.find("█") for bar in bars]
    assert begins == sorted(begins)
    assert all(bar.rstrip().endswith("1.0 s") for bar in bars)


def test_show_follows_a_job_to_its_end(answered: Callable[..., Result], release: Callable[[], object]) -> None:
    asked = answered("ensure", "408", "--no-wait", "--json")
    job_id = json.loads(asked.stdout)[0]["request_id"]
    Timer(0.5, release).start()
    shown = answered("jobs", "show", job_id, "--follow")
    assert shown.exit_code == 0
    told = [line.split("  408  ")[1] for line in shown.stdout.splitlines() if "  408  " in line]
    assert (told[0], told[-1]) == ("requested", "done")
    assert "408  created on pve" in shown.stdout
    refused = json.loads(answered("ensure", "404", "--no-wait", "--json").stdout)[0]["request_id"]
    assert answered("jobs", "show", refused, "--follow", "--json").exit_code == 1


def test_a_job_that_nobody_knows(cli: Callable[..., Result]) -> None:
    beginning = cli("jobs", "show", "abc")
    assert (beginning.exit_code, beginning.stdout) == (2, "")
    assert "No job of the last week begins with abc" in beginning.stderr
    whole = cli("jobs", "show", NOBODYS_ID)
    assert (whole.exit_code, whole.stdout) == (1, "")
    assert whole.stderr == f"Job {NOBODYS_ID} is unknown: no such job, or it ended more than a week ago.\n"


# --- locks


def test_locks_are_listed_with_owners_and_queues(cli: Callable[..., Result], driven: DrivenLedger) -> None:
    assert cli("locks").stdout == "No locks are held.\n"
    owner, waiter, *_ = lane_scene(driven)
    driven.hold(owner, "node/pve1", 4)
    head, lane, node = cli("locks").stdout.splitlines()
    assert head.split() == ["LOCK", "TAKEN", "OWNERS", "QUEUE"]
    owned, queued = f"ensure 101 ({owner.id[:8]})", f"ensure 102 ({waiter.id[:8]})"
    assert " ".join(lane.split()) == f"ct/900 1 of 1 {owned} {queued}"
    assert " ".join(node.split()) == f"node/pve1 1 of 4 {owned}"
    told = json.loads(cli("locks", "--json").stdout)
    assert [(lock["name"], lock["capacity"]) for lock in told] == [("ct/900", 1), ("node/pve1", 4)]
    assert told[0]["queue"] == [{"job": waiter.id, "what": "ensure 102"}]


# --- requests


def test_templates_are_shown_with_their_copies(answered: Callable[..., Result]) -> None:
    assert answered("templates").stdout == "900  base  template on pve\n     9155  copy on pve2\n"
    (template,) = json.loads(answered("templates", "--json").stdout)
    assert [copy["ctid"] for copy in template["copies"]] == [9155]


def test_status_is_one_line_for_each_ctid(answered: Callable[..., Result]) -> None:
    result = answered("status")
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["CTID", "NAME", "DECLARED", "NODE", "EXISTS"]
    assert [line.split() for line in lines] == [
        ["101", "ct101", "container,", "running", "pve", "absent"],
        ["103", "ct103", "container,", "running", "pve", "absent"],
    ]
    assert [one["ctid"] for one in json.loads(answered("status", "103", "--json").stdout)] == [103]


def test_a_cancel_that_stops_nothing_says_so(answered: Callable[..., Result]) -> None:
    result = answered("cancel", NOBODYS_ID)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{NOBODYS_ID}  is unknown: no such job, or it ended more than a week ago\n"
    ended = answered("ensure", "103", "--json")
    job_id = json.loads(ended.stdout)[0]["request_id"]
    result = answered("cancel", job_id)
    assert (result.exit_code, result.stderr) == (1, f"{job_id}  has already ended; nothing was changed\n")


def test_several_are_cancelled_only_if_each_is(answered: Callable[..., Result], answering_client: Redis) -> None:
    open_job = NOBODYS_ID.replace("0", "1")
    answering_client.hset(f"phoenix:job:{open_job}", "state", "open")
    result = answered("cancel", NOBODYS_ID, open_job)
    told = f"{open_job}  cancelled; its requester gets a failure with the cause cancelled\n"
    assert (result.exit_code, result.stdout) == (1, told)
    assert result.stderr.startswith(f"{NOBODYS_ID}  is unknown")
    assert answered("cancel", open_job).exit_code == 0


def test_a_cancel_waits_for_a_worker_no_longer_than_asked(cli: Callable[..., Result], driven: DrivenLedger) -> None:
    result = cli("cancel", driven.asked(103), "--timeout", "0.1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "for the cancellation of " in result.stderr


# --- what is wrong


@pytest.mark.parametrize(
    "arguments", [["jobs"], ["locks"], ["jobs", "show", "abc"], ["status"], ["cancel", NOBODYS_ID]]
)
def test_a_redis_that_is_down_is_one_line_without_its_password(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["--redis-url", NOBODY, *arguments])
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "Redis at redis://:**@127.0.0.1:1/0 cannot be used" in result.stderr


@pytest.mark.parametrize("arguments", [["cancel"], ["jobs", "show"], ["status", "5"]])
def test_bad_input_is_exit_code_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["--redis-url", NOBODY, *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
