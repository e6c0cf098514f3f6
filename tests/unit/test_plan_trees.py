from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from phoenix_producer.cli.terminal import warnings_in
from phoenix_producer.cli.trees import DriftLines, PlanLines, TemplateLines
from phoenix_producer.contract import EnsureResult, Failure, Outcome
from phoenix_producer.plans import Action, Drift, Part, Plan, Why
from phoenix_producer.standing import Exists, Lane, Template

ROOT = Part(
    ctid=900,
    name="base",
    node="pve1",
    role="template",
    why=Why.TEMPLATE,
    needed_by=103,
    outcome=Outcome.CREATED,
    actions=(Action(kind="create", source="local:vztmpl/debian.tar.zst", detail="8 GiB"), Action(kind="seal")),
)
CA = Part(
    ctid=103,
    name="ca",
    node="pve1",
    why=Why.DEPENDENCY,
    needed_by=101,
    outcome=Outcome.CREATED,
    actions=(
        Action(kind="clone", source="900", detail="full"),
        Action(kind="change", key="memory", old="512", new="1024"),
        Action(kind="start"),
    ),
)
GUEST = Part(ctid=1002, role="guest", why=Why.DEPENDENCY, needed_by=101)
WEB = Plan(
    ctid=101,
    name="web",
    node="pve1",
    outcome=Outcome.UPDATED,
    actions=(Action(kind="change", key="swap", new="64"),),
    pending_restart=("features",),
    needs_rebuild=("CT 101 cannot become as declared: its disk is bigger.",),
    first=(ROOT, CA, GUEST),
    lines=("configure CT 101",),
    not_applied=("features: not yet",),
)
CA_ALONE = Plan(**{**dict(CA), "why": Why.ASKED, "needed_by": None}, first=(ROOT,), lines=("clone",))
PLAIN = """\
101  web  would be updated on pve1
     103  ca  would be created first on pve1 (101 depends on it)
          900  base  would be created first on pve1 (the template of 103)
               create from local:vztmpl/debian.tar.zst (8 GiB)
               seal
          clone from 900 (full)
          memory: 512 → 1024
          start
     1002  101 depends on it; it runs
     swap: unset → 64
     takes effect at the next start: features
     CT 101 cannot become as declared: its disk is bigger.
     not applied: features: not yet"""


def drawn(*answers: Plan | Failure, terminal: bool = False, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    lines = PlanLines(answers, console)
    return [line for answer in answers for line in lines(answer)]


def test_elsewhere_than_on_a_terminal_a_plan_is_plain_lines() -> None:
    assert drawn(WEB) == PLAIN.splitlines()


def test_on_a_terminal_it_is_a_tree_with_colors() -> None:
    lines = drawn(WEB, terminal=True)
    assert len(lines) == len(PLAIN.splitlines())
    assert "\x1b[1m101  web" in lines[0]
    (change,) = (line for line in lines if "memory" in line)
    assert "├── \x1b[0m\x1b[33mmemory: 512 → 1024" in change, "yellow, on the branch of 103"
    assert all("\x1b[" in line for line in lines[1:])


def test_what_has_a_plan_of_its_own_is_told_there_and_a_template_once() -> None:
    other = Plan(ctid=104, outcome=Outcome.CREATED, first=(ROOT.model_copy(update={"needed_by": 104}),), lines=("x",))
    lines = drawn(WEB, CA_ALONE, other)
    assert "     103  ca  would be created first on pve1 (101 depends on it): see there" in lines
    assert lines.count("          900  base  would be created first on pve1 (the template of 103)") == 0
    assert lines.count("     900  base  would be created first on pve1 (the template of 103)") == 1
    assert "     900  base  would be created first on pve1 (the template of 104): see above" in lines


def test_nothing_to_do_and_a_refusal() -> None:
    refusal = Failure(request_id="1", ctid=104, message="Unable to ensure.", cause="not-ours", remedy="Look.")
    assert drawn(Plan(ctid=103, name="ca"), refusal) == [
        "103  ca  nothing to do",
        "104  failed: Unable to ensure.",
        "     Look.",
    ]


@pytest.mark.parametrize("width", [30, 40, 60])
def test_a_narrow_terminal_wraps_and_cuts_nothing(width: int) -> None:
    lines = [Text.from_ansi(line).plain for line in drawn(WEB, terminal=True, width=width)]
    shown = "".join(lines).translate(str.maketrans("", "", "│├└─ \u00a0"))
    assert max(map(len, lines)) <= width
    assert shown == PLAIN.translate(str.maketrans("", "", " \n"))


def test_what_needs_a_rebuild_is_told_once() -> None:
    (small,) = WEB.needs_rebuild
    result = EnsureResult(request_id="1", ctid=101, node="pve1", outcome=Outcome.UNCHANGED, needs_rebuild=(small,))
    assert [*warnings_in([WEB])] == [], "the tree has it"
    assert [*warnings_in([result])] == [f"Warning: {small}"]
    console = Console(file=io.StringIO())
    other = Drift(ctid=101, exists=Exists.CONTAINER, needs_rebuild=(small,))
    old = Drift(ctid=900, exists=Exists.TEMPLATE, needs_rebuild=("It is small.",), outdated=("It is small: rebuild.",))
    assert [*DriftLines(console)([other])] == ["101  container", f"     {small}"]
    assert [*DriftLines(console)([old])] == ["900  template", "     It is small: rebuild."]


def test_templates_are_drawn_with_their_copies() -> None:
    old = Lane(
        ctid=9155,
        node="pve2",
        exists=Exists.TEMPLATE,
        storage="local-lvm",
        disks={"rootfs": 8, "mp0": 0.5},
        hash="0a1b2c3d",
        outdated=("It is old.",),
    )
    half = Lane(ctid=9187, node="pve1", exists=Exists.HALF_MADE, waiting=2)
    template = {"node": "pve1", "exists": Exists.TEMPLATE, "storage": "local-lvm"}
    templates = [
        Template(ctid=900, name="base", waiting=3, lanes=2, copies=(old, half), **template),
        Template(ctid=901, name="web", clone_from=900, problem="Not seen.", **template | {"exists": Exists.UNKNOWN}),
    ]
    assert list(TemplateLines(Console(file=io.StringIO()))(templates)) == [
        "900  base  template on pve1, local-lvm, 3 waiting, 2 lanes",
        "     9155  copy on pve2, local-lvm, 8 + 0.5 GiB, hash 0a1b2c3d, outdated",
        "          It is old.",
        "     9187  copy, half-made on pve1, 2 waiting",
        "901  web  template of 900, unknown on pve1, local-lvm",
        "     Not seen.",
    ]
