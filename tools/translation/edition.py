"""The Chinese edition: its sources in `zh/`, written from the English ones and the catalogues.

Chapters, the readmes of the zips and the words of the site are committed, since Colab, Binder
and GitHub need files, and so is the list of their hashes, by which an edit by hand is seen. The
settings of the edition are derived for each build (tools/edition.py).
"""

import dataclasses
import hashlib
import importlib
import json
import re

import nbformat

from companion.exercises import TOPICS
from companion.exercises.says import Language
from tools.refresh import GENERATED_PATTERN, QUESTIONS_PATTERN
from tools.translation import catalogues, checker, outputs, pages, site
from tools.translation.messages import ROOT, code, markdown

EDITION = ROOT / "zh"
HASHES = EDITION / "generated.json"
WORDS = ROOT / "companion" / "exercises" / "zh" / "words.json"
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def speaker(name):
    """`say` of a catalogue: from English to Chinese, or to itself where that is missing."""
    known = catalogues.known(catalogues.read(name))
    return lambda text: known.get(text, text)


def words_of_the_checker():
    """From each English sentence of the exercises to the Chinese one; sources as wholes."""
    words = catalogues.known(catalogues.read("companion"))

    def say(text):
        return words.get(text, text)

    for topic in TOPICS:
        for exercise in checker.exercises(topic):
            for source in (exercise.stub.strip(), exercise.answer.strip()):
                if (translated := code(source, say)) != source:
                    words[source] = translated
    return words


def generator(words):
    """From a cell that is written from an exercise to the same cell in Chinese."""
    chinese = Language(words, space="")

    def generate(source):
        marker = GENERATED_PATTERN.match(source) or QUESTIONS_PATTERN.match(source)
        module, name, *numbers = marker.groups()
        module = importlib.import_module(f"companion.exercises.{module}")
        exercise = dataclasses.replace(getattr(module, name), language=chinese)
        text = exercise.questions(*map(int, numbers)) if numbers else exercise.folded()
        return f"{marker[0]}\n\n{text}"

    return generate


def files():
    """All generated files: path below the root of the repository -> text."""
    words = words_of_the_checker()
    generate = generator(words)
    found = {}
    for path in pages.sources():
        say = speaker(path.stem)
        page = pages.translated(path, say, generate)
        if path.suffix == ".ipynb":
            outputs.translate(page, words)
            page = nbformat.writes(page) + "\n"
        found[f"zh/chapters/{path.name}"] = page
    say = speaker("site")
    for name in site.READMES:
        found[f"zh/{name}"] = readme((ROOT / name).read_text(encoding="utf-8"), say)
    found["zh/words.json"] = as_json({text: say(text) for text in site.messages_of()})
    found[WORDS.relative_to(ROOT).as_posix()] = as_json(words)
    return found


def readme(text, say):
    """A readme; what it tells to type is what speaks Chinese."""
    chinese = markdown(text, say)
    return FENCED.sub(
        lambda block: re.sub(r"companion\.exercises\b", "companion.exercises.zh", block[0]),
        chinese,
    )


def as_json(data):
    return json.dumps(data, ensure_ascii=False, indent=0) + "\n"


def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def edited_by_hand():
    """Generated files that are no longer what was written."""
    if not HASHES.exists():
        return []
    hashes = json.loads(HASHES.read_text(encoding="utf-8"))
    return [
        name
        for name, written in hashes.items()
        if (ROOT / name).exists()
        and hash_of((ROOT / name).read_text(encoding="utf-8")) != written
    ]


def stale(wanted):
    """Generated files that are not what the catalogues give, or that nothing gives."""
    there = {
        path.relative_to(ROOT).as_posix()
        for path in EDITION.rglob("*")
        if path.is_file() and "_build" not in path.parts and path.name not in NOT_LISTED
    }
    for name, text in wanted.items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield name
    yield from sorted(there - set(wanted))


NOT_LISTED = {"generated.json", "_config.yml", "_toc.yml"}


def write(wanted):
    """Store the generated files and their hashes. Names of those that changed."""
    changed = []
    for name, text in wanted.items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    for name in set(stale(wanted)) - set(wanted):
        (ROOT / name).unlink()
        changed.append(f"{name} (gone)")
    HASHES.write_text(
        as_json({n: hash_of(text) for n, text in sorted(wanted.items())}), "utf-8"
    )
    return changed
