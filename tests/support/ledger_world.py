"""Everything that may happen to a ledger: publish, hold, wait, replace, land, die, tick and finish, in any order.

The model is small on purpose: who is where, in the words of the protocol. What must be true after each step is said in
`tests/integration/test_ledger_machine.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
)

from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.ledger import Bell, Ledger
from phoenix_worker.durable.run import Answer, Run

if TYPE_CHECKING:
    from redis import Redis

QUEUE = "phoenix.q"
LOCKS = ("a", "b", "c")
CAPACITY = {"a": 1, "b": 1, "c": 2}
TTL = 3.0
WORDS = {"hold", "wait", "sleep", "intend", "join"}


def entry(job: str, name: str = "t", seq: str = "") -> str:
    message = {"body": "", "headers": "", "reply": "", "name": name, "subject": ""}
    return json.dumps(message | {"job": job, "seq": seq, "queue": QUEUE})


class LedgerWorld(RuleBasedStateMachine):
    """Workers that take messages, run tasks of random behavior, and die at any moment."""

    client: Redis

    runs = Bundle("runs")

    @initialize()
    def begin(self) -> None:
        self.client.flushall()
        self.clock = 1000.0
        self.queue: list[tuple[str, int]] = []  # messages under way: task id, generation
        self.generation: dict[str, int] = {}
        self.ledger = Ledger(self.client, self.ring, clock="1000")
        self.worker_of: dict[str, str] = {}
        self.dead: set[str] = set()
        self.born = 0
        self.asked = 0
        self.finished: list[str] = []
        self.cancelled: set[str] = set()
        self.granted: dict[str, list[tuple[int, str]]] = {name: [] for name in LOCKS}
        self.children: dict[str, str] = {}

    # --- the world

    def ring(self, bells: list[Bell]) -> None:
        for bell in bells:
            self.queue.append((bell.id, int(self.field(bell.id, "gen"))))
            self.client.lpush(bell.queue, bell.id)

    def field(self, task_id: str, name: str) -> str:
        value = self.client.hget(f"phoenix:t:{task_id}", name)
        return "" if value is None else str(value)

    def tell(self, script: str, run: Run, *args: str | float) -> list[Any]:
        condemned = self.field(run.id, "fail") or self.client.hget(f"phoenix:job:{run.job}", "cancel")
        reply = self.ledger.call(script, run.id, run.number, *args)
        if condemned and script in WORDS and not self.field(run.id, "unwinds"):
            assert reply[0] in {"condemned", "stale"}, f"{script} of a condemned run was heard"
        if self.worker_of[run_key(run)] in self.dead and self.field(run.id, "run") != run.number.partition("/")[0]:
            assert reply[0] == "stale", f"{script} of a dead run was accepted"
        return reply

    @property
    def worker(self) -> str:
        return f"w{self.born}"

    # --- requests

    @rule(lost=st.booleans())
    def ask(self, lost: bool) -> None:
        """A producer records a request; its message may get lost before it is sent."""
        self.asked += 1
        job = f"j{self.asked}"
        self.ledger.call("record", job, 0, entry(job))
        if not lost:
            self.queue.append((job, 0))
            self.client.lpush(QUEUE, job)

    @rule(target=runs, how_many=st.integers(1, 3))
    def arrive(self, how_many: int) -> Any:
        """Requests come in and everything that is queued is taken: the usual case, so that the others happen to it."""
        for _ in range(how_many):
            self.ask(lost=False)
        return self.take_all()

    @rule(target=runs, seconds=st.sampled_from([1.0, 4.0, 70.0]))
    def crash(self, seconds: float) -> Any:
        """The worker is killed, time passes, another takes what comes back; the dead runs may still say something."""
        self.die()
        self.tick(seconds)
        return self.take_all()

    @rule(target=runs)
    def take_all(self) -> Any:
        claimed = [run for message in list(self.queue) if (run := self.take(message)) is not None]
        return multiple(*claimed)

    def take(self, message: tuple[str, int]) -> Run | None:
        self.queue.remove(message)
        self.client.rpop(QUEUE) or self.client.rpop(RESUME_QUEUE)
        claimed = self.ledger.claim(*message, self.worker, lambda: "")
        if isinstance(claimed, str):
            return None
        self.worker_of[run_key(claimed)] = self.worker
        return claimed

    @precondition(lambda self: self.queue)
    @rule(pick=st.integers(0, 50), twice=st.booleans(), target=runs)
    def claim(self, pick: int, twice: bool) -> Any:
        """A worker takes a message, perhaps out of order, perhaps one that is delivered twice."""
        message = self.queue[pick % len(self.queue)]
        if not twice:
            self.queue.remove(message)
            self.client.rpop(QUEUE) or self.client.rpop(RESUME_QUEUE)
        before = self.field(message[0], "state")
        claimed = self.ledger.claim(*message, self.worker, lambda: "")
        if isinstance(claimed, str):
            assert before != "queued" or int(self.field(message[0], "gen")) != message[1]
            return multiple()
        assert before == "queued", f"claimed a task that was {before}"
        self.worker_of[run_key(claimed)] = self.worker
        return claimed

    @precondition(lambda self: self.queue)
    @rule(pick=st.integers(0, 50))
    def lose(self, pick: int) -> None:
        """A message gets lost on its way."""
        self.queue.pop(pick % len(self.queue))
        self.client.rpop(QUEUE) or self.client.rpop(RESUME_QUEUE)

    # --- what a run says

    @rule(run=runs, name=st.sampled_from(LOCKS), departing=st.booleans())
    def hold(self, run: Run, name: str, departing: bool) -> None:
        if self.breaks_tree_order(run, name):
            return
        reply = self.tell("hold", run, "", RESUME_QUEUE, name, CAPACITY[name], "1" if departing else "")
        if reply[0] == "held":
            assert name in self.field(run.id, "holds").split()

    @rule(run=runs, number=st.integers(1, 3))
    def wait(self, run: Run, number: int) -> None:
        self.tell("wait", run, "", f"e{number}", "", "", 0)

    @rule(number=st.integers(1, 3))
    def resolve(self, number: int) -> None:
        self.ledger.resolve(f"e{number}", number)

    @rule(run=runs)
    def sleep(self, run: Run) -> None:
        self.tell("sleep", run, "", 1, 5)

    @rule(run=runs)
    def retry(self, run: Run) -> None:
        self.tell("retry", run, "", 2, "busy")

    @rule(run=runs, blamed=st.booleans())
    def requeue(self, run: Run, blamed: bool) -> None:
        self.tell("requeue", run, 1, *((1000, "{}") if blamed else ()))

    @rule(run=runs, reads=st.sampled_from(["", '{"r": "1"}']))
    def journal(self, run: Run, reads: str) -> None:
        if self.tell("intend", run, reads, "s")[0] != "stale":
            self.tell("journal", run, "", "s", "1", "")

    @rule(run=runs)
    def forget(self, run: Run) -> None:
        self.tell("forget", run, "", "s")

    @rule(run=runs, name=st.sampled_from(LOCKS))
    def release(self, run: Run, name: str) -> None:
        if self.tell("release", run, "", RESUME_QUEUE, name)[0] == "released":
            assert name not in self.field(run.id, "holds").split()

    @rule(run=runs)
    def unwind(self, run: Run) -> None:
        """What is condemned may say words again, to wait for the end of what it has half done."""
        self.tell("unwind", run, "")
        self.tell("wait", run, "", "e1", "", "", 0)

    @rule(run=runs, lost=st.booleans(), alone=st.booleans())
    def replace(self, run: Run, lost: bool, alone: bool) -> None:
        """The run is replaced by a chain of a first child and itself, or by itself alone."""
        generation = int(self.field(run.id, "gen") or 0)
        child = run.id if alone else f"{run.id}.{generation}"
        if generation > 3 or child.count(".") > 3:
            return
        child_generation = generation + 1 if alone else generation
        entered = entry(run.job, seq=run.seq)
        if self.tell("replace", run, child, child_generation, entered)[0] == "replaced":
            if not alone:
                self.children[child] = run.id
            if not lost:
                self.queue.append((child, child_generation))
                self.client.lpush(QUEUE, child)

    @rule(run=runs, lost=st.booleans(), ends=st.booleans())
    def land(self, run: Run, lost: bool, ends: bool) -> None:
        """A link of a chain is done: the link that stood for its parent follows."""
        parent = self.children.get(run.id)
        if parent is None:
            return
        generation = int(self.field(parent, "gen")) + 1 if self.field(parent, "state") == "replaced" else 0
        if not generation:
            return
        reply = self.tell(
            "land", run, parent, generation, entry(run.job, seq=run.seq), "1", RESUME_QUEUE if ends else ""
        )
        if reply[0] == "landed" and not lost:
            self.queue.append((parent, generation))
            self.client.lpush(QUEUE, parent)

    @rule(run=runs, what=st.sampled_from(["x", "y"]), plain=st.booleans())
    def join(self, run: Run, what: str, plain: bool) -> None:
        """A request shares the run of an earlier one for the same, if that has not begun to look."""
        if run.id != run.job or self.field(run.id, "holds"):
            return
        if self.tell("join", run, "", what, "1" if plain else "", "")[0] == "parked":
            assert self.field(run.id, "follows") not in {run.id, *self.cancelled}

    @rule(target=runs, what=st.sampled_from(["x", "y"]), leader_too=st.booleans(), plain=st.booleans())
    def share_and_regret(self, what: str, leader_too: bool, plain: bool) -> Any:
        """Two requests for the same come in, and one or both are cancelled."""
        self.ask(lost=False)
        self.ask(lost=False)
        pair = [run for message in self.queue[-2:] if (run := self.take(message)) is not None]
        for run in pair:
            self.join(run, what, plain)
        for number in range(self.asked - 1 - leader_too, self.asked):
            self.cancel(number)
        return multiple(*pair, *filter(None, map(self.take, list(self.queue))))

    @precondition(lambda self: self.asked)
    @rule(number=st.integers(0, 30))
    def cancel(self, number: int) -> None:
        task_id = f"j{number % self.asked + 1}"
        verdict, job = self.ledger.cancel(task_id, {"message": "m", "cause": "cancelled", "remedy": "r"})
        if verdict == "cancelled":
            self.cancelled.add(job)

    @rule(run=consumes(runs), verdict=st.sampled_from(["ok", "ok", "failed", "cancelled"]))
    def finish(self, run: Run, verdict: str) -> None:
        ok = verdict == "ok"
        if ok and run.id in self.children and not self.field(run.id, "landed"):
            return  # Celery publishes the successor before a link ends
        state = self.field(run.id, "state")
        run.answer = Answer(f"result-{run.id}", f"{verdict} of {run.id} in {run.job}", 0)
        self.ledger.finish(run, verdict, {"message": "m", "cause": "c", "remedy": "r"})
        if state == "running" and self.field(run.id, "state") == "done":
            self.finished.append(run.id)

    @rule(target=runs, twice=st.booleans())
    def ask_plainly(self, twice: bool) -> Any:
        """A request of a sender that knows no ledger is recorded at its first claim, and only then."""
        self.asked += 1
        job = f"j{self.asked}"
        claimed = [self.ledger.claim(job, 0, self.worker, lambda: entry(job)) for _ in range(1 + twice)]
        run, *others = claimed
        assert isinstance(run, Run)
        assert all(isinstance(other, str) for other in others)
        self.worker_of[run_key(run)] = self.worker
        return run

    # --- time

    @rule(run=runs)
    def lose_child(self, run: Run) -> None:
        """A child process dies with a run; if it does not know it, its task is run elsewhere."""
        self.ledger.call("lose", run.id, self.worker_of[run_key(run)], 1000, "{}", 6, 1)

    @rule()
    def leave(self) -> None:
        """A worker ends in order; what it still ran is due at once."""
        self.ledger.call("farewell", self.worker, 6)
        self.die()

    @rule()
    def die(self) -> None:
        """The worker is killed: another starts; what it ran comes back after the TTL."""
        self.dead.add(self.worker)
        self.born += 1

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 70.0]))
    def tick(self, seconds: float) -> None:
        self.clock += seconds
        self.ledger.clock = str(self.clock)
        self.pass_time(self.worker)

    def pass_time(self, worker: str) -> None:
        _, _, _, given, *_ = self.ledger.call("tick", worker, TTL, RESUME_QUEUE, 1000, "{}")
        for task_id, verdict, *_ in given:
            assert self.field(task_id, "state") == "done"
            assert self.client.get(f"result-{task_id}") == f"{verdict} of {task_id} in {task_id}"
            self.finished.append(task_id)

    def breaks_tree_order(self, run: Run, name: str) -> bool:
        """The product takes locks in a tree order; so does the model, for the members of a job together."""
        held = [
            lock
            for member in self.client.smembers(f"phoenix:job:{run.job}:members")
            for lock in self.field(str(member), "holds").split()
        ]
        return any(name <= lock for lock in held if name not in self.field(run.id, "holds").split())


def run_key(run: Run) -> str:
    return f"{run.id}/{run.number}"
