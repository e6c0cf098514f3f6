"""Nodes by HTTP: the list, and which take no new containers."""

# No postponed annotations here: FastAPI reads them.
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from phoenix_producer.client.handle import Handle
from phoenix_producer.client.producer import Producer
from phoenix_producer.http.changes import Key, Serving, Wait, answers
from phoenix_producer.http.described import ABSENT, summary_of
from phoenix_producer.http.guard import Asking, at_least
from phoenix_producer.http.looks import AGED, Wanting
from phoenix_producer.http.looks import Wait as LookWait
from phoenix_producer.http.tokens import Role, Token
from phoenix_producer.nodes import Drained, Node, NodeName

nodes = APIRouter()


@nodes.get("/v1/nodes", operation_id="nodes", response_model=list[Node], responses=AGED)
async def all_nodes(service: Serving, token: Asking, wanted: Wanting, wait: LookWait = 30) -> Response:
    """Show the nodes of the cluster: state, room, what is under way on each."""
    return await service.looked(Producer.nodes, token.name, wait, wanted)


def _endpoint(ask: Callable[..., Handle[Drained]]) -> Callable[..., Any]:
    async def endpoint(
        service: Serving,
        token: Annotated[Token, Depends(at_least(Role.OPERATOR))],
        node: NodeName,
        wait: Wait = 0,
        key: Key = ABSENT,
    ) -> Response:
        sent = await service.change(lambda producer, own_id: ask(producer, node, request_id=own_id), token.name, key)
        return await service.accepted(sent, wait)

    return endpoint


for _name, _ask in (("drain", Producer.drain), ("undrain", Producer.undrain)):
    nodes.add_api_route(
        f"/v1/nodes/{{node}}/{_name}",
        _endpoint(_ask),
        methods=["POST"],
        name=_name,
        operation_id=_name,
        summary=summary_of(_ask),
        status_code=HTTPStatus.ACCEPTED,
        responses=answers(Drained),
    )
