"""docs/openapi.json is what the server says of itself, and what clients are generated from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from phoenix_producer.http.guard import Door
from phoenix_producer.http.problems import MEDIA_TYPE
from phoenix_producer.http.server import application
from phoenix_producer.http.tokens import TokenFile

PUBLISHED = Path(__file__).parents[2] / "docs" / "openapi.json"


def described() -> dict[str, Any]:
    return application("redis://127.0.0.1/0", Door(TokenFile(Path("/nowhere/tokens.json")))).openapi()


def test_what_is_published_is_what_the_server_says() -> None:
    """After a change: python -m phoenix_producer.http > docs/openapi.json."""
    assert json.loads(PUBLISHED.read_text()) == described()


def test_every_operation_has_a_name_an_answer_and_the_problem_of_rfc_9457() -> None:
    document = described()
    operations = [one for path in document["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    for one in operations:
        assert one["summary"], one
        assert "Raises" not in one["summary"] + one.get("description", ""), "that is of Python"
        assert one["responses"]["default"]["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert not {"422"} & one["responses"].keys()
        for parameter in one.get("parameters", ()):
            assert "null" not in json.dumps(parameter), parameter


def test_every_limit_of_a_parameter_is_said_in_words_of_the_standard() -> None:
    known = {"type", "items", "description", "title", "default", "pattern", "format", "$ref", "maxLength", "maxItems"}
    known |= {"minimum", "maximum", "exclusiveMinimum"}
    for path in described()["paths"].values():
        for parameter in (one for operation in path.values() for one in operation.get("parameters", ())):
            assert parameter["schema"].keys() <= known, parameter


def test_everything_that_is_referred_to_is_there_and_nothing_else() -> None:
    document = described()
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    assert text.count('"$ref": "#/components/schemas/') == sum(
        text.count(f'"$ref": "#/components/schemas/{name}"') for name in document["components"]["schemas"]
    )
