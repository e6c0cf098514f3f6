"""For the tests of services: a producer without Redis that records requests and gives the answers that a test sets.

producer = RecordingProducer()
producer.succeeds(103)
producer.fails(104, "CTID 104 is not ours.", cause="not-ours")
deploy(producer)
assert [request.ctid for request in producer.requests] == [103, 104]
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING, Any

from phoenix_producer.client.channel import Entry, OtherOptions, used_before
from phoenix_producer.client.producer import Producer
from phoenix_producer.contract import (
    CANCEL,
    CONTAINERS,
    DRAIN,
    DRIFT,
    ENSURE,
    NODES,
    PLAN,
    PLANS,
    STATUS,
    UNDRAIN,
    Cancelled,
    EnsureFailed,
    EnsureResult,
    Failure,
    Outcome,
    ProgressKind,
)
from phoenix_producer.nodes import Drained
from phoenix_producer.plans import Drift, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from phoenix_producer.nodes import Node
    from phoenix_producer.standing import Standing

_CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it would be sent."""

    id: str
    name: str
    """The task, such as `phoenix.ensure`."""
    arguments: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def ctid(self) -> int | None:
        """The CTID that it is about, if it is about one."""
        return self.arguments[0] if self.arguments and isinstance(self.arguments[0], int) else None


class RecordingProducer(Producer):
    """Use it wherever a `Producer` is expected. Requests are checked and handles behave as those of a real one.

    An answer may be set before or after its request, from any thread. A request that has none keeps its
    handle waiting; who waits for longer than `patience` seconds gets an AssertionError instead of a test that hangs.
    """

    def __init__(self, *, requester: str | None = None, patience: float = 5.0) -> None:
        self._memory = _Memory(patience)
        super().__init__(requester=requester, channel=self._memory)

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests so far, in order; a repeated one once."""
        return tuple(self._memory.requests)

    def succeeds(self, ctid: int, outcome: Outcome = Outcome.CREATED, *, of: str = ENSURE, **fields: Any) -> None:
        """Let every ensure of a CTID, asked for or yet to come, end so. `fields` are those of `EnsureResult`.

        `of` is the task of another kind of request, such as `phoenix.destroy`.
        """

        def result(request: Request) -> dict[str, Any]:
            told = {"node": "pve", "dry_run": request.options.get("dry_run", False), **fields}
            ensured = EnsureResult(request_id=request.id, ctid=ctid, outcome=outcome, **told)
            return _success(ensured.model_dump(mode="json"))

        self._memory.answer_to(of, (ctid,), result)

    def fails(
        self,
        ctid: int,
        message: str,
        *,
        cause: str = "unexpected",
        remedy: str = "",
        of: str = ENSURE,
        **fields: Any,
    ) -> None:
        """Let every ensure of a CTID, asked for or yet to come, fail so. `fields` are those of `Failure`.

        `of` is as in `succeeds`.
        """

        def failure(request: Request) -> dict[str, Any]:
            return _failure(
                Failure(request_id=request.id, ctid=ctid, message=message, cause=cause, remedy=remedy, **fields)
            )

        self._memory.answer_to(of, (ctid,), failure)

    def plans(self, ctid: int, *lines: str, **fields: Any) -> None:
        """Let a plan for a CTID have these lines, asked for alone or among others. `fields` are those of `Plan`."""
        plan = Plan(ctid=ctid, lines=lines, **fields).model_dump(mode="json")
        self._memory.answer_to(PLAN, (ctid,), lambda _: _success(plan))

    def declares(self, *ctids: int) -> None:
        """Let the catalog have these containers."""
        self._memory.answer_to(CONTAINERS, (), lambda _: _success(list(ctids)))

    def stands(self, *standings: Standing) -> None:
        """Let these stand; a status names those that it asks for."""
        self._shows(STATUS, standings)

    def drifts(self, *drifts: Drift) -> None:
        """Let these be how what exists differs; a request names those that it asks for."""
        self._shows(DRIFT, drifts)

    def has_nodes(self, *nodes: Node) -> None:
        """Let these be the nodes of the cluster."""
        self._memory.answer_to(NODES, (), lambda _: _success([one.model_dump(mode="json") for one in nodes]))

    def drains(self, node: str, *, drained: bool, changed: bool = True, **fields: Any) -> None:
        """Let this be what a drain of a node, or an undrain, comes to. `fields` are those of `Drained`."""
        told = Drained(node=node, drained=drained, changed=changed, **fields).model_dump(mode="json")
        self._memory.answer_to(DRAIN if drained else UNDRAIN, (node,), lambda _: _success(told))

    def _shows(self, name: str, each: Sequence[Standing] | Sequence[Drift]) -> None:
        def shown(request: Request) -> dict[str, Any]:
            wanted = request.options.get("ctids")
            return _success([one.model_dump(mode="json") for one in each if wanted is None or one.ctid in wanted])

        self._memory.answer_to(name, (), shown)


class _Memory:
    """A channel to nobody: keeps requests, and gives them the answers that were set."""

    def __init__(self, patience: float) -> None:
        self.requests: list[Request] = []
        self._patience = patience
        self._answers: dict[tuple[str, tuple[Any, ...]], Callable[[Request], dict[str, Any]]] = {}
        self._ends: dict[str, dict[str, Any]] = {}
        self._lines: list[Entry] = []
        self._changed = Condition()
        self._last_change = time.monotonic()

    def send(self, name: str, request_id: UUID, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        request = Request(str(request_id), name, tuple(args), dict(kwargs))
        with self._changed:
            known = self._request(request.id)
            if known is not None:
                if (known.name, known.arguments) != (request.name, request.arguments):
                    raise used_before(known.id, " ".join(map(str, (known.name, *known.arguments))))
                if known.options != request.options:
                    raise OtherOptions(known.id, " ".join(map(str, (known.name, *known.arguments))))
                return
            self.requests.append(request)
            self._tell(request, ProgressKind.REQUESTED)
            self._answer(request)

    def answer_to(self, name: str, arguments: tuple[Any, ...], answer: Callable[[Request], dict[str, Any]]) -> None:
        """Answer such requests, those that still wait for it and those to come."""
        with self._changed:
            self._answers[name, arguments] = answer
            for request in self.requests:
                if request.id not in self._ends:
                    self._answer(request)

    def answer(self, request_id: str) -> dict[str, Any] | None:
        return self._ends.get(request_id)

    def wait_for_answer(self, request_id: str, timeout: float | None) -> dict[str, Any] | None:
        patience = self._patience if timeout is None else min(timeout, self._patience)
        with self._changed:
            answered = self._changed.wait_for(lambda: request_id in self._ends, patience)
        if not answered and (timeout is None or timeout > self._patience):
            raise self._unanswered([request_id])
        return self._ends.get(request_id)

    def history(self, places: Mapping[str, str], seconds: float) -> list[Entry]:
        def news() -> list[Entry]:
            return [line for line in self._lines if line.job in places and int(line.place) > _number(places[line.job])]

        with self._changed:
            self._changed.wait_for(news, seconds)
            if not news() and time.monotonic() - self._last_change > self._patience:
                raise self._unanswered(places)
            return news()

    def close(self) -> None:
        """Keep everything: a test looks at it afterwards."""

    def _request(self, request_id: str) -> Request | None:
        return next((one for one in self.requests if one.id == request_id), None)

    def _answer(self, request: Request) -> None:
        if request.name == CANCEL:
            self._end(request, _success({"job": request.arguments[0], "verdict": self._cancel(request.arguments[0])}))
        elif request.name == PLANS:
            self._answer_all(request)
        elif (answer := self._answers.get((request.name, request.arguments))) is not None:
            self._end(request, answer(request))

    def _answer_all(self, request: Request) -> None:
        """Answer with the plan of each, or the failure in its place, once all of them are set."""
        declared = self._answers.get((CONTAINERS, ()))
        ctids = request.options.get("ctids") or (declared and declared(request)["result"])
        answers = [self._answers.get((PLAN, (ctid,))) for ctid in ctids or ()]
        if ctids is not None and None not in answers:
            self._end(request, _success([_told(answer(request)) for answer in answers if answer is not None]))

    def _cancel(self, request_id: str) -> Cancelled:
        request = self._request(request_id)
        if request is None:
            return Cancelled.UNKNOWN
        if request_id in self._ends:
            return Cancelled.OVER
        why = {"message": f"Job {request_id} was cancelled.", "cause": _CANCELLED, "remedy": "Ask again."}
        self._end(request, _failure(Failure(request_id=request_id, ctid=request.ctid, **why)), ProgressKind.CANCELLED)
        return Cancelled.CANCELLED

    def _end(self, request: Request, end: dict[str, Any], kind: ProgressKind | None = None) -> None:
        self._ends[request.id] = end
        self._tell(request, kind or (ProgressKind.DONE if end["status"] == "SUCCESS" else ProgressKind.FAILED))

    def _tell(self, request: Request, kind: ProgressKind) -> None:
        at = str(time.time())  # noqa: TID251 - of one process
        fields = {"at": at, "kind": str(kind), "step": request.name, "subject": str(request.ctid or "")}
        self._lines.append(Entry(request.id, str(len(self._lines) + 1), fields))
        self._last_change = time.monotonic()
        self._changed.notify_all()

    def _unanswered(self, request_ids: Mapping[str, str] | Sequence[str]) -> AssertionError:
        asked = ", ".join(
            " ".join(map(str, (one.name, *one.arguments))) for one in self.requests if one.id in request_ids
        )
        return AssertionError(
            f"Nobody answers {asked}. Set its answer on the RecordingProducer, for example: succeeds(103)"
        )


def _number(place: str) -> int:
    return int(place.partition("-")[0])


def _success(value: Any) -> dict[str, Any]:
    return {"status": "SUCCESS", "result": json.loads(json.dumps(value))}


def _failure(failure: Failure) -> dict[str, Any]:
    told = {"exc_type": EnsureFailed.__name__, "exc_message": [failure.model_dump(mode="json")]}
    return {"status": "FAILURE", "result": told}


def _told(end: dict[str, Any]) -> Any:
    """Return what a plan or a failure is among others."""
    return end["result"] if end["status"] == "SUCCESS" else end["result"]["exc_message"][0]
