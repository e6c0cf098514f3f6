"""How far a look at many CTIDs is, on a terminal; nothing elsewhere."""

from __future__ import annotations

import pytest

from phoenix_producer.cli.look_bar import LookBar
from phoenix_producer.contract import Progress, ProgressKind


def ended(kind: ProgressKind = ProgressKind.DONE) -> Progress:
    return Progress(at=1.0, kind=kind, job="j")


def stderr_is(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
    """Colors that are asked for make no terminal of a pipe."""
    monkeypatch.setenv("FORCE_COLOR", "" if terminal else "1")
    monkeypatch.delenv("TERM", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)


@pytest.mark.parametrize("terminal", [True, False])
def test_it_counts_what_has_ended(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stderr_is(monkeypatch, terminal=terminal)
    with LookBar(40) as bar:
        for kind in (ProgressKind.DONE, ProgressKind.FAILED, ProgressKind.STEP_STARTED):
            bar.show(ended(kind))
        bar.tell("a warning")
    out, err = capsys.readouterr()
    assert (out, "2/40" in err) == ("", terminal)
    assert "a warning" in err


def test_a_few_need_no_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stderr_is(monkeypatch, terminal=True)
    with LookBar() as bar:
        bar.is_at(1, 3)
    assert capsys.readouterr() == ("", "")
