"""A real browser, driven by Playwright in a process of Node.js: `drive.mjs`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tests.support.http_door import HttpDoor

HERE = Path(__file__).parent


class Browser:
    """One browser with one page. Selectors are Playwright's; it waits for what it is asked to use."""

    def __enter__(self) -> Self:
        self._node = subprocess.Popen(
            ["node", HERE / "drive.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE
        )
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._node.communicate(timeout=60)

    def call(self, name: str, *given: Any) -> Any:
        """Call a method of the page."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        print(json.dumps({"do": name, "with": given}), file=self._node.stdin, flush=True)
        answer = json.loads(self._node.stdout.readline())
        assert "error" not in answer, f"{name}{given}: {answer['error']}"
        return answer["value"]

    def begin(self, *, width: int = 1280, height: int = 900, scheme: str = "light", **more: Any) -> None:
        """Forget everything, and have a new page of this size; `more` is for `drive.mjs` and Playwright."""
        self.call("begin", {"viewport": {"width": width, "height": height}, "colorScheme": scheme, **more})

    def open(self, door: HttpDoor, view: str = "", prefix: str = "") -> None:
        """Open a view, with the token of the door if it has one, and wait until it shows what there is."""
        url = f"{door.url}{prefix}/#/{view}"
        self.call("goto", "about:blank")
        self.call("goto", url)
        if door.token:
            self.call("waitForSelector", "#token, #views a")
            if self.has("#token"):
                self.enter(door.token)
        self.call("waitForSelector", "[data-shown]")

    def enter(self, token: str) -> None:
        """Give the page a token."""
        self.call("fill", "#token", token)
        self.call("click", "text=Look")

    def sees(self, *texts: str) -> None:
        """Wait until each is to be seen on the page."""
        for text in texts:
            self.call("waitForSelector", f"css=body >> text={text}")

    def has(self, selector: str) -> bool:
        """Tell whether something is there, and can be seen."""
        return bool(self.call("isVisible", selector))

    def texts(self, selector: str) -> list[str]:
        """The text of each that there is, on one line."""
        script = f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)"
        return [" ".join(text.split()) for text in self.call("evaluate", script)]

    def click(self, selector: str) -> None:
        self.call("click", selector)

    def complaints(self) -> list[str]:
        """What the browser complained of since it was asked last."""
        found: list[str] = self.call("said")
        return found
