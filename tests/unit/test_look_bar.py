"""How far a look at many CTIDs is, on a terminal; nothing elsewhere."""

from __future__ import annotations

import pytest

from phoenix_producer.cli.look_bar import LookBar
from phoenix_producer.contract import Progress, ProgressKind


def ended(kind: ProgressKind = ProgressKind.DONE) -> Progress:
    return Progress(at=1.0, kind=kind, job="j")


@pytest.fixture(params=[True, False])
def is_terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    if request.param:
        monkeypatch.setenv("FORCE_COLOR", "1")
    return bool(request.param)


def test_it_counts_what_has_ended(is_terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with LookBar(40) as bar:
        for kind in (ProgressKind.DONE, ProgressKind.FAILED, ProgressKind.STEP_STARTED):
            bar.show(ended(kind))
        bar.tell("a warning")
    out, err = capsys.readouterr()
    assert (out, "2/40" in err) == ("", is_terminal)
    assert "a warning" in err


def test_a_few_need_no_bar(is_terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with LookBar() as bar:
        bar.is_at(1, 3)
    assert capsys.readouterr() == ("", ""), is_terminal
