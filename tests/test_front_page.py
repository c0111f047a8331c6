"""The front page says of the chapters what the chapters say of themselves."""

import re
from pathlib import Path

import nbformat
import pytest
import yaml

from companion.exercises import TOPICS
from tools.chapter_rules import CLOSING

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
INDEX = (CHAPTERS / "index.md").read_text(encoding="utf-8")
PATHS = re.findall(r"^### (.+)\n\n(\d+) minutes\.\n\n((?:[- ] .+\n)+)", INDEX, re.MULTILINE)
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def prose_of(topic):
    cells = nbformat.read(CHAPTERS / f"{topic}.ipynb", as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def marks(topic):
    """Heading of each section -> its mark and its minutes."""
    found = re.findall(
        r"^## (.+)\n+\*(Essential|Deeper) · (\d+) minute", prose_of(topic), re.MULTILINE
    )
    return {heading: (mark, int(minutes)) for heading, mark, minutes in found}


def slug(heading):
    return re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-")


def test_these_are_the_paths():
    assert [name for name, _, _ in PATHS] == [
        "Softmax in one hour",
        "Why cross-entropy",
        "My loss is wrong",
        "Distillation",
        "Language models",
        "To the last digit",
    ]


@pytest.mark.parametrize(("name", "minutes", "sections"), PATHS, ids=[p[0] for p in PATHS])
def test_a_path_is_made_of_sections_and_takes_their_minutes(name, minutes, sections):
    links = re.findall(r"\[(.+?)\]\((\w+)\.ipynb#([\w-]+)\)", sections)
    assert len(links) >= 5
    assert sum(marks(topic)[heading][1] for heading, topic, _ in links) == int(minutes)
    assert all(slug(heading) == anchor for heading, _, anchor in links)
    if name not in ("To the last digit", "My loss is wrong"):
        assert {marks(topic)[heading][0] for heading, topic, _ in links} == {"Essential"}


@pytest.mark.parametrize("number", range(1, len(TOPICS) + 1))
def test_the_list_of_chapters_is_that_of_the_chapters(number):
    topic = list(TOPICS)[number - 1]
    prose = prose_of(topic)
    title, question = re.match(r"# (.+)\n\n\*(.+)\*\n", prose).groups()
    (about,) = re.findall(r"\*\*About (\d+) minutes\.?\*\*", prose)
    entry = rf"\n{number}\. \*\*\[{title}\]\({topic}\.ipynb\)\*\*\. \*{re.escape(question)}\*\n"
    assert re.search(rf"{entry}.+; {about} minutes\.\n", INDEX)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"| [{title}](chapters/{topic}.ipynb) | {question} |" in readme


@pytest.mark.parametrize("topic", TOPICS)
def test_the_minutes_of_sections_are_those_of_the_chapter(topic):
    """Within the ten minutes that its opening, its closing sections and rounding take."""
    prose, sections = prose_of(topic), marks(topic)
    about = int(re.search(r"About (\d+) minutes", prose)[1])
    hurry = int(re.search(r"marked \*Essential\*, (\d+) minutes", prose)[1])
    essential = sum(minutes for mark, minutes in sections.values() if mark == "Essential")
    assert 0 <= about - sum(minutes for _, minutes in sections.values()) <= 10
    assert 0 <= hurry - essential <= 3
    headings = re.findall(r"^## (.+)$", prose, re.MULTILINE)
    assert [h for h in headings if h not in CLOSING] == list(sections)


def test_problems_lead_to_sections_that_are_there():
    rows = INDEX[INDEX.index("## Which chapter") : INDEX.index("## Short paths")]
    links = re.findall(r"\((\w+)\.ipynb#([\w-]+)\)", rows)
    assert len(links) >= 8
    for topic, anchor in links:
        assert anchor in map(slug, marks(topic)), anchor


@pytest.mark.parametrize("page", ["index.md", "about.md"])
def test_version_and_date_are_those_of_the_citation(page):
    text = (CHAPTERS / page).read_text(encoding="utf-8")
    assert str(CITATION["version"]) in text
    assert str(CITATION["date-released"]) in text


def test_it_can_be_cited_as_the_citation_file_says():
    text = (CHAPTERS / "about.md").read_text(encoding="utf-8")
    entry = re.search(r"```bibtex\n(.*?)```", text, re.DOTALL)[1]
    assert CITATION["title"] in entry
    assert CITATION["authors"][0]["name"] in entry
