"""Publish requests from any service, and get handles on them: `Producer().ensure(103).wait(timeout=600)`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar
from uuid import UUID, uuid4

from pydantic import TypeAdapter

from phoenix_producer.client.handle import Handle, Handles, cancel
from phoenix_producer.client.link import Link
from phoenix_producer.client.redis_url import REDIS_CA_FILE_VARIABLE, verified
from phoenix_producer.client.secret_files import redis_url_of
from phoenix_producer.contract import (
    ADOPT,
    CONTAINERS,
    DESTROY,
    DRAIN,
    DRIFT,
    ENSURE,
    MIGRATE,
    NODES,
    PLAN,
    PLANS,
    REBUILD,
    STATUS,
    TEMPLATES,
    UNDRAIN,
    AdoptRequest,
    Cancelled,
    ContractError,
    DesiredState,
    DestroyRequest,
    EnsureRequest,
    EnsureResult,
    Failure,
    RebuildRequest,
    parse_as,
    parse_request,
)
from phoenix_producer.nodes import Drained, DrainRequest, MigrateRequest, Node, UndrainRequest
from phoenix_producer.plans import Drift, Plan
from phoenix_producer.standing import Standing, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence
    from types import TracebackType

    from phoenix_producer.client.channel import Channel

_Change: TypeAlias = EnsureRequest | DestroyRequest | RebuildRequest | AdoptRequest | MigrateRequest
_CTIDS = TypeAdapter(list[int])
_STANDINGS = TypeAdapter(list[Standing])
_DRIFTS = TypeAdapter(list[Drift])
_PLANS: TypeAdapter[list[Plan | Failure]] = TypeAdapter(list[Plan | Failure])
_TEMPLATES = TypeAdapter(list[Template])
_NODES = TypeAdapter(list[Node])

Answer = TypeVar("Answer")


class Producer:
    """Publishes requests to the workers behind one Redis. For any number of threads; works on after a fork.

    `redis_url` is by default that of the environment variable PHOENIX_REDIS_URL, then of this machine; its password may
    come from PHOENIX_REDIS_PASSWORD, and either from a file (PHOENIX_REDIS_URL_FILE …). `redis_ca_file`,
    that of PHOENIX_REDIS_CA_FILE, has the CA of a `rediss://` URL that the machine does not know. `requester` says to
    people who read the job list who asks. `channel` carries the requests in place of Redis, for tests. Raises
    ContractError for a URL that is not one. Nothing is connected before the first request.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        redis_ca_file: str | None = None,
        requester: str | None = None,
        channel: Channel | None = None,
    ) -> None:
        self._link = channel or _link(redis_url, redis_ca_file, requester)
        self._requester = requester

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to Redis; jobs go on."""
        self._link.close()

    def ensure(
        self,
        ctid: int,
        *,
        adopt: bool = False,
        accept_not_applied: bool = False,
        dry_run: bool = False,
        state: DesiredState | str | None = None,
        rerun: Sequence[str] = (),
        wait_for_address: int | None = None,
        request_id: UUID | str | None = None,
    ) -> Handle[EnsureResult]:
        """Ask that a container exist, configured and running as the catalog declares.

        Options are those of `EnsureRequest`. Asking again with the same `request_id` (a UUID) gives a handle on the
        same request and starts nothing, for as long as its result is kept (7 days). Raises ContractError, before
        anything is sent, and Unreachable.
        """
        request = self._request(
            ctid,
            adopt=adopt,
            accept_not_applied=accept_not_applied,
            dry_run=dry_run,
            state=state,
            rerun=tuple(rerun),
            wait_for_address=wait_for_address,
        )
        return self._ensure(request, _checked_id(request_id))

    def ensure_many(
        self,
        ctids: Iterable[int],
        *,
        adopt: bool = False,
        accept_not_applied: bool = False,
        dry_run: bool = False,
        state: DesiredState | str | None = None,
        rerun: Sequence[str] = (),
        wait_for_address: int | None = None,
    ) -> Handles[EnsureResult]:
        """Ask the same for several containers; nothing is sent if one of the requests is wrong. See `ensure`.

        If Redis goes away on the way, those before are sent; asking for all again does nothing twice.
        """
        requests = [
            self._request(
                ctid,
                adopt=adopt,
                accept_not_applied=accept_not_applied,
                dry_run=dry_run,
                state=state,
                rerun=tuple(rerun),
                wait_for_address=wait_for_address,
            )
            for ctid in ctids
        ]
        return Handles(self._link, [self._ensure(request, uuid4()) for request in requests])

    def destroy(
        self, ctid: int, *, dry_run: bool = False, request_id: UUID | str | None = None
    ) -> Handle[EnsureResult]:
        """Ask that a container or template that is ours be deleted, with its disks. Raises as `ensure`.

        What is running is shut down first; a template with linked clones is refused.
        """
        request = parse_as(DestroyRequest, {"ctid": ctid, "dry_run": dry_run, "requester": self._requester})
        return self._change(DESTROY, request, _checked_id(request_id))

    def destroy_many(self, ctids: Iterable[int], *, dry_run: bool = False) -> Handles[EnsureResult]:
        """Ask the same for several, in any order: each is destroyed after its clones among them. See `destroy`."""
        return self._change_together(DESTROY, DestroyRequest, ctids, {"dry_run": dry_run})

    def rebuild(
        self,
        ctid: int,
        *,
        accept_not_applied: bool = False,
        dry_run: bool = False,
        request_id: UUID | str | None = None,
    ) -> Handle[EnsureResult]:
        """Ask that a template be built again at a scratch CTID and replace the existing one. Raises as `ensure`.

        The old one is cloned from until the new one is finished; one with linked clones is refused.
        """
        options = {"accept_not_applied": accept_not_applied, "dry_run": dry_run, "requester": self._requester}
        request = parse_as(RebuildRequest, {"ctid": ctid, **options})
        return self._change(REBUILD, request, _checked_id(request_id))

    def rebuild_many(
        self, ctids: Iterable[int], *, accept_not_applied: bool = False, dry_run: bool = False
    ) -> Handles[EnsureResult]:
        """Ask the same for several, in any order: each is rebuilt after those that it is cloned from. See `rebuild`."""
        options = {"accept_not_applied": accept_not_applied, "dry_run": dry_run}
        return self._change_together(REBUILD, RebuildRequest, ctids, options)

    def adopt(
        self, ctid: int, *, seal: bool = False, dry_run: bool = False, request_id: UUID | str | None = None
    ) -> Handle[EnsureResult]:
        """Ask that what an earlier tool made be taken over. Raises as `ensure`.

        A container is marked as ours and otherwise left alone. What is declared as a template is stopped, loses its
        snapshots and becomes one; if it looks like a running service, only with `seal`.
        """
        options = {"seal": seal, "dry_run": dry_run, "requester": self._requester}
        return self._change(ADOPT, parse_as(AdoptRequest, {"ctid": ctid, **options}), _checked_id(request_id))

    def adopt_many(
        self, ctids: Iterable[int], *, seal: Container[int] = (), dry_run: bool = False
    ) -> Handles[EnsureResult]:
        """Ask the same for several; `seal` names those of which it is confirmed. See `adopt`."""
        return Handles(self._link, [self.adopt(ctid, seal=ctid in seal, dry_run=dry_run) for ctid in ctids])

    def migrate(
        self,
        ctid: int,
        *,
        to: str,
        restart: bool = False,
        dry_run: bool = False,
        request_id: UUID | str | None = None,
    ) -> Handle[EnsureResult]:
        """Ask that a container or template of ours stand on another node. Raises as `ensure`.

        One that runs is refused, or with `restart` stopped, migrated and started again. The catalog is not changed.
        """
        options = {"to": to, "restart": restart, "dry_run": dry_run, "requester": self._requester}
        return self._change(MIGRATE, parse_as(MigrateRequest, {"ctid": ctid, **options}), _checked_id(request_id))

    def migrate_many(
        self, ctids: Iterable[int], *, to: str, restart: bool = False, dry_run: bool = False
    ) -> Handles[EnsureResult]:
        """Ask the same for several. See `migrate`."""
        return Handles(self._link, [self.migrate(one, to=to, restart=restart, dry_run=dry_run) for one in ctids])

    def plan(
        self, ctid: int, *, accept_not_applied: bool = False, request_id: UUID | str | None = None
    ) -> Handle[Plan]:
        """Ask what an ensure would do. Raises ContractError and Unreachable."""
        options = {"accept_not_applied": True} if accept_not_applied else {}
        wanted = self._request(ctid, **options).ctid
        return self._send(PLAN, _checked_id(request_id), wanted, options, Plan.model_validate)

    def plan_many(self, ctids: Iterable[int], *, accept_not_applied: bool = False) -> Handles[Plan]:
        """Ask what an ensure of each would do, in a request for each. See `plan`, and `plan_all` for many."""
        return Handles(self._link, [self.plan(ctid, accept_not_applied=accept_not_applied) for ctid in ctids])

    def plan_all(self, ctids: Iterable[int] = (), *, accept_not_applied: bool = False) -> Handle[list[Plan | Failure]]:
        """Ask in one request what an ensure of each would do, by default of all containers of the catalog.

        The answer has for each CTID what its `plan` is answered with: the plan, or why it fails. Raises as `plan`.
        """
        options = {"accept_not_applied": True} if accept_not_applied else {}
        return self._look(PLANS, "plans", ctids, _PLANS.validate_python, **options)

    def containers(self) -> Handle[list[int]]:
        """Ask for the CTIDs of all containers in the catalog of the workers, templates left out. Raises Unreachable."""
        return self._ask(CONTAINERS, {}, _CTIDS.validate_python, "the list of containers")

    def status(self, ctids: Iterable[int] = ()) -> Handle[list[Standing]]:
        """Ask what stands at CTIDs of the catalog, by default at all of them; nothing is changed.

        Raises ContractError and Unreachable.
        """
        return self._look(STATUS, "status", ctids, _STANDINGS.validate_python)

    def drift(self, ctids: Iterable[int] = (), *, accept_not_applied: bool = False) -> Handle[list[Drift]]:
        """Ask how what exists at CTIDs of the catalog differs from it, by default at all; nothing is changed.

        With `accept_not_applied`, what needs shell access that the workers do not have is no difference.
        Raises ContractError and Unreachable.
        """
        options = {"accept_not_applied": True} if accept_not_applied else {}
        return self._look(DRIFT, "drift", ctids, _DRIFTS.validate_python, **options)

    def templates(self) -> Handle[list[Template]]:
        """Ask which templates and copies of them there are, on which nodes, and how many wait; nothing is changed.

        Raises Unreachable.
        """
        return self._ask(TEMPLATES, {}, _TEMPLATES.validate_python, "the templates")

    def nodes(self) -> Handle[list[Node]]:
        """Ask for the nodes of the cluster: state, room, what is under way on each. Raises Unreachable."""
        return self._ask(NODES, {}, _NODES.validate_python, "the list of nodes")

    def drain(self, node: str, *, request_id: UUID | str | None = None) -> Handle[Drained]:
        """Ask that a node take no new containers; what stands there stays. Raises ContractError and Unreachable."""
        request = parse_as(DrainRequest, {"node": node, "requester": self._requester})
        return self._of_node(DRAIN, request, request_id)

    def undrain(self, node: str, *, request_id: UUID | str | None = None) -> Handle[Drained]:
        """Ask that a drained node take new containers again. Raises ContractError and Unreachable."""
        request = parse_as(UndrainRequest, {"node": node, "requester": self._requester})
        return self._of_node(UNDRAIN, request, request_id)

    def cancel(self, request_id: UUID | str, *, own_id: UUID | str | None = None) -> Handle[Cancelled]:
        """Ask that a job stop for its requester; `own_id` is the id of this request itself. See `Handle.cancel`.

        Raises ContractError and Unreachable.
        """
        return cancel(self._link, str(_checked_id(request_id)), _checked_id(own_id))

    def _request(self, ctid: int, **options: Any) -> EnsureRequest:
        return parse_request({"ctid": ctid, "requester": self._requester, **options})

    def _ensure(self, request: EnsureRequest, request_id: UUID) -> Handle[EnsureResult]:
        return self._change(ENSURE, request, request_id)

    def _change_together(
        self, name: str, model: type[DestroyRequest | RebuildRequest], ctids: Iterable[int], options: dict[str, Any]
    ) -> Handles[EnsureResult]:
        wanted = list(ctids)
        ids = {ctid: uuid4() for ctid in wanted}
        more = {**options, "requester": self._requester, "together": ids if len(ids) > 1 else {}}
        requests = [parse_as(model, {"ctid": ctid, **more}) for ctid in wanted]
        return Handles(self._link, [self._change(name, request, ids[request.ctid]) for request in requests])

    def _change(self, name: str, request: _Change, request_id: UUID) -> Handle[EnsureResult]:
        options = request.model_dump(mode="json", exclude={"ctid"}, exclude_defaults=True)
        return self._send(name, request_id, request.ctid, options, EnsureResult.model_validate)

    def _of_node(self, name: str, request: DrainRequest, request_id: UUID | str | None) -> Handle[Drained]:
        own_id, node = _checked_id(request_id), request.node
        self._link.send(name, own_id, [node], request.model_dump(exclude={"node"}, exclude_defaults=True))
        return Handle(self._link, str(own_id), None, Drained.model_validate, f"node {node}")

    def _look(
        self, name: str, noun: str, ctids: Iterable[int], read: Callable[[Any], Answer], **options: Any
    ) -> Handle[Answer]:
        wanted = [self._request(ctid).ctid for ctid in ctids]
        subject = f"the {noun} of {', '.join(map(str, wanted)) or 'everything'}"
        return self._ask(name, options | ({"ctids": wanted} if wanted else {}), read, subject)

    def _send(
        self, name: str, request_id: UUID, ctid: int, options: dict[str, Any], read: Callable[[Any], Answer]
    ) -> Handle[Answer]:
        self._link.send(name, request_id, [ctid], options)
        return Handle(self._link, str(request_id), ctid, read)

    def _ask(self, name: str, options: dict[str, Any], read: Callable[[Any], Answer], subject: str) -> Handle[Answer]:
        request_id = uuid4()
        self._link.send(name, request_id, [], options)
        return Handle(self._link, str(request_id), None, read, subject)


def _link(redis_url: str | None, redis_ca_file: str | None, requester: str | None) -> Link:
    url = redis_url or redis_url_of(os.environ)
    return Link(verified(url, redis_ca_file or os.environ.get(REDIS_CA_FILE_VARIABLE)), requester or "")


def _checked_id(request_id: UUID | str | None) -> UUID:
    try:
        return uuid4() if request_id is None else UUID(str(request_id))
    except ValueError:
        raise ContractError(f"Not a valid request id: {request_id!r}. It is a UUID, such as {uuid4()}.") from None
