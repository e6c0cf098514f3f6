"""Loading a catalog: everything that is wrong with it at once, or all its declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phoenix_producer.ctids import parse_ctid
from phoenix_worker.catalog.access import key_file, refuse_access
from phoenix_worker.catalog.advice import (
    advise_firewalled_interfaces,
    advise_firewalls,
    advise_origins,
    advise_snapshots,
    advise_templates,
    advise_volumes,
)
from phoenix_worker.catalog.copies import advise_lanes, copy_named, refuse_copy_ctids
from phoenix_worker.catalog.directories import digest_of, read_directory
from phoenix_worker.catalog.document import Document, parse, read
from phoenix_worker.catalog.downloads import refuse_downloads
from phoenix_worker.catalog.entry import ParsedEntry, parse_entry
from phoenix_worker.catalog.files import read_file
from phoenix_worker.catalog.findings import Advice, CatalogError, Refusal, plain, shown
from phoenix_worker.catalog.foreign_keys import advise_foreign_keys, for_scripts, refuse_foreign_keys
from phoenix_worker.catalog.network_checks import refuse_networks
from phoenix_worker.catalog.options import refuse_options
from phoenix_worker.catalog.placing_checks import refuse_spread, spread_groups
from phoenix_worker.catalog.refusals import (
    advise_linked_clones,
    advise_old_keys,
    refuse_old_sections,
    refuse_together,
)
from phoenix_worker.catalog.resolve import Defaults, copy_of, declare, scratch_of
from phoenix_worker.catalog.root_checks import advise_root_only, refuse_root_only
from phoenix_worker.catalog.script_checks import (
    missing_scripts,
    refuse_files,
    refuse_script_files,
    unfit_scripts,
)
from phoenix_worker.catalog.scripts import (
    Pushed,
    ScriptPlaces,
    ScriptSurroundings,
    directories_beside,
    files_beside,
    short_hash,
)

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.files import FileRead

__all__ = ["Advice", "Catalog", "CatalogError", "Defaults", "Refusal", "load", "load_bytes"]


@dataclass(frozen=True, slots=True)
class Catalog(Mapping[int, "Declaration"]):
    """A catalog that passed every check: CTID to declaration, in ascending order."""

    declarations: Mapping[int, Declaration]
    globals: Mapping[str, Any] = field(default_factory=dict)
    """What stands beside `lxc_configs`, for scripts."""
    warnings: tuple[Advice, ...] = ()
    hash: str = ""
    """Of the file's content."""
    scratch_ctids: range | None = None
    """Where templates are rebuilt, by the settings."""
    script_files: Mapping[Path, FileRead] = field(default_factory=dict)
    """What lies beside it, or should, as it was read for this catalog."""
    for_scripts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The keys that only scripts get, each with the CTIDs that have it."""
    copy_ctids: range | None = None
    """Where copies of templates are made, by the settings."""
    spread: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """The CTIDs of each spread group."""

    def __getitem__(self, ctid: int) -> Declaration:
        return self.declarations[ctid]

    def __iter__(self) -> Iterator[int]:
        return iter(self.declarations)

    def __len__(self) -> int:
        return len(self.declarations)

    def containers(self) -> tuple[int, ...]:
        """CTIDs that are not templates, ascending."""
        return tuple(ctid for ctid, declaration in self.items() if not declaration.is_template)

    def scratch(self, ctid: int) -> Declaration | None:
        """Return the declaration under which a template is rebuilt; None without CTIDs for that."""
        return None if self.scratch_ctids is None else scratch_of(self[ctid], self.scratch_ctids)

    def scratch_of(self, copy: Declaration) -> Declaration | None:
        """Return the declaration under which a template, or its copy, is rebuilt; None without CTIDs for that."""
        return None if self.scratch_ctids is None else scratch_of(copy, self.scratch_ctids)

    def copy(self, ctid: int, at: int, node: str) -> Declaration:
        """Return the declaration of a template's copy at a CTID on a node."""
        return copy_of(self[ctid], at, node)

    def scratches(self) -> Iterator[Declaration]:
        """Return the declarations under which templates are rebuilt; none without CTIDs for that."""
        found = (self.scratch(ctid) for ctid in self if self[ctid].is_template)
        return (one for one in found if one is not None)

    def serve(self, ctid: int, declaration_hash: str) -> Declaration | None:
        """Return the declaration of a CTID, that of a rebuild or a copy included, if it has this hash, or pin."""
        if "@" in declaration_hash:
            return copy_named(self, ctid, declaration_hash, self.copy_ctids, self.scratch_ctids)
        scratch = (self.scratch(one) for one in self if self[one].is_template)
        candidates = (
            (self.get(ctid), *scratch) if self.scratch_ctids and ctid in self.scratch_ctids else (self.get(ctid),)
        )
        return next((one for one in candidates if one and (one.ctid, one.hash) == (ctid, declaration_hash)), None)

    def templates_of(self, ctid: int) -> tuple[int, ...]:
        """Templates that a CTID is made from, nearest first. Raises KeyError for an unknown CTID."""
        chain: list[int] = []
        source = self[ctid].clone_from
        while source is not None:
            chain.append(source)
            source = self[source].clone_from
        return tuple(chain)

    def mates(self, declaration: Declaration) -> frozenset[int]:
        """Return the others of its spread group."""
        group = declaration.spread
        return frozenset() if group is None else self.spread.get(group.name, frozenset()) - {declaration.ctid}

    def above(self, declaration: Declaration) -> tuple[Declaration, ...]:
        """Declarations of the templates that one is made from, nearest first; also for one that is not in here."""
        source = self.get(declaration.clone_from or 0)
        return () if source is None else (source, *self.above(source))


def load(path: Path, defaults: Defaults, *, require_scripts: bool = False) -> Catalog:
    """Load the catalog at `path`; raises CatalogError with everything that is refused.

    A script that is missing beside the file, or that nothing can run, is a warning; with `require_scripts` a refusal.
    """
    return load_bytes(read(path), path.parent, defaults, require_scripts=require_scripts)


def load_bytes(data: bytes, folder: Path, defaults: Defaults, *, require_scripts: bool = False) -> Catalog:
    """Load a catalog from the content of a file in `folder`; else as `load`. Raises CatalogError."""
    document = parse(data)
    entries, refusals = _entries(document)
    refusals += refuse_together(entries)
    refusals += refuse_networks(entries)
    refusals += refuse_root_only(entries)
    refusals += refuse_options(entries)
    refusals += refuse_downloads(entries)
    refusals += refuse_foreign_keys(entries)
    refusals += refuse_spread(entries, defaults)
    refusals += refuse_script_files(entries)
    refusals += refuse_old_sections(document.content, entries)
    refusals += _in_scratch(entries, defaults.scratch)
    refusals += refuse_copy_ctids(entries, defaults.copies)
    warnings = [*_advice(entries), *advise_lanes(entries, defaults.copies)]
    files = _read_scripts(folder, entries, defaults.scripts)
    directories = {name: read_directory(folder / name) for file in files for name in directories_beside(file)}
    files |= _read_keys(folder, entries)
    refusals += refuse_files(entries, files, directories, defaults.scripts)
    contents = {name: one.content for name, one in files.items() if one.content is not None}
    refusals += refuse_access(entries, contents)
    places = defaults.scripts
    scripts = (*missing_scripts(entries, contents, places), *unfit_scripts(entries, contents, places))
    if require_scripts:
        refusals += (Refusal(*words) for words in scripts)
    else:
        warnings += (Advice(*words) for words in scripts)
    beside = {folder / name: one for name, one in (files | directories).items()}
    if refusals:
        raise CatalogError(refusals, warnings, beside)
    globals_ = {key: value for key, value in document.content.items() if key != "lxc_configs"}
    declarations = declare(entries, defaults, ScriptSurroundings(globals_, contents, _pushed(directories)))
    only = for_scripts(entries)
    told, named = tuple(warnings), short_hash(data)
    groups = spread_groups(declarations)
    return Catalog(declarations, globals_, told, named, defaults.scratch, beside, only, defaults.copies, groups)


def _entries(document: Document) -> tuple[dict[int, ParsedEntry], list[Refusal]]:
    refusals = [*document.repeated]
    configs = document.containers
    if isinstance(configs, Refusal):
        return {}, [*refusals, configs]
    entries = {}
    for key, raw in configs.items():
        ctid = parse_ctid(key)
        if ctid is None:
            refusals.append(_wrong_ctid(key))
            continue
        parsed, problems = parse_entry(ctid, raw)
        refusals += problems
        if parsed is not None:
            entries[ctid] = parsed
    return entries, refusals


def _in_scratch(entries: Mapping[int, ParsedEntry], scratch: range | None) -> Iterator[Refusal]:
    for ctid in entries:
        if scratch is not None and ctid in scratch:
            problem = f"{ctid} is one of the CTIDs at which templates are rebuilt ({scratch[0]}-{scratch[-1]})."
            yield Refusal(ctid, problem, "Choose another CTID, or other PHOENIX_SCRATCH_CTIDS.")


def _wrong_ctid(key: str) -> Refusal:
    number = key.isascii() and key.isdecimal() and len(key) < len("999999999") and str(int(key)) == key
    about = int(key) if number else plain(key)
    return Refusal(about, f"{shown(key)} is not a CTID.", "Use a number from 100 to 999999999 as its key.")


def _advice(entries: Mapping[int, ParsedEntry]) -> Iterator[Advice]:
    yield from advise_foreign_keys(entries)
    yield from advise_old_keys(entries)
    yield from advise_linked_clones(entries)
    yield from advise_origins(entries)
    yield from advise_templates(entries)
    yield from advise_volumes(entries)
    yield from advise_firewalls(entries)
    yield from advise_firewalled_interfaces(entries)
    yield from advise_snapshots(entries)
    yield from advise_root_only(entries)


def _pushed(directories: Mapping[str, FileRead]) -> dict[str, Pushed]:
    read = ((name, one.content) for name, one in directories.items())
    return {name: Pushed(digest_of(archive), archive) for name, archive in read if archive is not None}


def _read_scripts(folder: Path, entries: Mapping[int, ParsedEntry], places: ScriptPlaces) -> dict[str, FileRead]:
    """Read the scripts that lie beside the catalog, each once."""
    names = {name for parsed in entries.values() for name in files_beside(parsed.entry, places)}
    return {name: read_file(folder / name) for name in sorted(names)}


def _read_keys(folder: Path, entries: Mapping[int, ParsedEntry]) -> dict[str, FileRead]:
    names = {name for parsed in entries.values() if (name := key_file(parsed.entry)) is not None}
    return {name: read_file(folder / name) for name in sorted(names)}
