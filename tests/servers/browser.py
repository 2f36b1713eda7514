"""A headless Chromium, and a server of pages that acts as a foreign site."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
_SCRIPTS = Path(__file__).parents[2] / ".venv/browser/node_modules"
DROPZONE = _SCRIPTS / "dropzone/dist/min/dropzone.min.js"
DROPZONE_6 = _SCRIPTS / "dropzone-6/dist/dropzone-min.js"
PLUPLOAD = _SCRIPTS / "plupload/js/plupload.full.min.js"
RESUMABLE = _SCRIPTS / "resumablejs/resumable.js"
FINE_UPLOADER = _SCRIPTS / "fine-uploader/fine-uploader/fine-uploader.core.js"
UPPY = _SCRIPTS / "uppy/dist/uppy.min.js"
AXE = _SCRIPTS / "axe-core/axe.min.js"
SCRIPT_SECONDS = 30
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root in a container
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
    # Every host name resolves to this machine, so that pages can have origins with different names.
    "--host-resolver-rules=MAP * 127.0.0.1",
)


class Browser(webdriver.Chrome):
    """Chromium with further methods for tests."""

    def get(self, url: str) -> None:
        """Open a page and wait for its scripts, because the driver may return
        before they have run.
        """
        super().get(url)
        WebDriverWait(self, SCRIPT_SECONDS).until(
            lambda _: self.execute_script("return document.readyState") == "complete"
        )

    def run(self, script: str, *arguments: object) -> Any:
        """Run an async function's body in the page and return its value."""
        wrapped = (
            "const [done, given] = [arguments[arguments.length - 1], [...arguments].slice(0, -1)];"
            f"(async function(...args) {{ {script} }})(...given)"
            ".then(value => done({value}), error => done({error: String(error)}))"
        )
        answer = self.execute_async_script(wrapped, *arguments)
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def command(self, name: str, /, **parameters: object) -> None:
        """Send a command of the DevTools protocol."""
        self.execute_cdp_cmd(name, dict(parameters))

    def errors(self) -> str:
        """Return the messages of the browser's console since the last call."""
        return "\n".join(entry["message"] for entry in self.get_log("browser"))  # type: ignore[no-untyped-call]


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """Yield a browser with an empty profile in this folder."""
    options = Options()
    options.binary_location = CHROMIUM
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(CHROMEDRIVER)
    browser = Browser(options=options, service=service)
    try:
        browser.set_script_timeout(SCRIPT_SECONDS)
        browser.set_page_load_timeout(SCRIPT_SECONDS)
        yield browser
    finally:
        browser.quit()


class Site:
    """Pages by path, served for any host name. Each host name is a separate origin."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, tuple[str, bytes]] = {
            "/dropzone.min.js": ("text/javascript", DROPZONE.read_bytes()),
        }

    def origin(self, host: str) -> str:
        """Return the origin of the pages under this host name."""
        return f"http://{host}:{self.port}"

    def page(self, html: str, path: str = "/page") -> str:
        """Serve a page from now on and return its path."""
        document = f"<!doctype html><meta charset=utf-8><title>page</title>{html}"
        self.pages[path] = ("text/html; charset=utf-8", document.encode())
        return path


@contextmanager
def serving_pages() -> Iterator[Site]:
    """Yield a site on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = site.pages.get(self.path.partition("?")[0], ("text/plain", b""))
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Site(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
