"""A Sphinx extension of this book: what the search searches.

After each build the pages are read again and cut into entries: a section, a row of a long table
(rows.py), a word of the glossary, a function of the package, a source. An entry keeps apart
what is said, what is code or output, and what is folded away as a hint or a solution, which is
searched but never quoted. static/search.js ranks them.

The entries are written as a script that sets a variable, so that the search works from files,
too. Sphinx's own search, which leads to the tops of pages, is off.
"""

import json
import re
from pathlib import Path
from zlib import crc32

from bs4 import BeautifulSoup, Comment, NavigableString
from words import words_of

SCRIPT = "search_sections.js"
OF_SPHINX = ("language_data.js", "searchtools.js")
LOADED = re.compile(r"\s*<script[^>]*(?:searchindex|searchtools|language_data)\.js[^>]*>.*?>")
NEEDS_SCRIPTS = (
    'The search needs scripts. Without them there is the <a href="genindex.html">index</a> of '
    "the words that this book explains{glossary}."
)
AND_GLOSSARY = ', and the <a href="{}">glossary</a>, which explains them'
NOSCRIPT = re.compile(r'("bd-search-container">.*?)<noscript>.*?</noscript>', re.DOTALL)
ARTICLE = re.compile(r"<article\b.*</article>", re.DOTALL)

# What is on the page for use, not for reading.
CHROME_TAGS = {"button", "input", "nav", "script", "select", "style", "summary", "svg"}
CHROME = {
    "calls-choice", "drawing", "headerlink", "letters", "linenos", "onlyprint",
    "prev-next-area", "row-names", "section-mark", "section-number", "toctree-wrapper",
    "used-in", "where-to-run",
}  # fmt: skip
# The words of these stand apart, though there is no space between them.
APART = {"br", "dd", "div", "dt", "li", "option", "p", "pre", "section", "td", "th", "tr"}
HIDDEN = "hint"  # the class of the folds of hints and solutions (reading.py)
SIGNS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε",
    "eta": "η", "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Sigma": "Σ", "Phi": "Φ", "Omega": "Ω", "ell": "ℓ",
    "cdot": "·", "times": "×", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠",
    "neq": "≠", "approx": "≈", "pm": "±", "infty": "∞", "to": "→", "mapsto": "↦", "in": "∈",
    "sum": "Σ", "prod": "Π", "int": "∫", "partial": "∂", "nabla": "∇", "ldots": "…",
    "dots": "…", "cdots": "…", "odot": "⊙", "propto": "∝", "sim": "~", "ll": "≪", "gg": "≫",
    "top": "ᵀ", "quad": " ", "qquad": " ", "colon": ":", "lVert": "‖", "rVert": "‖",
    "Vert": "‖", "mid": "|", "vert": "|", "lvert": "|", "rvert": "|", "equiv": "≡",
    "log": "log", "ln": "ln", "exp": "exp", "max": "max", "min": "min", "tanh": "tanh",
    "sin": "sin", "cos": "cos", "det": "det", "dim": "dim", "arg": "arg", "lim": "lim",
    "sup": "sup", "inf": "inf", "Pr": "Pr", "forall": "∀", "implies": "⇒", "iff": "⇔",
    "Leftrightarrow": "⇔", "Rightarrow": "⇒", "setminus": "∖", "cup": "∪", "cap": "∩",
    "subset": "⊂", "langle": "⟨", "rangle": "⟩", "lfloor": "⌊", "rfloor": "⌋",
    "lceil": "⌈", "rceil": "⌉", "oplus": "⊕", "otimes": "⊗", "circ": "∘", "prime": "′",
    "succeq": "⪰", "preceq": "⪯", "bullet": "•", "star": "⋆", "ast": "∗",
}  # fmt: skip
NO_SIGN = "\\"
# What one copies from a screen and searches for, where the section that is about it does not
# say it in these words. Searched, not quoted. tests/test_search.py gets it from the libraries.
COPIED = {
    "chapters/framework_equivalents.html#what-is-a-label": """
        Expected floating point type for target with class probabilities, got Long
        expected target dtype to be Long or Byte, but got Float
        0D or 1D target tensor expected, multi-target not supported
        Target -1 is out of bounds.
        Class values must be non-negative.
        Received a label value of 3 which is outside the valid range of [0, 3).""",
    "chapters/framework_equivalents.html#where-are-the-classes": """
        Expected target size [2, 4], got [2, 3]""",
    "chapters/framework_equivalents.html#logits-or-probabilities": """
        all elements of input should be between 0 and 1""",
}


def plain(formula):
    """A short formula as one would type it; nothing where that is not to be had."""
    text = formula.strip().removeprefix(r"\(").removesuffix(r"\)")
    text = re.sub(r"\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?|displaystyle|limits)\b", "", text)
    text = re.sub(r"\\([,;:! ]|quad\b|qquad\b)", " ", text).replace("~", " ")
    # The innermost braces first.
    for _ in range(6):
        text = re.sub(
            r"\\(?:mathrm|mathbf|mathbb|mathcal|boldsymbol|operatorname\*?|text|textbf|textit"
            r"|mathit|mathsf|mathtt|vec|underline)"
            r"\s*(?:\{([^{}]*)\}|(\w))",
            lambda found: f" {found[1] or found[2]}",
            text,
        )
        text = re.sub(r"\\(?:bar|overline)\s*(?:\{(\w)\}|(\w))", accented("\u0304"), text)
        text = re.sub(r"\\(?:wide)?hat\s*(?:\{(\w)\}|(\w))", accented("\u0302"), text)
        text = re.sub(r"\\(?:wide)?tilde\s*(?:\{(\w)\}|(\w))", accented("\u0303"), text)
        text = re.sub(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", fraction, text)
        text = re.sub(r"\\[dt]?frac\s*(\w)\s*(\w)", r"\1/\2", text)
        text = re.sub(r"\\sqrt\s*(?:\{([^{}]*)\}|(\w))", root, text)
        text = re.sub(r"([_^])\s*\{([^{}\\]*)\}", script, text)
    text = re.sub(r"\\([A-Za-z]+)", lambda found: f" {SIGNS.get(found[1], NO_SIGN)} ", text)
    text = text.replace(r"\|", "‖").replace(r"\{", "⦃").replace(r"\}", "⦄").replace(r"\%", "%")
    text = re.sub(r"[{}]", "", text).replace("⦃", "{").replace("⦄", "}")
    text = re.sub(r"\^\s*ᵀ", "ᵀ", text)
    text = re.sub(r"\s*([_^])\s*", r"\1", text)
    text = re.sub(r"\s+([,.;:)\]])", r"\1", re.sub(r"([(\[])\s+", r"\1", text))
    text = re.sub(r"(?<=\w)\s+(?=\()", "", text)
    text = re.sub(r"(^|[(=,:≈≤≥])\s*-\s*(?=\S)", r"\1 −", text).replace("( −", "(−")
    return "" if NO_SIGN in text else " ".join(text.split())


def accented(accent):
    return lambda found: (found[1] or found[2]) + accent


def root(found):
    inside = found[1] or found[2]
    return f"√{inside}" if re.fullmatch(r"\w*", inside) else f"√({inside})"


def fraction(found):
    above, below = (
        part.strip() if re.fullmatch(r"\s*\w*\s*", part) else f"({part.strip()})"
        for part in found.groups()
    )
    return f"{above}/{below}"


def script(found):
    inside = found[2].strip()
    return f"{found[1]}{inside}" if re.fullmatch(r"-?\w*", inside) else f"{found[1]}({inside})"


class Entry:
    """What is found as one: where it is, what it is called, and what stands in it."""

    def __init__(self, anchor, kind):
        self.anchor, self.kind, self.names = anchor, kind, []
        self.text = {"title": "", "prose": "", "code": "", "hidden": ""}

    def fields(self):
        """As it is written: all in one line, but for code."""
        title, prose, hidden = (
            " ".join(self.text[field].split()) for field in ("title", "prose", "hidden")
        )
        prose = re.sub(r"\s+([,.;:?!)])(?=\s|$)", r"\1", prose).replace("( ", "(")
        lines = (" ".join(line.split()) for line in self.text["code"].splitlines())
        code = "\n".join(dict.fromkeys(line for line in lines if line))
        return [self.anchor, self.kind, title, self.names, prose, code, hidden]


def entries(article):
    """The entries of a page, in its order. What stands before the first section is lost."""
    found = []
    read(article, None, "prose", found)
    return [entry.fields() for entry in found]


def read(node, entry, field, found):
    for child in node.children:
        if isinstance(child, Comment):
            continue
        if isinstance(child, NavigableString):
            if entry:
                entry.text[field] += child
        else:
            step(child, entry, field, found)


def step(tag, entry, field, found):
    """Read a tag: as a part of the entry, as an entry of its own, or not at all."""
    classes, name = set(tag.get("class", ())), tag.get("id")
    if tag.name in CHROME_TAGS or classes & CHROME:
        return
    if entry and tag.name in APART:
        entry.text[field] += "\n"
    if tag.name == "section" and name:
        read(tag, begin(found, name, "section"), "prose", found)
    elif tag.name == "div" and "citation" in classes and name:
        read_source(tag, begin(found, name, "source"), found)
    elif "one-row" in classes and name:
        read_row(tag, begin(found, name, "row"), found)
    elif tag.name == "table" and "calls" in classes:
        read_calls(tag, found)
    elif tag.name == "dl" and "glossary" in classes:
        read_words(tag, found)
    elif tag.name == "dl" and "py" in classes:
        read_function(tag, found)
    elif entry and ("math" in classes or tag.name in ("math", "mjx-container")):
        tex = tag.select_one(".tex") or tag  # in a page that was finished before
        # A displayed formula is no part of a sentence that one could quote.
        entry.text[field] += plain(tex.get_text()) if tag.name == "span" else ""
    elif re.fullmatch("h[1-6]", tag.name):
        read(tag, entry, "title", found)
    elif tag.name == "details" and HIDDEN in classes:
        read(tag, entry, "hidden", found)
    elif field == "hidden" and tag.name == "pre":
        return  # the solution itself
    elif entry and "cell_input" in classes and (cell := tag.find_parent(class_="cell")):
        entry.text["code"] += f"\n{shown_code(cell['class'], tag.get_text())}\n"
    elif "doctest" in classes:
        return  # an example of the reference: long, and nobody looks for it
    elif field == "prose" and (tag.name == "pre" or "cell_output" in classes):
        read(tag, entry, "prose" if tag.select("table, .myst-md") else "code", found)
    else:
        read(tag, entry, field, found)
    if entry and tag.name in APART:
        cell = tag.name in ("td", "th") and tag.find_next_sibling(("td", "th"))
        choice = tag.name == "li" and tag.find_parent(class_="predict")
        entry.text[field] += " · " if tag.get_text().strip() and (cell or choice) else "\n"


def shown_code(classes, code):
    """What one would look for in code: of a check what it says, of a figure nothing."""
    if classes and {"tag_imports", "tag_figure"}.intersection(classes):
        return ""
    if "tag_checked" in classes:
        return "\n".join(line for line in code.splitlines() if line.startswith("#"))
    return code


def begin(found, anchor, kind):
    found.append(Entry(anchor, kind))
    return found[-1]


def read_source(tag, entry, found):
    """A source, by its authors. A point after a single letter does not end their names."""
    read(tag, entry, "prose", found)
    words = re.sub(r"^\s*\[.*?\]", "", " ".join(entry.text["prose"].split())).strip()
    authors, _, rest = re.sub(r"(?<!\b[A-Z])\. ", ".\n", words, count=1).partition("\n")
    entry.text |= {"title": authors.removesuffix("."), "prose": rest}


def read_row(tag, entry, found):
    """A row of a table that is read a row at a time (rows.py), by its head and its names."""
    head = tag.select_one(".row-head")
    entry.names = [" ".join(name.get_text().split()) for name in head.select("strong")]
    read(head, entry, "title", found)
    for cell in tag.select(".row-cells > dd"):  # and not, in each row, the titles of columns
        read(cell, entry, "prose", found)
        entry.text["prose"] += " "


def read_calls(table, found):
    """A row of the table of equivalents (calls.py): its calls, and the inputs that are odd."""
    for body in table.select("tbody[id]"):
        entry = begin(found, body["id"], "call")
        head, *lines = body.find_all("tr")
        read(head, entry, "title", found)
        for line in lines:
            for code in line.select("code"):
                entry.text["code"] += f"{code.get_text()}\n"
            for given in line.select("dt"):
                entry.text["prose"] += f"{given.get_text()} · "


def read_words(glossary, found):
    """Each word of the glossary with all of its names."""
    entry = None
    for tag in glossary.find_all(("dt", "dd"), recursive=False):
        if tag.name == "dd":
            read(tag, entry, "prose", found)
            entry = None
            continue
        if entry is None:
            entry = begin(found, tag["id"], "term")
        for link in tag.select(".headerlink"):
            link.decompose()
        entry.names.append(" ".join(tag.get_text().split()))
        entry.text["title"] = entry.names[0]


def read_function(definition, found):
    """A function or class of the package; a method is an entry of its own."""
    entry = None
    for tag in definition.find_all(("dt", "dd"), recursive=False):
        if tag.name == "dt" and tag.get("id"):
            entry = begin(found, tag["id"], "function")
            name = tag.select_one(".descname")
            entry.text["title"] = name.get_text() if name else tag["id"].rpartition(".")[2]
            for link in tag.select(".headerlink"):
                link.decompose()
            entry.text["code"] += tag.get_text() + "\n"
        elif entry:
            read(tag, entry, "prose", found)


def index(site, documents):
    """All entries: the pages as [address, title], the entries with the page's number first."""
    pages, found = [], []
    for address in documents:
        article = ARTICLE.search((site / address).read_text(encoding="utf-8"))
        of_page = entries(BeautifulSoup(article[0], "html.parser")) if article else []
        if of_page:
            for entry in of_page:
                words = COPIED.get(f"{address}#{entry[0]}", "").split()
                entry[-1] = " ".join([entry[-1], *words]).strip()
            of_page[0][0] = ""  # the page itself
            found += [[len(pages), *entry] for entry in of_page]
            pages.append([address, of_page[0][2]])
    return {"pages": pages, "entries": found}


def script_of(content):
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"window.searchSections={text};\n".replace("\u2028", " ").replace("\u2029", " ")


def search_page(app):
    """The page of the search, which Sphinx writes only with its own index."""
    yield "search", {}, "search.html"


def without_own_index(app):
    if app.builder.format == "html":
        app.builder.search = False


def own_search(page, glossary, version, say=str):
    """The page of the search with our script in place of Sphinx's."""
    link = say(AND_GLOSSARY).format(glossary) if glossary else ""
    words = f"<noscript>\n  <p>{say(NEEDS_SCRIPTS).format(glossary=link)}</p>\n</noscript>"
    page = NOSCRIPT.sub(lambda found: found[1] + words, LOADED.sub("", page))
    script = f'<script defer src="_static/search.js?v={version}"></script>\n'
    return page if script in page else page.replace("</head>", f"{script}</head>", 1)


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    content = index(site, [app.builder.get_target_uri(name) for name in in_order(app.env)])
    (site / "_static" / SCRIPT).write_text(script_of(content), encoding="utf-8")
    words = [entry[0] for entry in content["entries"] if entry[2] == "term"]
    glossary = content["pages"][words[0]][0] if words else None
    version = f"{crc32((site / '_static' / 'search.js').read_bytes()):x}"
    page = site / "search.html"
    text = own_search(page.read_text(encoding="utf-8"), glossary, version, words_of(app))
    page.write_text(text, encoding="utf-8")
    for file in (site / "searchindex.js", *(site / "_static" / name for name in OF_SPHINX)):
        file.unlink(missing_ok=True)


def in_order(env):
    """The pages as the contents list them: of equals, what comes first is shown first."""
    listed = [env.config.root_doc]
    for page in listed:
        listed += [name for name in env.toctree_includes.get(page, []) if name not in listed]
    return [*listed, *sorted(set(env.found_docs) - set(listed))]


def setup(app):
    app.connect("builder-inited", without_own_index)
    app.connect("html-collect-pages", search_page)
    # First of all: of the pages as Sphinx wrote them, before pictures and formulas are set.
    app.connect("build-finished", finish, priority=300)
    app.add_css_file("search.css")
    app.add_js_file("search_dialog.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
