"""`make serve`: files come with the types that a browser runs, whatever the system believes."""

import mimetypes
import re
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tools import serve

ROOT = Path(__file__).resolve().parent.parent
WANTED = {
    "worker.mjs": "text/javascript",
    "live.js": "text/javascript",
    "pyodide.asm.wasm": "application/wasm",
    "pyodide-lock.json": "application/json",
    "index.html": "text/html",
    "book.css": "text/css",
    "logo.svg": "image/svg+xml",
}


@pytest.fixture
def ask(tmp_path):
    """`ask(name)`: the status and headers of a file on a running server."""
    for name in WANTED:
        (tmp_path / name).write_bytes(b"\0asm")
    with serve.server(tmp_path, port=0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()

        def answer(name, **headers):
            with closing(HTTPConnection(*running.server_address, timeout=30)) as connection:
                connection.request("GET", f"/{name}", headers=headers)
                response = connection.getresponse()
                response.read()
                return response.status, response.headers

        yield answer
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("name", WANTED)
def test_the_type_is_right_also_where_the_system_has_another(ask, name, monkeypatch):
    monkeypatch.setattr(mimetypes, "guess_type", lambda *_, **__: ("text/plain", None))
    status, headers = ask(name)
    assert (status, headers.get_content_type()) == (200, WANTED[name])


def test_a_file_that_has_not_changed_is_not_sent_again(ask):
    _, headers = ask("pyodide.asm.wasm")
    assert headers["Cache-Control"] == "no-cache"
    when = {"If-Modified-Since": headers["Last-Modified"]}
    assert ask("pyodide.asm.wasm", **when)[0] == 304


def test_nobody_else_is_served(tmp_path):
    with serve.server(tmp_path, port=0) as running:
        assert running.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path, monkeypatch):
    def taken(*_, **__):
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(serve, "ThreadingHTTPServer", taken)
    with pytest.raises(SystemExit, match=r"^Port 8000 must be free.*tools\.serve 8001$"):
        serve.main()


def test_make_serve_is_this_server():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"\nserve: book .*\n\t\$\(BIN\)/python -m tools\.serve\n", makefile)
