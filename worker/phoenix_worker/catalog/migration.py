"""From files older than native templates to the present format, as an edit of the text.

`template_file` X of container C becomes `clone_from_ctid` with the `source_ctid` that `lxc_templates` has for X, unless
C has a `clone_from_ctid` already or is itself that source. `clone_from_template_ctid`, an older name of
`clone_from_ctid`, becomes that, and goes before `template_file`. `secondary_network_config` becomes the item of
`networks`. `lxc_templates` and every `template_snapshot_name` go.
What would become a template so and looks like a running service is refused unless it is named: a template never runs.
Everything else stays to the letter, because nothing is written out again: the edits are cut into the text, and the
result is parsed and compared with the same migration done on the parsed file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phoenix_producer.ctids import parse_ctid
from phoenix_worker.catalog import second_interface
from phoenix_worker.catalog.document import parse
from phoenix_worker.catalog.findings import Advice, CatalogError, Refusal, plain, shown
from phoenix_worker.catalog.json_text import Edit, Member, apply, members, removals

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

_SNAPSHOT = "template_snapshot_name"
_OLD = "template_file"
_CLONE = "clone_from_ctid"
_PREDECESSOR = "clone_from_template_ctid"
_SECTION = "lxc_templates"


def migrate(text: str, *, seal: Container[int] = ()) -> str:
    """Migrate the text of a catalog; a text that needs nothing is returned as it is.

    `seal` names those that become templates even if they look like services. Raises CatalogError when the text is not
    JSON, when it has no `lxc_configs`, when a `template_file` leads nowhere, or when a service would become a template.
    """
    document = parse(text.encode("utf-8", "surrogatepass"))
    if document.repeated:
        raise CatalogError(document.repeated)
    if isinstance(nothing := document.containers, Refusal):
        raise CatalogError([nothing])
    sources = _sources(document.content)
    if services := [*_services(document.content, sources, seal)]:
        raise CatalogError(services)
    migrated = apply(text, _edits(text, sources))
    if json.dumps(json.loads(migrated)) != json.dumps(_migrated(document.content, sources)):
        problem = "The migrated text failed its check; nothing was changed."
        raise CatalogError([Refusal(None, problem, "Please report this file as a bug of phoenix-lxc.")])
    return migrated


def remarks(text: str) -> Iterator[Advice]:
    """Point out what a migrated catalog means otherwise than the tool that read it before."""
    for ctid, entry in _containers(parse(text.encode("utf-8", "surrogatepass")).content):
        raw = entry.get("lxc_options")
        written = isinstance(raw, list) and any("lxc.apparmor.profile" in str(line) for line in raw)
        if entry.get("apparmor_profile") == "unconfined" and not written:
            problem = "apparmor_profile is applied now: it runs unconfined. Older tools took that line away again."
            yield Advice(parse_ctid(ctid) or plain(ctid), problem, "Remove the key to keep it confined.")


def _sources(content: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Say which key of a container becomes `clone_from_ctid`, with which value, where one does not just go.

    Raises CatalogError for all that lead nowhere.
    """
    sections = content.get(_SECTION)
    known = sections if isinstance(sections, dict) else {}
    decided: dict[str, tuple[str, Any]] = {}
    refusals = []
    for ctid, entry in _containers(content):
        if entry.get(_CLONE) not in (None, ""):
            continue
        if entry.get(_PREDECESSOR) not in (None, ""):
            decided[ctid] = (_PREDECESSOR, entry[_PREDECESSOR])
        elif _OLD in entry:
            source = _source(ctid, entry, known)
            if isinstance(source, Refusal):
                refusals.append(source)
            elif source is not None:
                decided[ctid] = (_OLD, source)
    if refusals:
        raise CatalogError(refusals)
    return decided


def _containers(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for ctid, entry in content["lxc_configs"].items():
        if isinstance(entry, dict):
            yield ctid, entry


def _source(ctid: str, entry: Mapping[str, Any], sections: Mapping[str, Any]) -> Any | Refusal:
    """Say what `template_file` becomes; None when the entry keeps what it has."""
    file = entry[_OLD]
    section = sections.get(file, sections.get(file.rpartition("/")[2])) if isinstance(file, str) else None
    source = section.get("source_ctid") if isinstance(section, dict) else section
    number = parse_ctid(str(source))
    about = parse_ctid(ctid) or plain(ctid)
    if number is None and file not in (None, ""):
        problem = f"template_file {shown(file)} has no source_ctid in lxc_templates, so there is nothing to clone."
        return Refusal(about, problem, "Declare clone_from_ctid in its place.")
    if number is not None and number != about:
        return source
    if entry.get("template") in (None, ""):
        problem = "It is the source of its own template_file, and declares neither template nor clone_from_ctid."
        return Refusal(about, problem, "Declare `template`: the OS template to create it from.")
    return None


def _services(
    content: Mapping[str, Any], sources: Mapping[str, tuple[str, Any]], seal: Container[int]
) -> Iterator[Refusal]:
    """Refuse what becomes a template now, was none before, and looks like a running service."""
    entries = {parse_ctid(ctid): entry for ctid, entry in _containers(content)}
    before = {parse_ctid(str(entry.get(_CLONE))) for entry in entries.values()}
    for ctid in sorted({ctid for _, source in sources.values() if (ctid := parse_ctid(str(source)))} - before):
        entry = entries.get(ctid, {})
        if entry.get("is_template") is True or ctid in seal:
            continue
        if signs := " and ".join(_signs_of_service(ctid, entry, entries)):
            problem = f"It would become a template, which never runs, and looks like a running service: {signs}."
            yield Refusal(ctid, problem, f"Clone from another, or confirm it by name: --seal {ctid}.")


def _signs_of_service(
    ctid: int, entry: Mapping[str, Any], entries: Mapping[int | None, Mapping[str, Any]]
) -> Iterator[str]:
    if entry.get("start_at_boot"):
        yield "it starts at boot"
    if entry.get("ports"):
        yield "it has ports"
    for other, needing in entries.items():
        dependencies = needing.get("dependencies")
        if isinstance(dependencies, list) and ctid in {parse_ctid(str(one)) for one in dependencies}:
            yield f"CT {other} depends on it"


def _edits(text: str, sources: Mapping[str, tuple[str, Any]]) -> Iterator[Edit]:
    top = members(text, text.index("{"))
    yield from removals(top, {_SECTION})
    configs = next(member for member in top if member.key == "lxc_configs")
    for container in members(text, configs.value_start):
        if isinstance(container.value, dict):
            keys = members(text, container.value_start)
            yield from _container_edits(keys, sources.get(container.key))
            yield from second_interface.edits(text, keys)


_GONE = frozenset({_SNAPSHOT, _OLD, _PREDECESSOR})


def _container_edits(keys: list[Member], becoming: tuple[str, Any] | None) -> Iterator[Edit]:
    if becoming is None:
        yield from removals(keys, _GONE)
        return
    old, source = becoming
    yield from removals(keys, (_GONE | {_CLONE}) - {old})
    for member in keys:
        if member.key == old:
            yield Edit(member.start, member.key_end, json.dumps(_CLONE))
            if old == _OLD:
                yield Edit(member.value_start, member.end, json.dumps(source))


def _migrated(content: Mapping[str, Any], sources: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    """Do the same on the parsed file: what the edited text must say."""
    result = {key: value for key, value in content.items() if key != _SECTION}
    result["lxc_configs"] = {
        ctid: second_interface.moved(_migrated_entry(entry, sources.get(ctid))) if isinstance(entry, dict) else entry
        for ctid, entry in content["lxc_configs"].items()
    }
    return result


def _migrated_entry(entry: Mapping[str, Any], becoming: tuple[str, Any] | None) -> dict[str, Any]:
    if becoming is None:
        return {key: value for key, value in entry.items() if key not in _GONE}
    old, source = becoming
    kept = ((key, value) for key, value in entry.items() if key == old or key not in _GONE | {_CLONE})
    return dict((_CLONE, source) if key == old else (key, value) for key, value in kept)
