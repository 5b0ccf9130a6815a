"""Makes the pictures of the pages: ``python docs/screenshots.py [docs/images]``, in a real browser.

A company of 300 made-up accounts is put into a store in a temporary folder, with curves and with what managers look
at, and served; chromium takes the pictures.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from churnml.serving.app import create_app

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from made_up_company import fill_store, keep_figures, serving

_ACCOUNTS = 300


@contextmanager
def served() -> Iterator[tuple[str, str]]:
    """Serve the made-up company; yield the address and an account that waits for somebody."""
    import uvicorn

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        fill_store(url, _ACCOUNTS)
        keep_figures(url, Path(folder) / "company")
        with serving(url, Path(folder)) as (state, account):
            server = uvicorn.Server(uvicorn.Config(create_app(state), port=0, log_level="warning"))
            running = threading.Thread(target=server.run, daemon=True)
            running.start()
            while not server.started:
                time.sleep(0.05)
            port = server.servers[0].sockets[0].getsockname()[1]
            try:
                yield f"http://127.0.0.1:{port}", account
            finally:
                server.should_exit = True
                running.join(timeout=10)


def main() -> None:
    """Take the pictures."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    target.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with served() as (base, account), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        reason, history = ".reasons details:first-of-type > summary", "#history summary"
        for name, path, width, height, scheme, locale, then in (
            ("today", "/?owner=ann", 1280, 860, "light", "en", ()),
            ("today-390", "/?owner=ann", 390, 844, "dark", "ja", ()),
            ("accounts", "/accounts", 1280, 720, "light", "en", ()),
            ("account", f"/accounts/{account}", 1280, 1500, "light", "en", (reason,)),
            ("account-history", f"/accounts/{account}#history", 390, 844, "light", "en", (history,)),
            ("account-ja", f"/accounts/{account}", 1280, 860, "dark", "ja", ()),
            ("company", "/company", 1280, 860, "light", "en", ()),
            ("renewals", "/company/renewals", 1280, 760, "light", "en", ()),
            ("team", "/team", 1280, 560, "dark", "en", ()),
        ):
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
                locale=locale,
            )
            _save(context, base + path, then, target / f"{name}.webp", Image)
            context.close()
        browser.close()


def _save(context: Any, address: str, then: Sequence[str], path: Path, image: Any) -> None:
    page = context.new_page()
    page.goto(address)
    for summary in then:
        page.locator(summary).first.click()
    page.mouse.move(0, 0)
    _, _, part = address.partition("#")
    page.evaluate("part => part ? document.getElementById(part).scrollIntoView() : scrollTo(0, 0)", part)
    picture = image.open(io.BytesIO(page.screenshot()))
    picture.save(path, "WEBP", quality=80, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
