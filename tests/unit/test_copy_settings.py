"""The CTIDs of template copies in the settings."""

from __future__ import annotations

import pytest

from phoenix_worker.settings import SettingsError, load_settings
from phoenix_worker.settings.defaults import defaults_of
from tests.unit.test_settings import folder, needed

__all__ = ["folder", "needed"]


@pytest.mark.usefixtures("needed")
def test_ctids_of_copies_are_no_scratch_ctids(monkeypatch: pytest.MonkeyPatch) -> None:
    assert defaults_of(load_settings()).copies is None
    monkeypatch.setenv("PHOENIX_SCRATCH_CTIDS", "9000-9099")
    monkeypatch.setenv("PHOENIX_COPY_CTIDS", "9100-9199")
    assert defaults_of(load_settings()).copies == range(9100, 9200)
    monkeypatch.setenv("PHOENIX_COPY_CTIDS", "9099-9199")
    with pytest.raises(SettingsError, match=r"PHOENIX_COPY_CTIDS \(9099-9199\) and PHOENIX_SCRATCH_CTIDS .* overlap"):
        load_settings()
    monkeypatch.setenv("PHOENIX_COPY_CTIDS", "0900-0999")
    with pytest.raises(SettingsError, match="PHOENIX_COPY_CTIDS: is not a range of CTIDs"):
        load_settings()
