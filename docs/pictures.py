"""The pictures of the report in README and docs: `python docs/pictures.py runs/demo` (needs the program chromium)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_SHOWN = {"report-figures": ("", 1480), "report-examples": ("#split=0&round=1", 1000)}


def main(run: Path) -> None:
    """Write docs/images/*.png."""
    page_of = (run / "report" / "index.html").resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (place, height) in _SHOWN.items():
            page = browser.new_page(viewport={"width": 1280, "height": height})
            page.goto(page_of + place)
            page.wait_for_selector("#items[aria-busy=false]", state="attached")
            page.wait_for_timeout(1000)  # frames and the first pictures of videos
            page.screenshot(path=Path(__file__).parent / "images" / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
