"""A Sphinx extension of this book: what the site says by itself, in the edition's language.

The extensions and scripts hold English sentences. An edition in another language sets `words`
in its _config.yml to a JSON file, from these sentences to its own (tools/translation writes
it). The scripts get theirs in front of static/say.js.
"""

import json
from pathlib import Path

from sphinx.errors import ExtensionError

IN_THE_SCRIPTS = "window.bookWords = {words};\n"


def load(app, config):
    """Read the words, if this edition has any."""
    config.said = {}
    if config.words:
        file = Path(app.srcdir, config.words)
        if not file.is_file():
            raise ExtensionError(f"words in _config.yml must be a JSON file; {file} is none.")
        config.said = json.loads(file.read_text(encoding="utf-8"))


def root_of(app):
    """The folder of the repository: another edition lies in a folder of its own there."""
    return Path(app.srcdir, app.config.repository_root).resolve()


def words_of(app):
    """`say`: from an English sentence of the site to that of the edition."""
    return lambda english: app.config.said.get(english, english)


def tell_the_scripts(app, exception):
    """Put the words before the function that the scripts ask."""
    if exception or app.builder.format != "html" or not app.config.said:
        return
    script = Path(app.outdir, "_static", "say.js")
    text = script.read_text(encoding="utf-8")
    words = json.dumps(app.config.said, ensure_ascii=False, separators=(",", ":"))
    before = IN_THE_SCRIPTS.format(words=words.replace("</", "<\\/"))
    if not text.startswith(before):
        own = text[text.index("// The words") :]
        script.write_text(before + own, encoding="utf-8")


def setup(app):
    app.add_config_value("words", "", "html", str)
    app.add_config_value("repository_root", ".", "html", str)
    app.add_config_value("said", {}, "html", dict)
    app.connect("config-inited", load)
    app.connect("build-finished", tell_the_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
