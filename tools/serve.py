"""Serve the built book on this machine. Run by `make serve`.

    python -m tools.serve [PORT]

Python's own server takes types of files from tables of the system, and some of these call a
script plain text: a browser runs no module that comes so. The types that the pages need are set
here. A browser asks again at each visit, so that a new build is seen at once.
"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder, each with the type that a browser wants."""

    extensions_map: dict[str, str] = SimpleHTTPRequestHandler.extensions_map | TYPES

    def end_headers(self):
        self.send_header("Cache-Control", "no-cache")  # ask, and be told "not modified"
        super().end_headers()


def server(folder=SITE, port=8000):
    """A server of a folder, for this machine alone. Port 0 is any that is free.

    Raises
    ------
    OSError
        If the port is taken.
    """
    return ThreadingHTTPServer(("localhost", port), partial(Handler, directory=str(folder)))


def main(port=8000):
    try:
        running = server(port=port)
    except OSError as error:
        sys.exit(f"Port {port} must be free ({error}). Try python -m tools.serve {port + 1}")
    with running:
        print(f"http://localhost:{running.server_port}/  (Ctrl+C ends it)", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
