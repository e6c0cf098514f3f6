"""What of a container's inside is not as declared: scripts that did not run, and whether it was found well."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.marker import script_mark

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from phoenix_worker.catalog.declaration import Declaration, Script
    from phoenix_worker.core.model.marker import Marker


def scripts_to_run(declaration: Declaration, marker: Marker | None) -> tuple[Script, ...]:
    """Return the scripts that did not run as they are now, in order, and those that are wanted again."""
    ran = set(marker.scripts) if marker is not None else set()
    return tuple(script for script in declaration.scripts if script.again or mark_of(script) not in ran)


def scripts_after_making(declaration: Declaration) -> tuple[Script, ...]:
    """Return the scripts that a new container needs: from an OS template it is created with what lets people log in."""
    by_creation = declaration.access if declaration.clone_from is None else ()
    return tuple(script for script in declaration.scripts if script not in by_creation)


def keys_at_creation(declaration: Declaration) -> dict[str, str]:
    """Return the parameter with the SSH keys that a container is created with."""
    given = "".join(script.given or "" for script in declaration.access)
    return {"ssh-public-keys": given} if given else {}


def out_of_reach(declaration: Declaration, marker: Marker | None) -> tuple[str, ...]:
    """Name what lets somebody log in that is set otherwise, or was never, and cannot be without shell access."""
    ran = set(marker.scripts) if marker is not None else set()
    of_root = declaration.access if declaration.clone_from is None else ()
    return tuple(one.name for one in of_root if one not in declaration.scripts and mark_of(one) not in ran)


def mark_of(script: Script) -> tuple[str, str]:
    """Return what the marker holds of a script that ran."""
    return script_mark(script.name, script.hash)


def changed_scripts(declaration: Declaration, marker: Marker) -> list[str]:
    """Name the scripts that ran as others than they are now, as far as that is known without asking the node."""
    ran = dict(marker.scripts)
    here = (mark_of(script) for script in declaration.scripts if not script.on_node)
    return [name for name, now in here if ran.get(name, now) != now]


def scripts_never_run(declaration: Declaration, marker: Marker) -> list[str]:
    """Name the scripts that never ran to a good end, not as they were before either."""
    return [script.name for script in declaration.scripts if script.name not in dict(marker.scripts)]


def with_contents(declaration: Declaration, contents: Mapping[str, str]) -> Declaration:
    """Return the declaration with scripts that are known by what they are on the node too, as `contents` has it."""
    scripts = (
        replace(script, hash=_joined(script.hash, contents[script.file]), sha256=contents[script.file])
        if script.on_node
        else script
        for script in declaration.scripts
    )
    return replace(declaration, scripts=tuple(scripts))


def _joined(one: str, other: str) -> str:
    return f"{int(one, 16) ^ int(other[: len(one)], 16):0{len(one)}x}"


def recorded(declaration: Declaration, marker: Marker, script: Script) -> Marker:
    """Return the marker once a script has run. What is declared no more is forgotten."""
    ran = dict([*marker.scripts, mark_of(script)])
    names = (one.name for one in declaration.scripts)
    return replace(marker, scripts=tuple((name, ran[name]) for name in names if name in ran))


def must_be_verified(declaration: Declaration) -> bool:
    """Return whether more than its configuration says that it is as declared."""
    return declaration.runs and (declaration.health_check is not None or declaration.snapshots)


def is_verified(declaration: Declaration, marker: Marker | None) -> bool:
    """Return whether nothing has to be verified, or it was, as it is declared now."""
    return not must_be_verified(declaration) or (marker is not None and marker.verified == declaration.hash)


def run_again(declaration: Declaration, names: Collection[str]) -> Declaration:
    """Return the declaration with these scripts to be run although they did. Raises PermanentError for unknown ones."""
    known = [script.name for script in declaration.scripts]
    strange = [name for name in names if name not in known]
    if strange:
        raise PermanentError(
            f"Unable to run {', '.join(strange)} again for CT {declaration.ctid}: it has no such script.",
            cause="no-such-script",
            remedy=f"Its scripts are: {', '.join(known)}."
            if known
            else f"Leave it out: the workers run no scripts for CT {declaration.ctid}. "
            "None are declared, or they need shell access that the workers do not have.",
        )
    if names and declaration.is_template:
        raise PermanentError(
            f"Unable to run scripts again in CT {declaration.ctid}: a template is never started again.",
            cause="template-rerun",
            remedy="Build it again, or run them in the containers that are cloned from it.",
        )
    again = (replace(script, again=script.name in names) for script in declaration.scripts)
    return replace(declaration, scripts=tuple(again))
