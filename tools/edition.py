"""The settings of the Chinese edition, derived from the English ones for each build.

    python -m tools.edition

writes zh/_config.yml and zh/_toc.yml, so that addresses, extensions and contents are set once.
`make book` does it between the two builds.
"""

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
NOTICE = "# Derived from ../{} for each build: see tools/edition.py.\n"


def settings(config, say):
    """_config.yml of the edition: the English one, with other words and from one folder up."""
    new = yaml.safe_load(yaml.safe_dump(config))  # a copy
    sphinx = new["sphinx"]["config"]
    new |= {"title": say(config["title"]), "author": say(config["author"])}
    new["exclude_patterns"] = ["_build", ".*"]
    new["logo"] = f"../{config['logo'].replace('.svg', '_zh.svg')}"
    new["html"]["favicon"] = f"../{config['html']['favicon']}"
    new["repository"]["path_to_book"] = "zh"
    new["bibtex_bibfiles"] = [f"../{name}" for name in config["bibtex_bibfiles"]]
    extensions = new["sphinx"]["local_extensions"]
    new["sphinx"]["local_extensions"] = {
        name: f"../{place}" for name, place in extensions.items()
    }
    sphinx["html_static_path"] = [f"../{name}" for name in sphinx["html_static_path"]]
    sphinx |= {"project": say(config["title"]), "language": "zh_CN", "edition": "zh"}
    sphinx |= {"words": "words.json", "anchors_from": "..", "repository_root": ".."}
    if not sphinx["live_python"]:
        sphinx["live_shared"] = "../../../_static/live/"
    return new


def contents(toc, say):
    """_toc.yml of the edition."""
    if "parts" not in toc:
        return toc
    parts = [{**part, "caption": say(part["caption"])} for part in toc["parts"]]
    return {**toc, "parts": parts}


def write_settings(root=ROOT):
    """Write _config.yml and _toc.yml of the edition."""
    edition = root / "zh"
    words = json.loads((edition / "words.json").read_text(encoding="utf-8"))
    for name, derive in {"_config.yml": settings, "_toc.yml": contents}.items():
        data = yaml.safe_load((root / name).read_text(encoding="utf-8"))
        new = derive(data, lambda text: words.get(text, text))
        text = yaml.safe_dump(new, allow_unicode=True, sort_keys=False)
        (edition / name).write_text(NOTICE.format(name) + text, encoding="utf-8")


if __name__ == "__main__":
    write_settings()
