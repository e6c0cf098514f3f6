"""What cannot be taken back is shown and confirmed before it is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from phoenix_producer.cli import upkeep_commands
from phoenix_producer.cli.phoenix_lxc import app
from phoenix_producer.contract import ADOPT, DESTROY, REBUILD, Outcome
from phoenix_producer.standing import Exists, Standing
from phoenix_producer.testing import RecordingProducer
from tests.support.recorded_commands import have_commands_use

LINE = "destroy CT {ctid} on pve: container 'ct{ctid}', with its disks"


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> RecordingProducer:
    producer = RecordingProducer()
    have_commands_use(producer, monkeypatch)
    for ctid in (103, 104):
        producer.succeeds(ctid, Outcome.DESTROYED, of=DESTROY, plan=(LINE.format(ctid=ctid),), warnings=("Mind it.",))
    producer.succeeds(105, Outcome.UNCHANGED, of=DESTROY)
    producer.fails(106, "CT 106 is not ours.", cause="not-ours", of=DESTROY)
    return producer


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_commands, "somebody_is_there", lambda: True)


def invoke(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=typed)


def asked(producer: RecordingProducer) -> list[tuple[int | None, bool]]:
    return [(one.ctid, "dry_run" not in one.options) for one in producer.requests]


def test_without_a_terminal_it_takes_yes(producer: RecordingProducer) -> None:
    refused = invoke("destroy", "103")
    assert (refused.exit_code, refused.stdout, producer.requests) == (2, "", ())
    assert "Add --yes to confirm." in refused.stderr
    done = invoke("destroy", "103", "104", "103", "--yes")
    assert (done.exit_code, asked(producer)) == (0, [(103, True), (104, True)])
    assert "103  destroyed on pve\n" in done.stdout


@pytest.mark.usefixtures("person")
def test_on_a_terminal_the_ctid_is_typed(producer: RecordingProducer) -> None:
    done = invoke("destroy", "103", "104", "105", typed="103\n104\n")
    assert (done.exit_code, asked(producer)) == (0, [(103, False), (104, False), (105, False), *_all_three()])
    assert f"would {LINE.format(ctid=103)}\nWarning: Mind it.\nType 103 to destroy it:" in done.stderr
    assert "105  absent on pve; nothing to destroy" in done.stdout


def _all_three() -> list[tuple[int, bool]]:
    return [(103, True), (104, True), (105, True)]


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize("typed", ["103\nyes\n", "y\n", "\n\n\n104\n"])
def test_anything_else_typed_begins_nothing(producer: RecordingProducer, typed: str) -> None:
    refused = invoke("destroy", "103", "104", typed=typed)
    assert refused.exit_code == 2
    assert refused.stderr.endswith("Not confirmed. Nothing was begun.\n")
    assert not any(for_real for _, for_real in asked(producer))


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(("why", "code"), [(KeyboardInterrupt, 130), (EOFError, 2)])
@pytest.mark.parametrize("command", ["destroy 103", "adopt 900"])
def test_ctrl_c_at_the_question_begins_nothing(
    adoptable: RecordingProducer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    why: type[BaseException],
    code: int,
    command: str,
) -> None:
    def interrupted(*_: object) -> str:
        raise why

    monkeypatch.setattr("typer._click.termui.visible_prompt_func", interrupted)
    with pytest.raises(SystemExit) as ended:  # CliRunner has a prompt of its own
        app(command.split())
    assert ended.value.code == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("\nNot confirmed. Nothing was begun.\n")
    assert not any(for_real for _, for_real in asked(adoptable))


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(("ctids", "code"), [(["105"], 0), (["103", "106"], 1)])
def test_nobody_is_asked_when_nothing_would_be_done_or_one_is_refused(
    producer: RecordingProducer, ctids: list[str], code: int
) -> None:
    told = invoke("destroy", *ctids)
    assert told.exit_code == code
    assert "Type" not in told.stderr
    assert not any(for_real for _, for_real in asked(producer))


def test_a_dry_run_asks_nobody_and_is_json_on_request(producer: RecordingProducer) -> None:
    told = invoke("destroy", "103", "--dry-run", "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout)[0]["plan"] == [LINE.format(ctid=103)]
    assert asked(producer) == [(103, False)]


def test_a_rebuild_needs_no_confirmation(producer: RecordingProducer) -> None:
    producer.succeeds(900, Outcome.REBUILT, of=REBUILD, templates_built=(900,))
    done = invoke("rebuild", "900", "--accept-not-applied")
    assert (done.exit_code, done.stdout.splitlines()[-2:]) == (
        0,
        ["900  rebuilt on pve", "     template 900 was built"],
    )
    assert producer.requests[-1].options == {"accept_not_applied": True}
    assert invoke("rebuild", "900", "--dry-run", "--json").exit_code == 0
    assert producer.requests[-1].options == {"dry_run": True}


def test_rebuilds_that_are_asked_for_together_know_of_each_other(producer: RecordingProducer) -> None:
    for ctid in (900, 901):
        producer.succeeds(ctid, Outcome.REBUILT, of=REBUILD)
    assert invoke("rebuild", "901", "900", "901").exit_code == 0
    ids = {str(one.ctid): one.id for one in producer.requests}
    assert [one.ctid for one in producer.requests] == [901, 900]
    assert [one.options for one in producer.requests] == [{"together": ids}] * 2


def standing(ctid: int, exists: Exists) -> Standing:
    return Standing(ctid=ctid, name=f"ct{ctid}", role="container", state="running", node="pve", exists=exists)


@pytest.fixture
def adoptable(producer: RecordingProducer) -> RecordingProducer:
    producer.stands(standing(900, Exists.NOT_OURS), standing(901, Exists.NOT_OURS), standing(103, Exists.ABSENT))
    producer.succeeds(900, Outcome.ADOPTED, of=ADOPT, plan=("mark CT 900",))
    producer.fails(901, "It may serve somebody.", cause="is-a-service", of=ADOPT)
    return producer


def adoptions(producer: RecordingProducer) -> list[tuple[int | None, dict[str, Any]]]:
    return [(one.ctid, one.options) for one in producer.requests if one.name == ADOPT]


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(("typed", "code"), [("y\n", 1), ("n\n", 2), ("\n", 2)])
def test_adopting_all_shows_its_plan_and_asks_once(adoptable: RecordingProducer, typed: str, code: int) -> None:
    told = invoke("adopt", "--all", typed=typed)
    assert told.exit_code == code
    assert "900  would be adopted on pve\n     would mark CT 900\nAdopt 900? [y/N]" in told.stderr
    looks = [(900, {"dry_run": True}), (901, {"dry_run": True})]
    assert adoptions(adoptable) == [*looks, *([(900, {})] if code == 1 else [])]
    assert ("900  adopted on pve" in told.stdout) is ("It may serve somebody." in told.stderr) is (code == 1)


def test_what_is_ours_already_is_not_told_as_if_it_were_a_dry_run(adoptable: RecordingProducer) -> None:
    adoptable.succeeds(103, Outcome.UNCHANGED, of=ADOPT)
    assert "103  unchanged on pve\n" in invoke("adopt", "103", "900", "--yes").stdout
    assert "103  unchanged on pve\n" in invoke("adopt", "103", "--yes").stdout
    assert "103  would stay unchanged" in invoke("adopt", "103", "--dry-run").stdout


def test_to_be_sealed_by_name_it_has_to_be_among_them(adoptable: RecordingProducer) -> None:
    assert invoke("adopt", "900", "--seal", "901", "--yes").exit_code == 2
    assert adoptions(adoptable) == []
    assert invoke("adopt", "900", "--seal", "900", "--yes").exit_code == 0
    assert adoptions(adoptable) == [(900, {"seal": True, "dry_run": True}), (900, {"seal": True})]


@pytest.mark.parametrize("wrong", [[], ["900", "--all"], ["900"]])
def test_without_terminal_or_ctids_nothing_is_asked(adoptable: RecordingProducer, wrong: list[str]) -> None:
    assert invoke("adopt", *wrong).exit_code == 2
    assert adoptable.requests == ()
