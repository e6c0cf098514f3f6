"""All privileges that a catalog needs, what the token cannot see without them, and the lines about what it lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Declaration, Download, Network
from phoenix_worker.catalog.nodes import ANY_NODE
from phoenix_worker.core.allowed.grants import Need, of_rebuild, on_guest
from phoenix_worker.core.checkup.line import Level, Line
from phoenix_worker.core.checkup.privileges import judge_lasting, judge_privileges, needs, paths, unseen, without_vnets
from tests.support.declared import MINIMAL

USER, TOKEN = "phoenix@pve", "phoenix@pve!worker"
MAKE = "pveum role add Phoenix --privs"
BRIDGES = "/sdn/zones/localnetwork"


def more(declaration: Declaration) -> set[Need]:
    """What is needed beside the privileges on the container itself."""
    return set(needs({declaration.ctid: declaration}) - set(on_guest(declaration)))


def test_what_else_a_container_needs() -> None:
    node = Need("/nodes/pve1", "Sys.Audit")
    clone = Need("/vms/900", "VM.Clone")
    assert more(replace(MINIMAL, clone_from=None)) == {
        node,
        Need("/storage/local", "Datastore.AllocateSpace"),  # the default of Proxmox
        Need("/storage/local", "Datastore.Audit"),
    }
    assert more(MINIMAL) == {node, clone}
    assert more(replace(MINIMAL, node="", nodes=("pve2", ANY_NODE))) == {
        Need("/nodes/pve2", "Sys.Audit"),
        Need("/nodes", "Sys.Audit"),
        clone,
    }
    assert more(replace(MINIMAL, pool="web")) == {
        node,
        clone,
        *(Need("/pool/web", privilege) for privilege in ("Pool.Allocate", "Pool.Audit", "VM.Allocate")),
    }
    assert more(replace(MINIMAL, clone_from=None, storage="fast", os_template="store:vztmpl/a:b")) == {
        node,
        Need("/storage/fast", "Datastore.AllocateSpace"),
        Need("/storage/fast", "Datastore.Audit"),
        Need("/storage/store", "Datastore.Audit"),
    }


def test_a_template_may_be_cloned_by_what_is_granted_on_its_pool() -> None:
    template = replace(MINIMAL, ctid=900, clone_from=None, pool="lab")
    assert Need("/vms/900", "VM.Clone", or_on="/pool/lab") in needs({900: template, 103: MINIMAL})


def test_a_bridge_is_used_with_each_of_its_vlans() -> None:
    networks = (Network("vmbr0"), Network("vmbr1", "eth1", vlan=5), Network("vmbr2", "eth2", vlan=6, trunks=(7, 8)))
    declared = replace(MINIMAL, network=networks[0], more_networks=(*networks[1:], Network("vmbr3", trunks=(9,))))
    used = {need.path for need in needs({103: declared}) if need.privilege == "SDN.Use"}
    wanted = {"vmbr0", "vmbr1/5", "vmbr2/6", "vmbr2/7", "vmbr2/8", "vmbr3/9"}
    assert used == {f"{BRIDGES}/{one}" for one in wanted}


def test_of_a_vnet_nothing_is_asked_for_among_the_bridges_of_the_nodes() -> None:
    bridge, tagged, longer = (Need(f"{BRIDGES}/{one}", "SDN.Use") for one in ("blue", "blue/20", "blues"))
    other = Need("/vms/103", "VM.Audit")
    assert without_vnets([bridge, tagged, longer, other], {"blue", "103"}) == {longer, other}
    assert without_vnets([bridge, other], ()) == {bridge, other}


def test_an_os_template_that_is_absent_is_downloaded() -> None:
    volume, other = "store:vztmpl/a:b", "store:vztmpl/c"
    fetched = replace(MINIMAL, clone_from=None, os_template=volume, download=Download("a:b", url="https://a/b"))
    there = replace(fetched, ctid=104, node="pve2", os_template=other)
    catalog = {103: fetched, 104: there, 105: replace(MINIMAL, ctid=105, node="pve3")}
    assert needs(catalog, [volume]) - needs(catalog) == {
        Need("/storage/store", "Datastore.AllocateTemplate"),
        Need("/nodes/pve1", "Sys.AccessNetwork"),
    }


def test_a_rebuild_needs_its_own() -> None:
    template, scratch = replace(MINIMAL, ctid=900), replace(MINIMAL, ctid=9900)
    assert needs({}, rebuilt=[(template, scratch)]) == set(of_rebuild(template, scratch))


def test_what_is_asked_about_are_the_paths_and_those_above() -> None:
    wanted = [Need("/vms/103", "VM.Audit", "/pool/web"), Need(f"{BRIDGES}/vmbr0/5", "SDN.Use")]
    assert paths(wanted) == ("/pool/web", BRIDGES, f"{BRIDGES}/vmbr0/5", "/vms", "/vms/103")


def test_a_copy_needs_what_its_template_needs_and_is_cloned() -> None:
    template = replace(MINIMAL, ctid=900, clone_from=None, pool="lab", storage="fast")
    copy = replace(template, ctid=9100, node="pve2", copy_of=900)
    found = needs({900: template}, copies=[copy]) - needs({900: template})
    node, clone = Need("/nodes/pve2", "Sys.Audit"), Need("/vms/9100", "VM.Clone", or_on="/pool/lab")
    assert found == {*on_guest(copy), node, clone}


def test_a_storage_or_bridge_is_seen_by_any_privilege_that_shows_it() -> None:
    bridge = f"{BRIDGES}/vmbr0"
    wanted = [
        Need("/storage/a", "Datastore.AllocateSpace"),
        Need("/storage/a", "Datastore.Audit"),
        Need("/storage/b", "Datastore.Audit"),
        Need("/storage/b", "Datastore.AllocateSpace"),
        Need("/storage/c", "Datastore.Audit"),
        Need("/storage/d", "Datastore.AllocateTemplate"),
        Need(f"{bridge}/5", "SDN.Use"),
        Need("/sdn/zones/localnetwork/vmbr1", "SDN.Use"),
        Need("/vms/103", "VM.Audit"),
    ]
    assert unseen(wanted, {}) == {"/storage/a", "/storage/b", "/storage/c", bridge, f"{BRIDGES}/vmbr1"}
    held = {
        "/storage/a": {"Datastore.AllocateSpace"},
        "/storage/b": {"Datastore.AllocateSpace"},
        f"{bridge}/5": {"SDN.Use"},
    }
    assert unseen(wanted, {path: frozenset(those) for path, those in held.items()}) == {
        "/storage/c",
        f"{BRIDGES}/vmbr1",
    }


WANTED = frozenset(
    {
        Need("/vms/99", "VM.Audit"),
        Need("/vms/103", "VM.Audit"),
        Need("/vms/103", "VM.Allocate"),
        Need("/storage/a", "Datastore.Audit"),
        Need("/storage/b", "Datastore.Audit"),
        Need("/nodes/pve1", "Sys.Audit"),
    }
)


def holding(**privileges: str) -> dict[str, frozenset[str]]:
    """What is held on each path; its slashes are written as underscores."""
    held = {f"/{path.replace('_', '/')}": frozenset(those.split()) for path, those in privileges.items()}
    return dict.fromkeys(paths(WANTED), frozenset[str]()) | held


def test_a_token_that_has_all_is_told_how_much_that_is() -> None:
    held = holding(vms_99="VM.Audit", vms_103="VM.Audit VM.Allocate", nodes_pve1="Sys.Audit")
    held |= {"/storage/a": frozenset({"Datastore.Audit"}), "/storage/b": frozenset({"Datastore.Audit"})}
    assert list(judge_privileges(WANTED, held, USER, TOKEN)) == [
        Line("Proxmox privileges", Level.OK, f"{TOKEN} has all 4 required privileges")
    ]


def grant(*places: str) -> str:
    modify = f"--users {USER} --tokens '{TOKEN}' --roles Phoenix"
    if len(places) == 1:
        return f"pveum acl modify {places[0]} {modify}"
    return f'for path in {" ".join(places)}; do pveum acl modify "$path" {modify}; done'


def command(whole: str, missing: str, *places: str) -> str:
    return f'{MAKE} "{whole}" 2>/dev/null || pveum role modify Phoenix --privs "{missing}" --append 1; {grant(*places)}'


def test_a_token_without_anything_lacks_all_and_gets_it_in_one_command() -> None:
    everything = "Datastore.Audit Sys.Audit VM.Allocate VM.Audit"
    assert list(judge_privileges(WANTED, holding(), USER, TOKEN)) == [
        Line(
            "Proxmox privileges",
            Level.ERROR,
            f"{TOKEN} lacks Datastore.Audit on /storage/a, /storage/b; Sys.Audit on /nodes/pve1; VM.Allocate, "
            "VM.Audit on /vms/103; VM.Audit on /vms/99",
            command(everything, everything, "/storage", "/nodes/pve1", "/vms"),
        )
    ]


def test_what_is_lacking_in_one_place_is_granted_there() -> None:
    held = holding(vms_99="VM.Audit", nodes_pve1="Sys.Audit", storage_a="Datastore.Audit", vms_103="VM.Audit")
    held["/vms/103"] = frozenset({"VM.Allocate", "VM.Audit"})
    assert list(judge_privileges(WANTED, held, USER, TOKEN)) == [
        Line(
            "Proxmox privileges",
            Level.ERROR,
            f"{TOKEN} lacks Datastore.Audit on /storage/b",
            command("Datastore.Audit", "Datastore.Audit", "/storage/b"),
        )
    ]


def test_where_something_else_is_granted_below_it_is_granted_there_too() -> None:
    held = holding(vms="VM.Monitor", vms_103="VM.Console", vms_99="VM.Monitor", nodes_pve1="Sys.Audit")
    held |= {"/storage/a": frozenset({"Datastore.Audit"}), "/storage/b": frozenset({"Datastore.Audit"})}
    assert list(judge_privileges(WANTED, held, USER, TOKEN)) == [
        Line(
            "Proxmox privileges",
            Level.ERROR,
            f"{TOKEN} lacks VM.Allocate, VM.Audit on /vms/103; VM.Audit on /vms/99",
            command("VM.Allocate VM.Audit", "VM.Allocate VM.Audit", "/vms", "/vms/103"),
        )
    ]


def test_grants_on_guests_go_with_them() -> None:
    held = holding(vms="VM.Allocate", vms_99="VM.Audit", vms_103="VM.Audit VM.Allocate")
    assert list(judge_lasting(WANTED, held, USER, TOKEN)) == [
        Line(
            "Proxmox grants",
            Level.WARNING,
            f"Proxmox deletes those on /vms/99, /vms/103 with the container, and elsewhere {TOKEN} has no VM.Audit: "
            "it cannot be made again, and no rebuild begins",
            command("VM.Allocate VM.Audit", "VM.Audit", "/vms"),
        )
    ]
    assert list(judge_lasting(WANTED, holding(vms="VM.Allocate VM.Audit", vms_99="VM.Audit"), USER, TOKEN)) == []
    assert list(judge_lasting(WANTED, holding(storage_a="Datastore.Audit"), USER, TOKEN)) == []


POOLED = frozenset(
    {
        *(Need(f"/vms/{ctid}", "VM.Audit", or_on=f"/pool/{pool}") for ctid, pool in ((103, "web"), (104, "lab"))),
        Need("/storage/a", "Datastore.Audit"),
    }
)


@pytest.mark.parametrize(
    ("held", "places"),
    [
        ({}, ("/storage/a", "/pool/lab", "/pool/web")),
        ({"/vms": "X", "/vms/103": "X", "/vms/104": "X"}, ("/storage/a", "/pool/lab", "/pool/web")),
        ({"/vms": "X", "/vms/103": "Y", "/vms/104": "X"}, ("/storage/a", "/pool/lab", "/pool/web", "/vms/103")),
        ({"/vms": "X", "/pool/web": "Y", "/vms/103": "X Y", "/vms/104": "X"}, ("/storage/a", "/pool/lab", "/pool/web")),
        ({"/vms": "X", "/vms/104": "X VM.Audit", "/storage/a": "Datastore.Audit"}, ("/pool/web", "/vms/103")),
    ],
)
def test_what_guests_of_pools_lack_is_granted_on_their_pools(held: dict[str, str], places: tuple[str, ...]) -> None:
    """And on a guest itself, where something else is granted: nothing from above holds there."""
    found = {path: frozenset(held.get(path, "").split()) for path in paths(POOLED)}
    (line,) = judge_privileges(POOLED, found, USER, TOKEN)
    assert line.remedy.endswith(f"; {grant(*places)}")


def test_guests_are_told_in_the_order_of_their_numbers() -> None:
    wanted = frozenset(Need(f"/vms/{ctid}", "VM.Audit") for ctid in (1000, 99, 103))
    (line,) = judge_privileges(wanted, {"/vms": frozenset(), "/x": frozenset({"y"})}, USER, TOKEN)
    assert line.text == f"{TOKEN} lacks VM.Audit on /vms/99, /vms/103, /vms/1000"
