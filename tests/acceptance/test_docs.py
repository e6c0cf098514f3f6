"""Every command in the documentation is run, or stands below with the reason why it is not."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import COMMAND
from tests.support.product import OS_TEMPLATE
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from tests.support.product import Product

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = {
    "sh",  # commands: each is looked at here
    "",  # text: what a program printed, a file's content
    "redis",  # acceptance/test_secured_redis.py
    "python",  # integration/test_documented_messages.py, and below
    "json",
    "ini",
    "js",
    "nginx",  # integration/test_http_behind_proxy.py
    "yaml",
}
_NODE = "needs a Proxmox node; integration/test_check.py shows that the role is enough"
_SUITE = "is what runs this test, or another target of the Makefile"
_INSTALLS = "installs the package: `make package` does it on each Python"
_RECIPE = "sets a node up: contract/test_access_recipes.py runs it for a stand-in of one"
NOT_RUN = {
    r"pveum .*": _NODE,
    r"git clone .*": "needs the place that the checkout comes from",
    r"cd phoenix-lxc": "as the line before",
    r"export PHOENIX_CONFORMANCE_SECRET=.*": "a secret of the reader's",
    r"make conformance .*": "works on a cluster that the reader names",
    r"make test": _SUITE,
    r"scripts/browser\.sh": _INSTALLS,
    r"make bench.*": "measures for many minutes, a machine of its own",
    r"make check": _SUITE,
    r"make demo( .*)?": "acceptance/test_demo.py runs what it runs",
    r"python3 -m venv .*": _INSTALLS,
    r"/opt/phoenix/bin/pip install .*": _INSTALLS,
    r"export PATH=.*": _INSTALLS,
    r"ssh-.*": _NODE,
    r"install -d .*": "makes a directory of the system's",
    r"systemctl .*": "needs systemd",
    r"runuser .*": "needs the user of the units",
    r"install -m 755 node_door.py .*": _RECIPE,
    r"echo '.*' >>.*": _RECIPE,
    r"(apt-get|adduser|chown|chmod|visudo) .*": _RECIPE,
    r"cat >/etc/.*": _RECIPE,
    r"phoenix-lxc ensure 103 --rerun .*": "acceptance/test_scripts.py: scripts need a node",
    r"curl .*": "acceptance/test_http.py does what each does, before a server",
    r"phoenix-lxc (serve|token)( .*)?": "integration/test_http_limits.py starts and asks it",
    r"export PHOENIX_REDIS_URL=.*": "the environment of what is run here is the test's",
    r"phoenix-lxc worker": "acceptance/test_worker_command.py starts it",
    r"phoenix-lxc setup systemd --print .* >.*": "integration/test_cli_setup.py prints and verifies the units",
    r"cat >(proxmox_token|redis_password|flower_login)": "is pasted into by the reader",
    r"cd /etc/.*": "a directory of the system's",
    r"unset PHOENIX_REDIS_URL": "acceptance/test_getting_started.py runs it where it belongs",
    r"umask .*": "is for the lines beside it",
    r"systemd-sysusers": "needs systemd",
    r"celery -A phoenix_producer.monitor flower .*": "support/flower.py starts Flower with these options",
}
"""Patterns of whole commands, each with the reason."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks: language and content."""
    return re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """The commands of the blocks in `sh`, without their comments."""
    found: list[str] = []
    for language, content in blocks(page):
        if language != "sh":
            continue
        without_files = re.sub(r" <<'(\w+)'\n.*?^\1$", "", content, flags=re.MULTILINE | re.DOTALL)
        for line in without_files.replace("\\\n", "").splitlines():
            command = re.sub(r"\s+#\s.*$", "", line).strip()
            found += [part.strip() for part in command.split(" && ")] if command else []
    return found


DOCUMENTED = [command for page in PAGES for command in commands(page)]
RUN = list(dict.fromkeys(one for one in DOCUMENTED if not any(re.fullmatch(known, one) for known in NOT_RUN)))


def test_every_block_says_what_it_is() -> None:
    for page in PAGES:
        strange = {language for language, _ in blocks(page)} - LANGUAGES
        assert not strange, page


def test_no_setting_has_a_comment_on_its_line() -> None:
    """systemd's `EnvironmentFile` and `docker run --env-file` take it for a part of the value."""
    for page in PAGES:
        for language, content in blocks(page):
            if language != "sh":
                assert not re.findall(r"^[A-Z_]+=.*[ \t]#.*$", content, re.MULTILINE), (page.name, content)


def test_no_command_hides_in_a_block_of_text() -> None:
    for page in PAGES:
        for language, content in blocks(page):
            if language == "":
                first = [line.split(maxsplit=1)[0] for line in content.splitlines() if line.split()]
                assert not {"phoenix-lxc", "celery", "pveum", "make", "pip"} & set(first), (page.name, content)


def test_each_block_can_be_typed_as_it_is(tmp_path: Path) -> None:
    """Python that defines each name that it uses, JSON that is some, shell without a syntax error."""
    for page in PAGES:
        for number, (language, content) in enumerate(blocks(page)):
            if language == "python":
                (tmp_path / f"{page.stem}_{number}.py").write_text(content)
            elif language == "json":
                json.loads(f"{{{content}}}" if content.startswith('"') else content)  # an entry, to be put among others
            elif language == "sh":
                done = subprocess.run(
                    ["bash", "-n"], check=False, input=content, capture_output=True, text=True, timeout=60
                )
                assert done.returncode == 0, (page.name, content, done.stderr)
    assert [*tmp_path.iterdir()]
    ruff = [str(Path(sys.executable).parent / "ruff"), "check", "--isolated", "--select", "F", str(tmp_path)]
    done = subprocess.run(ruff, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_what_is_not_run_is_still_documented() -> None:
    stale = [known for known in NOT_RUN if not any(re.fullmatch(known, one) for one in DOCUMENTED)]
    assert not stale


@pytest.mark.long
def test_each_command_that_can_run_here_does(product: Product, tmp_path: Path) -> None:
    """In the order of the pages, against the example catalog, with the worker that they start."""
    assert len(RUN) >= 8
    folder = tmp_path / "etc"
    folder.mkdir()
    catalog = json.loads(product.catalog.read_text())
    for entry in catalog["lxc_configs"].values():
        for key in ("features", "application_script", "health_check"):
            entry.pop(key, None)
    product.catalog.write_text(json.dumps(catalog))
    (folder / "phoenix_lxc_configs.json").write_text(json.dumps(catalog))
    environ = {**os.environ, **product.environ(), "COLUMNS": "120"}
    product.start_worker()
    ended = {}
    for command in RUN:
        done = subprocess.run(
            [COMMAND, *shlex.split(command)[1:]],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=folder,
            env=environ,
        )
        assert command.startswith("phoenix-lxc "), f"say in NOT_RUN why it is not run: {command}"
        assert "Traceback" not in done.stderr, done.stderr
        ended[command] = done.returncode, done.stdout + done.stderr
    worse = {command: said for command, (code, said) in ended.items() if code}
    assert not worse
    assert (
        "unchanged"
        in subprocess.run(
            [COMMAND, "ensure", "103"], check=True, capture_output=True, text=True, timeout=120, env=environ
        ).stdout
    )


def test_the_first_example_of_the_readme_prints_what_stands_below_it(product: Product) -> None:
    """On the example catalog, without what needs shell access: its scripts run elsewhere."""
    product.start_worker()
    shown = blocks(ROOT / "README.md")
    first = [language for language, _ in shown].index("python")
    (_, script), (_, printed) = shown[first : first + 2]
    done = subprocess.run(
        [sys.executable, "-c", script.replace("redis://redis.example:6379/0", product.environ()["PHOENIX_REDIS_URL"])],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == printed


def test_what_waits_for_redis_in_an_example_waits_for_as_long_as_it_says() -> None:
    """redis-py 8 ends each read after five seconds by default, and with it whoever follows a quiet stream."""
    waiting = [code for page in PAGES for language, code in blocks(page) if language == "python" and "block=" in code]
    assert waiting
    for code in waiting:
        names: dict[str, Any] = {}
        exec(code.partition("while True:")[0], names)  # noqa: S102 - an example of ours; connects to nothing
        patience = names["redis"].connection_pool.make_connection().socket_timeout
        blocks_for = max(int(number) for number in re.findall(r"block=([\d_]+)", code)) / 1000
        assert patience is None or patience > blocks_for


def test_the_layers_of_the_architecture_page_are_those_that_are_held() -> None:
    (shown,) = [text for language, text in blocks(ROOT / "docs" / "architecture.md") if language == "ini"]
    assert shown in (ROOT / ".importlinter").read_text()


def test_the_rooms_of_the_architecture_page_have_the_modules_that_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)/` \| [^|]+ \| (.*) \|$", page, re.MULTILINE)
    named = {room: set(re.findall(r"`([a-z_]+)`", modules)) for room, modules in rows if "…" not in modules}
    assert named.keys() >= {"commands", "check", "tasks", "answers", "actions", "telemetry"}
    for room in (room for room, modules in named.items() if modules):
        files = (ROOT / "worker" / "phoenix_worker" / room).glob("[!_]*.py")
        assert named[room] == {file.stem for file in files}, room


def test_every_decision_is_listed_with_its_title() -> None:
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    titles = {file.name: file.read_text().partition("\n")[0] for file in sorted(folder.glob("0*.md"))}
    assert {file: f"# {number}. {title}" for number, title, file in listed} == titles


def test_files_that_are_named_are_there() -> None:
    """In pages, docstrings and comments; of a path, its end."""
    git = ["git", "ls-files"]
    files = subprocess.run(git, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout.splitlines()
    texts = [file for file in files if file.endswith((".py", ".lua", ".md")) and file != "CHANGELOG.md"]
    named = {
        (text, name)
        for text in texts
        for name in re.findall(r"`([\w/]+\.(?:py|lua|mjs))`", (ROOT / text).read_text(encoding="utf-8"))
    }
    ends = {"/".join(file.split("/")[-parts:]) for file in files for parts in range(1, file.count("/") + 2)}
    assert {(text, name) for text, name in named if name not in ends} == set()


def test_the_smallest_catalog_is_one(product: Product) -> None:
    """That of getting-started.md, with the OS template that the test's node has."""
    (content,) = [
        text
        for language, text in blocks(ROOT / "docs" / "getting-started.md")
        if language == "json" and "lxc_configs" in text
    ]
    declared = json.loads(content)
    declared["lxc_configs"]["900"]["template"] = OS_TEMPLATE
    product.catalog.write_text(json.dumps(declared))
    product.start_worker()
    assert product.ensure(103).outcome == "created"
    assert product.ensure(103).outcome == "unchanged"
