"""Redis under Sentinels: whoever needs it goes to the master that they name, through any number of failovers."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import pytest
from redis import RedisError

from phoenix_producer import Producer, Unreachable
from phoenix_producer.http.tokens import Role
from tests.support.cli import COMMAND
from tests.support.flower import Flower
from tests.support.http_door import serving
from tests.support.product import container, template
from tests.support.sentinels import MASTER, PASSWORD, SENTINEL_PASSWORD, Sentinels
from tests.support.tls import TlsFront
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phoenix_producer import EnsureResult
    from tests.support.product import Product
    from tests.support.worker import StartWorker

COUNT, DEATHS, LONG = 20, 5, 600.0
TEMPLATES = (900, 901, 902, 903)
BEHIND_TLS = "127.0.0.2"

pytestmark = pytest.mark.crash


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with Sentinels(tmp_path / "sentinels") as running:
        yield running


@pytest.fixture
def url(sentinels: Sentinels) -> str:
    secret = quote(SENTINEL_PASSWORD, safe="")
    return f"sentinel://:{quote(PASSWORD, safe='')}@{sentinels.hosts}/{MASTER}/0?sentinel_password={secret}"


def test_worker_producer_command_check_and_flower_follow_the_master(
    product: Product, sentinels: Sentinels, url: str, tmp_path: Path
) -> None:
    """They are started, the master dies, and each goes on by itself."""
    product.declare({900: template(), 103: container(103), 104: container(104), 105: container(105)})
    product.simulator.add_template(900)
    environ = product.environ(PHOENIX_REDIS_URL=url)
    worker = product.start_worker(PHOENIX_REDIS_URL=url)
    with Producer(url) as producer, Flower(tmp_path, url) as flower:
        assert producer.ensure(103).wait(timeout=60).outcome == "created"
        product.simulator.pve.ct_secs["clone"] = LONG
        under_way = producer.ensure(104)
        wait_for(lambda: len(product.simulator.intervals("vzclone")) == 2)
        sentinels.kill_master()
        product.simulator.do(product.simulator.pve.hurry)
        product.simulator.pve.ct_secs["clone"] = 0.1
        assert under_way.wait(timeout=60).outcome == "created"
        shown = wait_for(lambda: flower.get("workers?refresh=1")["w1@test"].get("stats"))
        assert shown["broker"]["hostname"] == "127.0.0.1"
        assert not {PASSWORD, SENTINEL_PASSWORD} & set(re.findall(r"'([^']+)'", str(shown)))
        asked = str(flower.post("task/async-apply/phoenix.ensure", args=[105])["task-id"])
        wait_for(lambda: product.status(105) == "running")
    told = subprocess.run(
        [COMMAND, "jobs", "show", asked], check=False, capture_output=True, text=True, timeout=180,
        env={"PATH": os.environ["PATH"], "PHOENIX_REDIS_URL": url, "COLUMNS": "200"},
    )  # fmt: skip
    assert (told.returncode, asked in told.stdout) == (0, True), told.stderr
    checked = subprocess.run(
        [COMMAND, "check"], check=False, capture_output=True, text=True, timeout=180,
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **environ},
    )  # fmt: skip
    assert f"sentinel://:**@{sentinels.hosts}/{MASTER}/0 answers" in checked.stdout
    assert PASSWORD not in checked.stdout + worker.log()
    assert quote(PASSWORD, safe="") not in checked.stdout + worker.log()
    assert SENTINEL_PASSWORD not in checked.stdout + worker.log()
    assert "Traceback" not in worker.log()
    assert "<redis." not in worker.log(), "no object of redis-py is told to people"


@pytest.mark.long
def test_worker_producer_command_http_and_flower_follow_the_master_over_tls(
    product: Product, sentinels: Sentinels, tmp_path: Path
) -> None:
    """The servers here have none built in: each stands behind a front, at its port of another loopback address."""
    product.declare({900: template(), 103: container(103), 104: container(104), 105: container(105)})
    product.simulator.add_template(900)
    with ExitStack() as stack:
        port, *others = sentinels.ports
        front = stack.enter_context(TlsFront(port, BEHIND_TLS))
        for port in others:
            stack.enter_context(TlsFront(port, BEHIND_TLS, like=front))
        secret = f"sentinel_password={quote(SENTINEL_PASSWORD, safe='')}&ssl_ca_certs={front.ca_file}"
        hosts = sentinels.hosts.replace("127.0.0.1", BEHIND_TLS)
        url = f"sentinels://:{quote(PASSWORD, safe='')}@{hosts}/{MASTER}/0?{secret}"
        worker = product.start_worker(PHOENIX_REDIS_URL=url)
        producer = stack.enter_context(Producer(url))
        flower = stack.enter_context(Flower(tmp_path, url))
        door = stack.enter_context(serving(url, tmp_path)).as_a(Role.OPERATOR)
        assert producer.ensure(103).wait(timeout=60).outcome == "created"
        sentinels.kill_master()
        assert producer.ensure(103).wait(timeout=60).outcome == "unchanged"
        assert door.post("/v1/containers/104/ensure").status == 202
        flower.post("task/async-apply/phoenix.ensure", args=[105])
        wait_for(lambda: [product.status(ctid) for ctid in (104, 105)] == ["running", "running"])
        told = subprocess.run(
            [COMMAND, "ensure", "104"], check=False, capture_output=True, text=True, timeout=180,
            env={"PATH": os.environ["PATH"], "PHOENIX_REDIS_URL": url, "COLUMNS": "200"},
        )  # fmt: skip
        assert (told.returncode, "unchanged" in told.stdout) == (0, True), told.stderr
        assert "Traceback" not in worker.log()


@pytest.mark.long
@pytest.mark.timeout(480)
@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_five_masters_die_and_every_job_ends_with_nothing_made_twice(
    product: Product, sentinels: Sentinels, url: str, start_worker: StartWorker, pool: str
) -> None:
    clones = {ctid: container(ctid, TEMPLATES[ctid % len(TEMPLATES)]) for ctid in range(1000, 1000 + COUNT)}
    product.declare({**{ctid: template(ctid) for ctid in TEMPLATES}, **clones})
    product.simulator.pve.ct_secs |= {"create": 0.3, "clone": 1.0}
    environ = product.environ(PHOENIX_REDIS_URL=url)
    workers = [
        start_worker("phoenix_worker", environ, name=name, concurrency=8, flags=(*QUICK_START, "--pool", pool))
        for name in ("w1", "w2")
    ]
    with Producer(url) as producer:
        requests = {ctid: Request(producer, sentinels, ctid) for ctid in clones}
        for death in range(1, DEATHS + 1):
            wait_for(partial(has_cloned, product, 2 * death), timeout=120)
            sentinels.kill_master()
        results = {ctid: request.result(180) for ctid, request in requests.items()}
        assert {str(one.outcome) for one in results.values()} <= {"created", "updated", "unchanged"}
        assert [product.status(ctid) for ctid in clones] == ["running"] * COUNT
        times = Counter(one.made for kind in ("vzcreate", "vzclone") for one in product.simulator.intervals(kind))
        assert times == dict.fromkeys([*TEMPLATES, *clones], 1), "each once"
        assert not product.simulator.pve.destroyed
        with sentinels.client() as redis:
            wait_for(lambda: not list(redis.scan_iter("phoenix:lock:*")))
            wait_for(lambda: not redis.zcard("phoenix:open"))
        assert Request(producer, sentinels, 1000).result(60).outcome == "unchanged"
    logs = [worker.log() for worker in workers]
    assert not [log[max(0, log.index("Traceback") - 1000) :][:6000] for log in logs if "Traceback" in log]


class Request:
    """Asked until a master has it, and again when that one's place was taken by another that has never heard of it.

    Sentinels of a busy machine change the master when nobody has died. What is gone without that was lost by us.
    """

    def __init__(self, producer: Producer, sentinels: Sentinels, ctid: int) -> None:
        self._producer, self._sentinels, self._ctid, self._id = producer, sentinels, ctid, str(uuid4())
        while not self._asks():
            pass

    def result(self, seconds: float) -> EnsureResult:
        """Wait for it."""
        wait_for(self._has_ended, timeout=seconds)
        return self._handle.wait(timeout=60)

    def _asks(self) -> bool:
        try:
            self._history = self._current()
            self._handle = self._producer.ensure(self._ctid, request_id=self._id)
        except (RedisError, Unreachable):
            return False
        return True

    def _has_ended(self) -> bool:
        if self._handle.done():
            return True
        with suppress(RedisError, Unreachable), self._sentinels.client() as redis:
            if not redis.exists(f"phoenix:job:{self._id}") and self._current() != self._history:
                self._asks()
        return False

    def _current(self) -> str:
        with self._sentinels.client() as redis:
            return str(redis.info("replication")["master_replid"])


def has_cloned(product: Product, count: int) -> bool:
    """Whether so many clones have ended."""
    return sum(one.end is not None for one in product.simulator.intervals("vzclone")) >= count
