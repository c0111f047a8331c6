"""A Sphinx extension of this book: from the glossary and the bibliography back to the chapters.

Below each word and each work the sections that link to it; above the glossary a line of
letters. Numbers of arXiv become links.
"""

import re
from itertools import groupby
from pathlib import Path

from words import words_of

# What is met on the way through a chapter: a section, its number, a word or a work.
STEP = re.compile(
    r'<section [^>]*id="(?P<section>[^"]+)"'
    r'|<span class="section-number">(?P<number>[\d.]+?)\.? '
    r'|href="(?:glossary|bibliography)\.html#(?P<target>[^"]+)"'
)
WORDS = re.compile(
    r'(?P<names>(?:<dt id="term-.*?</dt>)+)(?P<meaning><dd>.*?)(?P<end></dd>)', re.DOTALL
)
NAME = re.compile(r'<dt id="(term-[^"]+)">(.)')
WORK = re.compile(
    r'<div class="citation" id="(?P<name>[^"]+)"[^>]*>\s*<span class="label">.*?</span>\s*'
    r"<p>(?P<meaning>.*?)</p>",
    re.DOTALL,
)
ARXIV = re.compile(r"\barXiv:(\d{4}\.\d{4,5})")
USED_IN = "In {links}"
LIST = '<dl class="simple glossary">'


def uses(chapters):
    """Where each word and work is linked: its id -> {number of a section: its address}."""
    found = {}
    for page, text in chapters.items():
        section = number = None
        for step in STEP.finditer(text):
            if step["section"]:
                section, number = step["section"], None
            elif step["number"]:
                number = number or step["number"]
            elif number:
                found.setdefault(step["target"], {})[number] = f"{page}.html#{section}"
    return found


def line(names, used, say):
    """Links to the sections that use one of these names; empty if none does."""
    places = {n: place for name in names for n, place in used.get(name, {}).items()}
    links = say(", ").join(f'<a href="{place}">{n}</a>' for n, place in places.items())
    return f'<p class="used-in">{say(USED_IN).format(links=links)}</p>\n' if links else ""


def of_words(text, used, say):
    """The page of the glossary with its letters, and with the places where a word is used."""

    def with_uses(words):
        names = [name for name, _ in NAME.findall(words["names"])]
        return f"{words['names']}{words['meaning']}{line(names, used, say)}{words['end']}"

    first = [NAME.search(words["names"]).groups() for words in WORDS.finditer(text)]
    letters = groupby(first, lambda word: word[1].upper())
    links = " ".join(f'<a href="#{next(words)[0]}">{letter}</a>' for letter, words in letters)
    nav = f'<nav class="letters" aria-label="{say("Letters")}">{links}</nav>\n'
    return WORDS.sub(with_uses, text).replace(LIST, nav + LIST, 1)


def of_works(text, used, say):
    """The bibliography with the places where a work is cited; its labels go."""

    def with_uses(work):
        meaning = ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', work["meaning"])
        return f'<div class="citation" id="{work["name"]}">\n<p>{meaning}</p>\n' + line(
            [work["name"]], used, say
        )

    return WORK.sub(with_uses, text)


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "chapters"
    numbered = [Path(name).name for name, numbers in app.env.toc_secnumbers.items() if numbers]
    chapters = {
        name: (folder / f"{name}.html").read_text("utf-8")
        for name in sorted(numbered, key=lambda n: app.env.toc_secnumbers[f"chapters/{n}"][""])
    }
    for name, mend in {"glossary": of_words, "bibliography": of_works}.items():
        page = folder / f"{name}.html"
        if page.exists() and 'class="used-in"' not in (text := page.read_text("utf-8")):
            page.write_text(mend(text, uses(chapters), words_of(app)), encoding="utf-8")


def setup(app):
    app.connect("build-finished", finish, priority=450)  # before Chinese words are marked
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
