"""What leads readers to the book: descriptions, previews, sitemap, redirects, index, 404.

What needs an address is absent from the book as it is set up today. A small book that has
both addresses shows that it appears.
"""

import re
from html import unescape
from urllib.parse import urlsplit

import pytest
from book import SITE, build, set_config, small_book
from matplotlib.image import imread

PROPERTIES = ("title", "description", "type", "url", "site_name", "image", "image:alt")


def pages(html):
    """All but the redirects."""
    alone = [html / f"{name}.html" for name in ("404", "genindex", "search")]
    return [*sorted(html.glob("chapters/*.html")), *alone]


def meta(text, name):
    """The contents of the tags of this name or property."""
    tags = re.findall(r"<meta\b[^>]*>", text)
    chosen = [tag for tag in tags if re.search(rf'(?:name|property)="{name}"', tag)]
    return [unescape(re.search(r'content="([^"]*)"', tag)[1]) for tag in chosen]


def canonical(text):
    return re.findall(r'<link rel="canonical" href="([^"]*)"', text)


def listed(html):
    return re.findall(r"<loc>(.*?)</loc>", (html / "sitemap.xml").read_text(encoding="utf-8"))


def test_every_page_has_a_description_of_its_own(html):
    found = {
        page.name: meta(page.read_text(encoding="utf-8"), "description") for page in pages(html)
    }
    assert len(found) > 10
    assert {name: len(texts) for name, texts in found.items()} == dict.fromkeys(found, 1)
    lengths = {name: len(text) for name, (text,) in found.items()}
    assert {n: length for n, length in lengths.items() if not 50 <= length <= 160} == {}
    assert len({text for (text,) in found.values()}) == len(found), "two pages share one"


def test_without_addresses_nothing_needs_one(html):
    for page in [*pages(html), html / "index.html"]:
        text = page.read_text(encoding="utf-8")
        assert canonical(text) == [], page.name
        assert not re.search(r'property="og:|twitter:card', text), page.name
        assert not re.search(r"launch-buttons|mybinder|colab\.research", text), page.name
    assert not (html / "sitemap.xml").exists()


def test_a_link_to_a_page_has_a_preview(addressed):
    for name, kind in {
        "index": "website",
        "plain": "article",
        "needs_torch": "article",
    }.items():
        text = (addressed / "chapters" / f"{name}.html").read_text(encoding="utf-8")
        tags = {key: meta(text, f"og:{key}") for key in PROPERTIES}
        assert all(len(values) == 1 for values in tags.values()), tags
        assert tags["title"] == [re.search(r"<h1>(.*?)<a", text)[1]]
        assert tags["description"] == meta(text, "description")
        assert tags["type"] == [kind]
        assert tags["url"] == canonical(text) == [f"{SITE}chapters/{name}.html"]
        assert meta(text, "twitter:card") == ["summary_large_image"]


def test_the_picture_of_the_preview_is_there(addressed):
    text = (addressed / "index.html").read_text(encoding="utf-8")
    (address,) = meta(text, "og:image")
    assert address.startswith(SITE)
    height, width, _ = imread(addressed / address.removeprefix(SITE)).shape
    assert meta(text, "og:image:width") == [str(width)] == ["1200"]
    assert meta(text, "og:image:height") == [str(height)] == ["630"]


def test_the_sitemap_lists_the_pages(addressed):
    names = ("index", "needs_torch", "plain")
    english = [page for page in listed(addressed) if "/zh/" not in page]
    assert english == [f"{SITE}chapters/{name}.html" for name in names]


def test_a_page_that_is_not_there_has_no_canonical_address(addressed):
    assert canonical((addressed / "404.html").read_text(encoding="utf-8")) == []
    assert canonical((addressed / "search.html").read_text(encoding="utf-8")) == [
        f"{SITE}search.html"
    ]


def test_launch_buttons_lead_to_the_notebook(addressed):
    links = launch_links(addressed, "plain")
    assert links == [
        "https://mybinder.org/v2/gh/example/book/main?urlpath=lab/tree/chapters/plain.ipynb",
        "https://colab.research.google.com/github/example/book/blob/main/chapters/plain.ipynb",
    ]


def test_binder_is_not_offered_where_it_lacks_what_a_chapter_imports(addressed):
    (link,) = set(launch_links(addressed, "needs_torch"))  # a button, and a word in the text
    assert link.startswith("https://colab.research.google.com/")


def test_a_page_that_is_no_notebook_has_no_launch_buttons(addressed):
    assert launch_links(addressed, "index") == []


def launch_links(html, name):
    text = (html / "chapters" / f"{name}.html").read_text(encoding="utf-8")
    return re.findall(r'href="(https://(?:mybinder|colab)[^"]*)"', text)


def test_the_cell_that_installs_is_stored_and_not_shown(addressed):
    assert "%pip install" in (addressed / "_sources" / "chapters" / "plain.ipynb").read_text(
        encoding="utf-8"
    )
    text = (addressed / "chapters" / "plain.html").read_text(encoding="utf-8")
    assert "A word of prose" in text
    assert "find_spec" not in text
    assert "%pip" not in text


# Old name, new name, and whether the book may be built with them.
REDIRECTS = {
    "none": ("{}", True),
    "in a folder": ("{chapters/old: chapters/index}", True),
    "to a page that is not there": ("{chapters/old: chapters/new}", False),
    "from a page that is there": ("{chapters/index: chapters/index}", False),
}


@pytest.mark.parametrize("case", REDIRECTS)
def test_a_redirect_that_leads_nowhere_stops_the_build(tmp_path, case):
    redirects, builds = REDIRECTS[case]
    folder = small_book(tmp_path)
    (folder / "chapters" / "index.md").write_text(
        "# A page\n\nNothing is wrong here.\n", encoding="utf-8"
    )
    set_config(folder, redirects=redirects)
    assert (build(folder).returncode == 0) == builds


def test_a_redirect_leads_to_the_same_place_of_the_new_page(addressed, chromium):
    page = chromium.new_page()
    page.goto((addressed / "chapters" / "moved.html").as_uri() + "#a-page")
    page.wait_for_url("**/chapters/plain.html#a-page")
    page.close()


def test_a_redirect_needs_no_script(addressed):
    text = (addressed / "chapters" / "moved.html").read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="0; url=plain.html">' in text
    assert canonical(text) == [f"{SITE}chapters/plain.html"]


def test_the_bare_address_has_the_preview_of_the_front_page(addressed):
    text = (addressed / "index.html").read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="0; url=chapters/index.html">' in text
    assert canonical(text) == meta(text, "og:url") == [f"{SITE}chapters/index.html"]
    assert len(meta(text, "description")) == 1


@pytest.mark.parametrize(("key", "value"), [("baseurl", "example.org"), ("url", "a b")])
def test_what_is_no_address_stops_the_build(tmp_path, key, value):
    folder = small_book(tmp_path)
    (folder / "chapters" / "index.md").write_text(
        "# A page\n\nNothing is wrong here.\n", encoding="utf-8"
    )
    set_config(folder, **{key: value})
    result = build(folder)
    assert result.returncode != 0
    assert "must be an address" in result.stdout + result.stderr


@pytest.mark.parametrize("missing", ["nowhere", "a/deep/path/nowhere.html"])
def test_the_page_for_a_missing_page_works_at_any_depth(addressed, chromium, missing):
    page, errors = chromium.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.on("response", lambda r: errors.append(r.url) if r.status == 404 else None)
    page.route("**", lambda route: host(addressed, route))
    page.goto(SITE + missing)
    assert page.title().startswith("Page not found")
    assert errors == [SITE + missing]  # and each style sheet and script was there
    assert page.evaluate("document.documentElement.dataset.content_root") == SITE  # for search
    page.get_by_role("main").get_by_role("link", name="search the book").click()
    page.wait_for_url(SITE + "search.html")
    page.goto(SITE + missing)
    page.get_by_role("main").get_by_role("link", name="front page").click()
    page.wait_for_url(SITE + "chapters/index.html")
    page.close()


def host(html, route):
    """Answer as a host does that shows 404.html where there is no file."""
    path = urlsplit(route.request.url).path.removeprefix(urlsplit(SITE).path)
    file = html / path
    if file.is_file():
        route.fulfill(path=file)
    else:
        route.fulfill(path=html / "404.html", status=404)


def test_the_index_lists_every_word_of_the_glossary(html):
    glossary = (html / "chapters" / "glossary.html").read_text(encoding="utf-8")
    index = (html / "genindex.html").read_text(encoding="utf-8")
    terms = re.findall(r'<dt id="(term-[^"]+)"', glossary)
    assert len(terms) > 50
    links = re.findall(r'href="chapters/glossary.html#(term-[^"]+)"', index)
    assert sorted(links) == sorted(terms)
    assert 'href="../genindex.html"' in re.search(r"<article.*?<dl", glossary, re.DOTALL)[0]


def test_a_word_of_the_glossary_keeps_its_address_when_others_come(html):
    glossary = (html / "chapters" / "glossary.html").read_text(encoding="utf-8")
    counted = re.findall(r'<dt id="term-\d+">(.*?)<a', glossary)
    assert counted  # those without a Latin letter, at least
    assert [word for word in counted if word.isascii()] == []


def test_every_chapter_links_words_of_the_glossary(html):
    words = set(
        re.findall(
            r'id="(term-[^"]+)"', (html / "chapters/glossary.html").read_text(encoding="utf-8")
        )
    )
    for chapter in sorted((html / "_sources" / "chapters").glob("*.ipynb")):
        text = (html / "chapters" / f"{chapter.stem}.html").read_text(encoding="utf-8")
        linked = set(re.findall(r'href="glossary\.html#(term-[^"]+)"', text))
        assert len(linked) >= 3, chapter.stem
        assert linked <= words, chapter.stem
