"""How often a token may ask: as often in each second, whatever the machine's clock says."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from phoenix_producer.http import rates
from phoenix_producer.http.problems import Refused
from phoenix_producer.http.rates import Rates
from phoenix_producer.http.tokens import Role, Token

BUSY, OTHER = (Token(name=name, role=Role.VIEWER) for name in ("busy", "other"))


class Clocks:
    """That of the machine, and that which nobody sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.ahead = 1000.0, 0.0
        monkeypatch.setattr(time, "time", lambda: 1_760_000_000.0 + self.now + self.ahead)
        monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: self.now, time=time.time))


@pytest.mark.parametrize("step", [0.0, 3600.0, -3600.0])
def test_who_has_asked_too_often_may_ask_again_a_second_later(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    clocks, counted = Clocks(monkeypatch), Rates(2)
    for _ in range(3):
        counted.count(BUSY)
        clocks.now += 0.1
        counted.count(BUSY)
        clocks.ahead += step
        with pytest.raises(Refused) as refused:
            counted.count(BUSY)
        assert refused.value.headers["Retry-After"] == "1"
        counted.count(OTHER)
        clocks.now += 0.95
        counted.count(BUSY)
        with pytest.raises(Refused):
            counted.count(BUSY)
        clocks.now += 1.0
