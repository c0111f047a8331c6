"""The Chinese edition as readers have it: pages, search, switch of language, zips, PDF."""

import json
import re
import shutil
from zipfile import ZipFile

import layout
import nbformat
import pytest
from book import REPOSITORY, SITE
from bs4 import BeautifulSoup, Comment
from live_page import visiting
from pypdf import PdfReader
from test_browser import NAMES, ROOT, Visit, faults
from test_downloads import ITEM
from test_paper import printed, squeezed

from companion.exercises import TOPICS
from tools import edition as settings
from tools import pdf
from tools.refresh import execute
from tools.translation import faults as kept

HAN = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"[A-Za-z]{2,}")
PAGES = [name for name in NAMES if name != "404"]
# Wide in the dark and narrow in the light: the English pages are seen in all four.
SETTINGS = ((1280, "dark"), (360, "light"))
STRUCTURE = (
    "section[id]", ".predict", ".gives", ".question", ".section-mark", "details.hint",
    "details.hide", ".interactive", ".one-row", ".where-to-run", ".live-note", ".math", "pre",
    ".cell", "table", "a.reference.internal", "dl.py", ".used-in", ".check",
)  # fmt: skip
# What is English on a Chinese page: names, keys, units; authors and titles have their language.
ALLOWED = re.compile(
    r"(?:SciPy|PyTorch|TensorFlow|Keras|NumPy|JAX|Matplotlib|scikit-learn|GitHub|Colab|Binder"
    r"|Python|BSD-3-Clause|CC BY|SVG|Ctrl|English|\.?ipynb|\.?pdf|\.?html?|\.?md|\.?zip|module"
    r"|argmax|online|probit|sigmoid|softplus|log-sum-exp|log1p|ulp|[a-z]+(?:\.[a-z_]+)+"
    r"|top-[kp]|z-loss|sparsemax|entmax|InfoNCE|(?<=\d)e(?=−?\d)"
    rf"|{'|'.join(kept.ONLY_NAMES)}|[\W\d_]|\b[A-Za-z]\b|companion(?:\.[\w.]+)?)+"
)
AUTHORS = re.compile(
    r"(?:(?:[A-Z][\w’'-]*|and|et|al|de|van|von|den|der|\d{4}[a-z]?)[\s,.;&()\[\]–-]*)+",
    re.UNICODE,
)


def soup_of(page):
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def english_left(page):
    """Texts and attributes on a page without a Chinese character, which are no names."""
    for text in page.find_all(string=True):
        around = list(text.parents)
        if isinstance(text, Comment) or HAN.search(text) or not WORD.search(text):
            continue
        names = {node.name for node in around}
        classes = {c for node in around for c in node.get("class") or ()}
        if names & {"script", "style", "noscript", "math", "svg", "pre", "code", "kbd"}:
            continue
        if "math" in classes or any(n.get("lang") == "en" for n in around if n.name != "html"):
            continue
        if not ALLOWED.fullmatch(text.strip()) and not AUTHORS.fullmatch(text.strip()):
            yield text.strip()
    for name in ("aria-label", "title", "placeholder", "alt", "data-bs-title"):
        for node in page.find_all(attrs={name: True}):
            if any(n.get("lang") == "en" for n in (node, *node.parents) if n.name != "html"):
                continue
            text = node[name]
            if WORD.search(text) and not HAN.search(text) and not ALLOWED.fullmatch(text):
                yield f"{name}: {text}"
    for node in page.find_all("meta", attrs={"name": "description"}):
        if not HAN.search(node["content"]):
            yield f"description: {node['content']}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_in_chinese_and_has_the_parts_of_the_english_one(html, name):
    english, chinese = (soup_of(html / folder / f"{name}.html") for folder in ("", "zh"))
    assert english.html["lang"] == "en"
    assert chinese.html["lang"] == "zh-CN"
    assert list(english_left(chinese)) == []
    if name == "genindex":
        return
    for part in STRUCTURE:
        assert len(chinese.select(part)) == len(english.select(part)), part
    ids = [[s["id"] for s in page.select("article section[id]")] for page in (english, chinese)]
    assert ids[0] == ids[1]
    rows = [[s["id"] for s in page.select(".one-row")] for page in (english, chinese)]
    assert rows[0] == rows[1]


def test_english_that_is_left_is_seen():
    page = '<html lang="zh-CN"><p>一行</p><p>A row</p><img alt="A picture"><p lang="en">No</p>'
    assert list(english_left(BeautifulSoup(page, "html.parser"))) == ["A row", "alt: A picture"]


@pytest.mark.parametrize("name", PAGES)
def test_no_mark_of_markdown_and_no_dead_link_is_left(html, name):
    file = html / "zh" / f"{name}.html"
    page = soup_of(file)
    for node in page.select("script, style, pre, code, noscript, .math, [lang=en]"):
        node.decompose()
    text = page.get_text(" ")
    assert not re.search(r"[\u3400-\u9fff]\*\*|\*\*[\u3400-\u9fff]|`|\{term\}", text)
    for link in page.select("a[href]"):
        address, _, place = link["href"].partition("#")
        if re.match(r"[a-z]+:", address) or link.find_parent("li", hidden=True):
            continue
        target = (file.parent / address).resolve() if address else file
        assert target.exists(), link["href"]
        if place and target.suffix == ".html" and target.is_relative_to(html / "zh"):
            assert place in ids_of(target), link["href"]


IDS = {}


def ids_of(file):
    if file not in IDS:
        IDS[file] = set(re.findall(r'\bid="([^"]+)"', file.read_text(encoding="utf-8")))
    return IDS[file]


def test_what_is_english_says_so(html):
    reference = soup_of(html / "zh" / "chapters" / "api_core.html")
    assert {node.get("lang") for node in reference.select("dl.py")} == {"en"}
    works = soup_of(html / "zh" / "chapters" / "bibliography.html")
    assert {node.get("lang") for node in works.select("div.citation")} == {"en"}
    changes = soup_of(html / "zh" / "chapters" / "about.html")
    assert changes.select_one("section#unreleased")["lang"] == "en"


@pytest.mark.parametrize("name", PAGES)
def test_what_is_stressed_in_chinese_is_chinese(html, name):
    """Dots stand below it, and English has none: a citation says that "et al." is English."""
    for node in soup_of(html / "zh" / f"{name}.html").select(".bd-article em"):
        language = next(n["lang"] for n in (node, *node.parents) if n.get("lang"))
        assert language == "en" or HAN.search(node.text), node


def test_chinese_words_on_english_pages_say_so_too(html):
    page = soup_of(html / "chapters" / "pitfalls.html")
    words = [t for t in page.select_one("article").find_all(string=HAN.search)]
    marked = [t for t in words if t.find_parent(lang=re.compile("^zh"))]
    assert len(words) == len(marked) > 50


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_without_fault(html, chromium, name):
    width, scheme = SETTINGS[0]
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    visit, found = Visit(context, html / "zh" / f"{name}.html"), []
    layout.unfold(visit.page)
    for setting in SETTINGS:
        visit.look(*setting)
        found += [f"{setting}: {fault}" for fault in faults(visit, name)]
    left = visit.page.evaluate(
        """() => [...document.querySelectorAll(".interactive :is(label, button, p, th, text)")]
        .map(node => node.textContent).filter(text => /[a-z]{3}/.test(text))
        .filter(text => !/[\\u3400-\\u9fff]/.test(text))"""
    )
    known = r"exp\(z(−max)?\)|float\d+|log\(p \+ 1e-12\)|logit [a-z].*|log 4"
    found += [text for text in left if not re.fullmatch(known, text.strip())]
    visit.lighten()
    for setting in SETTINGS:
        visit.look(*setting)
        found += [f"{setting}: {violation}" for violation in visit.violations()]
    context.close()
    assert found == []


# From one language to the other.


@pytest.mark.parametrize("name", PAGES)
def test_each_page_leads_to_its_twin(html, name):
    for folder, other, tag in (("", "zh", "zh-CN"), ("zh", "", "en")):
        file = html / folder / f"{name}.html"
        links = soup_of(file).select("a.language")
        assert [link["hreflang"] for link in links] == [tag]
        twin = (file.parent / links[0]["href"]).resolve()
        assert twin == html / other / f"{name}.html"
        assert twin.exists()


def test_the_switch_keeps_the_section_both_ways(html, chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    for start, end in (("", "zh/"), ("zh/", "")):
        for place in ("is-a-clip-a-cure", "ex-stability-clip", "exercises"):
            page.goto(f"{html.as_uri()}/{start}chapters/numerical_stability.html#{place}")
            if page.locator(f"[id='{place}']").count() == 0:
                continue
            page.locator("a.language").click()
            address = f"{html.as_uri()}/{end}chapters/numerical_stability.html#{place}"
            page.wait_for_url(address)
            assert page.locator(f"[id='{place}']").count() == 1
            assert abs(page.locator(f"[id='{place}']").bounding_box()["y"]) < 200
    context.close()


def test_the_switch_leads_to_the_section_that_is_read(html, chromium):
    """Not to one that the address names and that has left the screen, and not to the top."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    for start, end in (("", "zh/"), ("zh/", "")):
        address = f"{html.as_uri()}/{start}chapters/numerical_stability.html"
        for given, read in (("", "is-a-clip-a-cure"), ("#sources", "what-does-a-mask-need")):
            page.goto(address + given)
            page.evaluate("MathJax.startup.promise.then(() => true)")
            page.locator(f"[id='{read}']").evaluate(
                "section => section.scrollIntoView({behavior: 'instant'})"
            )
            # Not `click()`, which may scroll before it does.
            page.locator("a.language").evaluate("link => link.click()")
            page.wait_for_url(f"{html.as_uri()}/{end}chapters/numerical_stability.html#{read}")
        page.goto(address)
        page.locator("a.language").click()
        page.wait_for_url(f"{html.as_uri()}/{end}chapters/numerical_stability.html")
        page.goto(f"{html.as_uri()}/{start}search.html?q=logit")
        page.locator("a.language").click()
        page.wait_for_url(f"{html.as_uri()}/{end}search.html?q=logit")
        assert page.locator(".bd-search-container input").input_value() == "logit"
    context.close()


def test_a_missing_page_is_said_in_both_languages(html):
    page = soup_of(html / "404.html")
    said = page.select_one("article section[lang='zh-CN']")
    assert HAN.search(said.get_text())
    for link in [*page.select("article a[href]"), *said.select("a[href]")]:
        assert (html / link["href"]).exists()
    assert page.select_one("article h1").get_text().startswith("Page not found")


@pytest.fixture(scope="module")
def head(addressed):
    return lambda name: (addressed / name).read_text(encoding="utf-8")


def test_search_engines_are_told_of_both(addressed, head):
    for folder in ("", "zh/"):
        text = head(f"{folder}chapters/plain.html")
        tags = dict(re.findall(r'rel="alternate" hreflang="([^"]+)" href="([^"]+)"', text))
        assert tags == {
            "en": f"{SITE}chapters/plain.html",
            "zh-CN": f"{SITE}zh/chapters/plain.html",
            "x-default": f"{SITE}chapters/plain.html",
        }
        assert f'<link rel="canonical" href="{SITE}{folder}chapters/plain.html"' in text
    assert 'property="og:locale" content="zh_CN"' in head("zh/chapters/plain.html")


def test_one_sitemap_lists_both(addressed, head):
    listed = re.findall("<loc>(.*?)</loc>", head("sitemap.xml"))
    assert sorted(listed) == sorted(
        f"{SITE}{folder}chapters/{name}.html"
        for folder in ("", "zh/")
        for name in ("index", "needs_torch", "plain")
    )
    assert not (addressed / "zh" / "sitemap.xml").exists()


def test_launch_buttons_of_the_chinese_page_lead_to_the_chinese_notebook(head):
    path = REPOSITORY.removeprefix("https://github.com/")
    assert f"github/{path}/blob/main/zh/chapters/plain.ipynb" in head("zh/chapters/plain.html")
    assert f"github/{path}/blob/main/chapters/plain.ipynb" in head("chapters/plain.html")


def test_settings_of_the_edition_follow_the_english_ones():
    import yaml

    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    new = settings.settings(config, lambda text: f"[{text}]")
    assert new["title"] == "[Softmax and Cross-Entropy]"
    assert new["sphinx"]["config"]["language"] == "zh_CN"
    assert config["sphinx"]["config"]["language"] == "en"
    for name, place in new["sphinx"]["local_extensions"].items():
        assert (ROOT / "zh" / place / f"{name}.py").resolve().exists()


# Search.


@pytest.fixture
def searching(html, chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    visit = Visit(context, html / "zh" / "search.html")

    def search(query):
        visit.page.evaluate("delete document.body.dataset.searched")
        visit.page.locator(".bd-search-container input").fill(query)
        visit.page.wait_for_function("'searched' in document.body.dataset")
        links = visit.page.locator("#search-results li > a")
        return links.evaluate_all("links => links.map(link => link.getAttribute('href'))")

    yield search
    assert visit.errors == []
    context.close()


def chinese_terms():
    _, names = kept.glossary()
    return [(english[0], name) for english, chinese in names.values() for name in chinese]


def test_each_chinese_word_of_the_glossary_is_found(searching, html):
    for english, name in chinese_terms():
        found = searching(name)
        term = f"chapters/glossary.html#term-{english.replace(' ', '-')}"
        assert any(link.endswith(term) for link in found) or len(found) >= 20, (name, found)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("上溢", "numerical_stability"),
        ("掩码", "numerical_stability"),
        ("次正规数", "numerical_stability"),
        ("半精度", "numerical_stability"),
        ("温度", "distillation"),
        ("平移", "numerical_stability"),
        ("交叉熵", "derivation"),
        ("2.303", "pitfalls#symptom-2-303"),
        ("归一化防溢出", "pitfalls#phrase-归一化防溢出"),
        ("softmax 上溢", "numerical_stability"),
        ("溢出", "numerical_stability"),
        ("怎样保住", "numerical_stability"),
    ],
)
def test_a_query_leads_to_the_page_that_has_it(searching, query, page):
    found = " ".join(searching(query))
    name, _, place = page.partition("#")
    assert f"chapters/{name}.html{place and f'#{place}'}" in found


def test_what_the_search_says_is_chinese(searching, html, chromium):
    searching("zeppelin")
    context = chromium.new_context()
    visit = Visit(context, html / "zh" / "search.html")
    visit.page.locator(".bd-search-container input").fill("zeppelin")
    visit.page.wait_for_function("'searched' in document.body.dataset")
    assert visit.page.locator("#search-status").inner_text() == "没有找到。"
    context.close()


# In the page.


def test_cells_and_exercises_run_in_a_chinese_page(site, chromium):
    with visiting(chromium, site) as visit:
        live = visit("zh/chapters/numerical_stability")
        boxes = live.page.locator("div.cell:has(> .cell_input .live-bar)")
        assert boxes.count() > 10
        cell = live.page.locator("div.cell:has(textarea)").first
        cell.locator(".live-bar button").first.click()
        live.page.wait_for_function(
            "cell => cell.dataset.ran", arg=cell.element_handle(), timeout=150_000
        )
        said = cell.locator(".check").inner_text()
        assert said.startswith("… 尚未作答。")
        words = live.page.locator(".live-bar button").all_inner_texts()
        assert not [word for word in words if re.search(r"[A-Za-z]{3}", word)]
        shared = [url for url in live.asked if "/pyodide/" in url]
        assert shared
        assert all(url.startswith(f"{site}/_static/live/") for url in shared)


def test_python_is_shipped_once(html):
    assert (html / "_static" / "live" / "pyodide").is_dir()
    shipped = {path.name for path in (html / "zh" / "_static" / "live").iterdir()}
    assert shipped == {"worker.mjs", "session.mjs", "python.zip"}


# To take along.

TAKEN = {
    "notebooks": "softmax-and-cross-entropy-notebooks-zh",
    "student": "softmax-and-cross-entropy-student-edition-zh",
    "pages": "softmax-and-cross-entropy-html-zh",
}


@pytest.fixture(scope="module")
def unpacked(html, tmp_path_factory):
    folder = tmp_path_factory.mktemp("taken")
    for name in TAKEN.values():
        shutil.unpack_archive(html / "zh" / "downloads" / f"{name}.zip", folder)
    return folder


def test_the_front_page_offers_the_chinese_files(html):
    page = html / "zh" / "chapters" / "index.html"
    items = ITEM.findall(page.read_text(encoding="utf-8"))
    assert [file for file, _, _ in items] == [
        pdf.CHINESE,
        *(f"{n}.zip" for n in TAKEN.values()),
    ]
    for file, hidden, link in items:
        assert (page.parent / link).resolve() == html / "zh" / "downloads" / file
        assert (html / "zh" / "downloads" / file).exists() != bool(hidden)


def test_no_zip_has_a_link_to_the_other_language(html, unpacked):
    for page in (unpacked / TAKEN["pages"]).rglob("*.html"):
        assert 'class="language"' not in page.read_text(encoding="utf-8"), page
    english = html / "downloads" / "softmax-and-cross-entropy-html.zip"
    with ZipFile(english) as archive:
        names = [name for name in archive.namelist() if name.endswith(".html")]
        assert not [n for n in names if 'class="language"' in archive.read(n).decode()]
        assert not [n for n in archive.namelist() if "/zh/" in n]


def test_a_chinese_notebook_runs_out_of_the_zip(unpacked, monkeypatch):
    folder = unpacked / TAKEN["notebooks"]
    monkeypatch.setenv("PYTHONPATH", str(folder))
    notebook = nbformat.read(folder / "chapters" / "numerical_stability.ipynb", as_version=4)
    where = "import companion; print(companion.__file__)"
    notebook.cells.append(nbformat.v4.new_code_cell(where))
    *cells, last = execute(notebook, folder / "chapters").cells
    assert last.outputs[0].text.strip() == str(folder / "companion" / "__init__.py")
    said = [
        output["data"]["text/plain"]
        for cell in cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "check check-" in output.get("data", {}).get("text/html", "")
    ]
    assert len(said) == 6
    assert all(text.startswith("… 尚未作答。") for text in said)


def test_readmes_are_chinese_and_name_what_is_there(unpacked):
    for name in ("notebooks", "student"):
        text = (unpacked / TAKEN[name] / "README.md").read_text(encoding="utf-8")
        assert HAN.search(text)
        for file in re.findall(r"\b(?:chapters/|work/)[\w-]+\.ipynb\b", text):
            assert (unpacked / TAKEN[name] / file).exists(), file
    assert "python -m companion.exercises.zh check" in text
    assert "from companion.exercises.zh import progress" in text


def test_the_student_edition_has_no_solution_in_chinese(unpacked):
    folder = unpacked / TAKEN["student"] / "work"
    notebooks = sorted(folder.glob("*.ipynb"))
    assert len(notebooks) == len(TOPICS)
    for path in notebooks:
        text = path.read_text(encoding="utf-8")
        assert "<summary>解答" not in text
        assert "<summary>提示 1" in text or path.stem == "pitfalls"


# On paper.


def test_the_cheat_sheet_is_one_page(html, chromium):
    sheet = printed(chromium, html / "zh" / "chapters" / "cheat_sheet.html")
    assert len(sheet.pages) == 1


@pytest.fixture(scope="module")
def book(html, chromium, tmp_path_factory):
    site = tmp_path_factory.mktemp("site") / "zh"
    shutil.copytree(html / "zh", site)
    words = json.loads((ROOT / "zh" / "words.json").read_text(encoding="utf-8"))
    pdf.print_book(chromium, site, site.parent / pdf.CHINESE, words.get)
    return PdfReader(site.parent / pdf.CHINESE)


def test_words_of_the_pdf_can_be_found(book):
    text = "".join(page.extract_text() for page in book.pages)
    for word in ("提示", "对数", "一行", "最大", "长度", "见", "方", "目标"):
        assert word in text, word
    assert not re.search(r"[\u2e80-\u2fdf]", text)  # radicals


def test_the_pdf_is_chinese_and_whole(book, html):
    assert book.metadata.title == "Softmax 与交叉熵"
    assert book.metadata.author == "本书作者"
    assert book.root_object["/Lang"] == "zh-CN"
    titles = [entry.title for entry in book.outline if not isinstance(entry, list)]
    assert len(titles) == len(NAMES) - 3
    assert all(map(HAN.search, titles))
    text = squeezed("".join(page.extract_text() for page in book.pages))
    assert text.count("提示与解答") >= 7
    pages = "".join(
        page.read_text(encoding="utf-8") for page in (html / "zh" / "chapters").glob("*.html")
    )
    hints = len(re.findall(r'<details class="hint"><summary>提示 1（共', pages))
    assert len(re.findall("提示1（共", text)) == hints > 40
