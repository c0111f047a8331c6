"""The search, in a browser, from files: what one types leads to the section that answers it.

A table of queries says which entry must come first. The index must hold every section, word and
function of the pages, as words that one can read; what is typed must never be more than text.
"""

import gzip
import json
import re
import sys
from urllib.parse import quote, unquote

import pytest
from test_browser import ROOT, SETTINGS, Visit, faults

sys.path.insert(0, str(ROOT / "site"))
import search_index

HALF = (
    "numerical_stability#where-does-exp-leave-the-floats"
    " | framework_equivalents#how-few-bits-are-enough | glossary#term-half-precision"
)
# What is typed: where it must lead first, to one of these. Without "#" to the top of a page.
FIRST = {
    # Words of a subject: a heading before the glossary, the glossary before prose.
    "overflow": "glossary#term-overflow",
    "log1p": "numerical_stability#where-do-the-last-digits-go | glossary#term-log1p",
    "temperature": "derivation#what-does-a-temperature-do | distillation#which-temperature",
    "mask": "numerical_stability#what-does-a-mask-need",
    "clip": "numerical_stability#is-a-clip-a-cure",
    "axis": "derivation#which-axis",
    "online softmax": "one_pass#online-softmax",
    "label smoothing": "glossary#term-label-smoothing | "
    "distillation#what-does-label-smoothing-do-to-a-teacher",
    "log-sum-exp": "glossary#term-log-sum-exp",
    "adding a constant": "derivation#what-does-adding-a-constant-change",
    "Hessian": "glossary#term-Hessian",
    "numerical stability": "numerical_stability",
    "distillation": "distillation",
    # Whatever the case, hyphens, underscores, the plural, one slip of the finger.
    "LogSumExp": "glossary#term-log-sum-exp",
    "log sum exp": "glossary#term-log-sum-exp",
    "temperatures": "derivation#what-does-a-temperature-do | distillation#which-temperature",
    "temperture": "derivation#what-does-a-temperature-do | distillation#which-temperature",
    # Other names.
    "softmax loss": "glossary#term-softmax-loss",
    "nll": "framework_equivalents#what-is-inside-the-loss"
    " | framework_equivalents#which-call-for-which-labels",
    "MSE": "mse_vs_cross_entropy",
    "Kullback-Leibler": "glossary#term-KL-divergence",
    "unit in the last place": "glossary#term-ulp",
    "fp16": HALF,
    # What one copies: numbers, also as prefixes or with other digits, names of calls, errors.
    "2.3026": "pitfalls#symptom-2-303",
    "2.30": "pitfalls#symptom-2-303",
    "1.4612": "pitfalls#symptom-1-461",
    "16.118095": "pitfalls#symptom-16-118",
    "-100": "framework_equivalents#what-is-a-label | framework_equivalents#what-is-a-mean",
    "−100": "framework_equivalents#what-is-a-label | framework_equivalents#what-is-a-mean",
    "65,504": "framework_equivalents#how-few-bits-are-enough",
    "88.72": "numerical_stability#where-does-exp-leave-the-floats",
    "ignore_index": "framework_equivalents#what-is-a-mean",
    "from_logits": "framework_equivalents#logits-or-probabilities",
    "tf.clip_by_value": "numerical_stability#is-a-clip-a-cure"
    " | framework_equivalents#how-wrong-can-keras-be-told-to-be",
    "np.log1p": "numerical_stability#where-do-the-last-digits-go",
    "Expected floating point type": "framework_equivalents#what-is-a-label",
    "Expected floating point type for target with class probabilities, got Long": (
        "framework_equivalents#what-is-a-label"
    ),
    "IndexError: Target 10 is out of bounds.": "framework_equivalents#what-is-a-label",
    "Received a label value of 7 which is outside the valid range of [0, 7)": (
        "framework_equivalents#what-is-a-label"
    ),
    "Expected target size [2, 4], got [2, 3]": "framework_equivalents#where-are-the-classes",
    "InvalidArgumentError": "framework_equivalents#what-is-a-label",
    "softmax_cross_entropy_with_labels": "api_core#companion.losses."
    "softmax_cross_entropy_with_labels",
    # A call, or a thing that only the table of equivalents names.
    "masked_fill": "equivalents#row-softmax-of-the-classes-that-a-mask-keeps",
    "AdaptiveLogSoftmaxWithLoss": "equivalents#"
    "row-adaptive-softmax-classes-0-and-1-and-a-cluster-of-2-and-3"
    " | language_model#what-does-a-large-vocabulary-cost",
    # What the chapters on language models and relatives are looked for by.
    "perplexity": "glossary#term-perplexity | language_model#how-many-bits-is-a-character",
    "nucleus sampling": "glossary#term-nucleus-sampling",
    "gradient accumulation": "glossary#term-gradient-accumulation",
    "causal mask": "glossary#term-causal-mask | language_model#who-may-look-where",
    "sparsemax": "glossary#term-sparsemax | relatives#what-if-a-probability-may-be-0",
    "additive angular margin": "relatives#what-does-a-margin-ask",
    "focal loss": "glossary#term-focal-loss"
    " | relatives#smoothed-labels-and-focal-loss-what-do-they-ask",
    "InfoNCE": "glossary#term-contrastive-loss | relatives#what-is-a-contrastive-loss",
    "top-2 accuracy": "equivalents#row-top-2-accuracy",
    "label_binarize": "equivalents#row-one-hot",
    # Chinese, where the chapters have none, and both languages together.
    "交叉熵": "glossary#term-cross-entropy",
    "温度": "glossary#term-temperature",
    "软最大值": "glossary#term-log-sum-exp",
    "数值稳定": "numerical_stability",
    "上溢": "glossary#term-overflow",
    "半精度": HALF,
    "softmax 上溢": "numerical_stability#where-does-exp-leave-the-floats",
    "梯度": "glossary#term-gradient",
    # A symptom leads to its row in the table that opens *What went wrong?*
    "2.303": "pitfalls#symptom-2-303",
    "1.461": "pitfalls#symptom-1-461",
    "16.118": "pitfalls#symptom-16-118",
    "15.942": "pitfalls#symptom-15-942",
    "27.631": "pitfalls#symptom-27-631",
    "34.539": "pitfalls#symptom-34-539-23-026-18-421",
    "36.044": "pitfalls#symptom-36-044",
    "18.421": "pitfalls#symptom-34-539-23-026-18-421",
    "3.322": "pitfalls#symptom-3-322",
    "nan": "pitfalls#symptom-nan",
    "loss nan": "pitfalls#symptom-nan",
    "my loss is nan": "pitfalls#symptom-nan",
    "loss inf": "pitfalls#symptom-inf",
    "negative": "pitfalls#symptom-negative",
    "loss negative": "pitfalls#symptom-negative",
    "negative loss": "pitfalls#symptom-negative",
    "stuck": "pitfalls#symptom-stuck",
    "training stuck": "pitfalls#symptom-stuck",
    "accuracy fine loss grows": "pitfalls#symptom-accuracy-fine-loss-grows",
    "accuracy fine, loss grows": "pitfalls#symptom-accuracy-fine-loss-grows",
    "loss falls accuracy does not": "pitfalls#symptom-loss-falls-accuracy-does-not",
    "loss 0 from the start": "pitfalls#symptom-loss-0-from-the-start",
    "loss N times too large": "pitfalls#symptom-loss-n-times-too-large",
    "loss K times too small": "pitfalls#symptom-loss-k-times-too-small",
    "rows do not sum to 1": "pitfalls#symptom-rows-do-not-sum-to-1",
    "1.2e-07": "pitfalls#symptom-1-2e-07-for-a-wrong-answer",
    "shape error": "pitfalls#symptom-shape-error-dtype-error",
    "dtype error": "pitfalls#symptom-shape-error-dtype-error",
    "distillation loss vanishes": "pitfalls#symptom-distillation-loss-vanishes",
    "gradient check fails": "pitfalls#symptom-gradient-check-fails",
    # A Chinese phrase leads to its row.
    "归一化防溢出": "pitfalls#phrase-归一化防溢出",
    "大指数变成0": "pitfalls#phrase-大指数变成-0",
    "平移到0附近": "pitfalls#phrase-平移到-0-附近",
    "减去任意常数": "pitfalls#phrase-减去任意常数",
    "任意常数": "pitfalls#phrase-减去任意常数",
    "指数太大得到 nan": "pitfalls#phrase-指数太大得到-nan",
    "clip 防 log0": "pitfalls#phrase-clip-防-log0",
    "样本维度": "pitfalls#phrase-样本维度",
    "先 softmax 再交叉熵": "pitfalls#phrase-先-softmax-再交叉熵",
    "框架内部都做 softmax": "pitfalls#phrase-框架内部都做-softmax",
    "标签必须 one-hot": "pitfalls#phrase-标签必须-one-hot",
    "one-hot 两次": "pitfalls#phrase-one-hot-两次",
    "交叉熵只看正确类": "pitfalls#phrase-交叉熵只看正确类",
    "交叉熵是距离": "pitfalls#phrase-交叉熵是距离",
    "损失越小越准": "pitfalls#phrase-损失越小越准",
    "概率就是置信度": "pitfalls#phrase-概率就是置信度",
    "概率密度": "pitfalls#phrase-概率密度",
    "多项式分布": "pitfalls#phrase-多项式分布",
    "softmax 就是软最大值": "pitfalls#phrase-softmax-就是软最大值",
    "用 softmax 算误差": "pitfalls#phrase-用-softmax-算误差",
}
CHROME = re.compile(
    r"Link to this|Show code|Hide code|What it gives|Click to|Hint \d"
    r"|(?:Essential|Deeper) · \d+ min|Run them in a notebook"
)


@pytest.fixture(scope="module")
def content(html):
    """What the search searches."""
    text = (html / "_static" / search_index.SCRIPT).read_text(encoding="utf-8")
    return json.loads(text.removeprefix("window.searchSections=").removesuffix(";\n"))


@pytest.fixture
def searching(html, chromium):
    """`searching(what)`: the page of the search with what it found."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    visit = Visit(context, html / "search.html")

    def search(query):
        visit.page.locator(".bd-search-container input").fill(query)
        visit.page.evaluate("delete document.body.dataset.searched")
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_function("'searched' in document.body.dataset")
        return visit

    yield search
    context.close()


def first(visit):
    """Where the first result leads, as in the table."""
    links = visit.page.locator("#search-results li > a")
    if not links.count():
        return None
    return re.sub(
        r".*/chapters/|\.html", "", unquote(links.first.evaluate("link => link.href"))
    )


def status(visit):
    return visit.page.locator("#search-status").inner_text()


def test_each_query_leads_to_its_section(searching):
    found = {query: first(searching(query)) for query in FIRST}
    wrong = {q: place for q, place in found.items() if place not in FIRST[q].split(" | ")}
    assert wrong == {}


# The index.

PLACE = re.compile(
    r'<section\b[^>]*\bid="([^"]+)"|<dt id="(term-[^"]+)"|<dt class="sig[^>]* id="([^"]+)"'
    r'|<div class="one-row[^>]* id="([^"]+)"|<tbody id="([^"]+)"'
)


def missing(html, content):
    """The places of the pages that have no entry, and the entries that have no place."""
    entries = {(content["pages"][entry[0]][0], entry[1]) for entry in content["entries"]}
    places = set()
    for page in sorted(html.glob("chapters/*.html")):
        text = page.read_text(encoding="utf-8")
        article = search_index.ARTICLE.search(text)[0]
        found = [next(filter(None, ids)) for ids in PLACE.findall(article)]
        address = f"chapters/{page.name}"
        assert found, address
        names = re.findall(r'(?:<dt id="term-.*?</dt>)+', article, re.DOTALL)
        second = {i for name in names for i in re.findall(r'<dt id="([^"]+)"', name)[1:]}
        places |= {(address, ""), *((address, i) for i in found[1:] if i not in second)}
        places |= {
            (address, i) for i in re.findall(r'<div class="citation" id="([^"]+)"', text)
        }
    return entries ^ places


def test_every_section_word_and_function_is_in_the_index(html, content):
    assert missing(html, content) == set()


def test_a_section_that_is_not_in_the_index_is_noticed(html, content):
    index = next(i for i, entry in enumerate(content["entries"]) if entry[1] == "which-axis")
    less = content["entries"][:index] + content["entries"][index + 1 :]
    assert missing(html, content | {"entries": less}) == {
        ("chapters/derivation.html", "which-axis")
    }


def test_errors_that_are_copied_are_those_of_the_libraries(content, tensorflow):
    import torch
    from torch.nn import functional

    scores, whole = torch.zeros(2, 3), torch.tensor([[0, 1, 0], [1, 0, 0]])
    sparse = tensorflow.nn.sparse_softmax_cross_entropy_with_logits
    calls = [
        lambda: functional.cross_entropy(scores, whole),
        lambda: functional.cross_entropy(scores, torch.tensor([0.0, 1.0])),
        lambda: functional.cross_entropy(scores, torch.tensor([[0], [1]])),
        lambda: functional.cross_entropy(scores, torch.tensor([0, -1])),
        lambda: functional.one_hot(torch.tensor([-1])),
        lambda: sparse(labels=[0, 3], logits=tensorflow.zeros((2, 3))),
        lambda: functional.cross_entropy(torch.zeros(2, 3, 4), torch.zeros(2, 3).long()),
        lambda: functional.binary_cross_entropy(torch.tensor([2.0]), torch.tensor([1.0])),
    ]
    lines = [line.strip() for said in search_index.COPIED.values() for line in said.split("\n")]
    for call, line in zip(calls, filter(None, lines), strict=True):
        with pytest.raises(Exception, match=re.escape(line)):
            call()
    places = {f"{content['pages'][e[0]][0]}#{e[1]}": e[7] for e in content["entries"]}
    for place, said in search_index.COPIED.items():
        assert places[place].endswith(" ".join(said.split()))


def test_words_of_the_glossary_have_their_chinese_names(content):
    names = {entry[1]: entry[4] for entry in content["entries"] if entry[2] == "term"}
    assert names["term-overflow"] == ["overflow", "上溢"]
    assert all(
        any("\u3400" <= c <= "\u9fff" for n in all_ for c in n) for all_ in names.values()
    )


def noise(entries):
    """Titles and prose with what is not for reading: TeX, buttons, marks."""
    texts = [text for entry in entries for text in (entry[3], entry[5])]
    return [text for text in texts if "\\" in text or CHROME.search(text) or text.endswith("#")]


def test_prose_is_prose(content):
    assert noise(content["entries"]) == []
    assert all(entry[3] and entry[5] + entry[6] + entry[3] for entry in content["entries"])


PAGE = """<section id="page"><h1>Page</h1>
<section id="a"><h2><span class="section-number">1. </span>
A <em>title</em><a class="headerlink" href="#a">#</a></h2>
<p class="section-mark essential"><em>Essential · 5 minutes.</em></p>
<p>Words with <span class="math">\\(p_i\\)</span> .</p><div class="math">\\[x\\]</div>
<div class="cell tag_hide-input"><details class="hide"><summary>Show code cell source</summary>
<div class="cell_input"><pre>shown = 1</pre></div></details></div>
<details class="gives"><summary>What it gives</summary>
<div class="cell"><div class="cell_output">
<pre>2.3026</pre></div></div><p>The answer.</p></details>
<div class="cell tag_checked"><div class="cell_input"><pre># it holds
assert True</pre></div></div>
<div class="cell tag_figure"><div class="cell_input"><pre>plt.plot()</pre></div></div>
<details class="hint"><summary>Hint 1 of 2</summary><p>Think.</p></details>
</section></section>"""


def test_a_page_is_taken_apart():
    article = search_index.BeautifulSoup(PAGE, "html.parser")
    assert search_index.entries(article) == [
        ["page", "section", "Page", [], "", "", ""],
        ["a", "section", "A title", [], "Words with p_i. The answer.",
         "shown = 1\n2.3026\n# it holds", "Think."],
    ]  # fmt: skip


ROWS = """<section id="page"><h1>Page</h1><p>Before.</p><div class="rows docutils container">
<p class="row-names"><a href="#symptom-7-5">7.5</a></p>
<div class="one-row docutils container" id="symptom-7-5">
<p class="row-head">It is <strong>7.5</strong></p>
<dl class="row-cells simple"><dt>Causes</dt><dd><p>One of many.</p></dd>
<dt>Where</dt><dd><p><a href="#a">There</a></p></dd></dl></div></div><p>After.</p></section>"""


def test_a_row_is_an_entry_without_the_titles_of_columns():
    assert search_index.entries(search_index.BeautifulSoup(ROWS, "html.parser")) == [
        ["page", "section", "Page", [], "Before. After.", "", ""],
        ["symptom-7-5", "row", "It is 7.5", ["7.5"], "One of many. There", "", ""],
    ]


@pytest.mark.parametrize(
    "noisy",
    [
        PAGE.replace('<span class="math">\\(p_i\\)</span>', "\\(p_i\\)"),
        PAGE.replace(' class="headerlink"', ""),
        PAGE.replace(' class="section-mark essential"', ""),
        PAGE.replace(' class="hint"><summary>Hint 1 of 2</summary>', ">Hint 1 of 2"),
    ],
)
def test_noise_is_noticed(noisy):
    parts = [
        [[0, *e] for e in search_index.entries(search_index.BeautifulSoup(p, "html.parser"))]
        for p in (PAGE, noisy)
    ]
    assert [bool(noise(entries)) for entries in parts] == [False, True]


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (r"\(z_i\)", "z_i"),
        (r"\(\log \sum_j e^{z_j - m}\)", "log Σ_j e^(z_j - m)"),
        (r"\(\frac{a + b}{2}\)", "(a + b)/2"),
        (r"\(\operatorname{KL}(q \,\|\, p) \ge 0\)", "KL(q ‖ p) ≥ 0"),
        (r"\(-\log p\)", "−log p"),
        (r"\(10^{-7}\)", "10^-7"),
        (r"\(\bar z\)", "z\u0304"),
        (r"\(A^\top\)", "Aᵀ"),
        (r"\(\unheardof{x}\)", ""),
    ],
)
def test_a_formula_is_as_one_would_type_it(formula, text):
    assert search_index.plain(formula) == text


def test_the_index_is_light(html):
    static = html / "_static"
    sizes = [
        len(gzip.compress((static / name).read_bytes())) / 1000
        for name in (search_index.SCRIPT, "search.js", "search_dialog.js")
    ]
    assert [size < most for size, most in zip(sizes, (220, 12, 1), strict=True)] == [True] * 3


def test_sphinxs_own_search_is_gone(html):
    assert not [*html.rglob("searchindex.js"), *html.rglob("searchtools.js")]
    for page in html.rglob("*.html"):
        assert "searchtools.js" not in page.read_text(encoding="utf-8"), page


# What is shown.


def test_results_are_words_with_what_was_typed_marked(searching):
    visit = searching("softmax 梯度")
    items = visit.page.locator("#search-results li")
    assert items.count() > 5
    text = items.locator("p").all_inner_texts()
    assert not [words for words in text if "\\" in words or CHROME.search(words)]
    marks = {mark.lower() for mark in items.first.locator("mark").all_inner_texts()}
    assert {"softmax", "gradient"} <= marks
    assert re.fullmatch(r"\d+ results\.", status(visit))
    assert visit.page.evaluate("new URL(location.href).searchParams.get('q')") == "softmax 梯度"


def test_a_number_that_only_an_output_has_is_shown_in_its_line(searching):
    visit = searching("3.4028e+38")
    assert "3.4028e+38" in visit.page.locator("#search-results code mark").all_inner_texts()


def test_some_of_the_words_are_better_than_nothing(searching):
    visit = searching("temperature zeppelin")
    assert status(visit).startswith("No section has all of these words.")
    assert first(visit) in FIRST["temperature"]


def test_nothing_found_leads_on(searching):
    visit = searching("zeppelin")
    assert status(visit) == "Nothing found."
    links = visit.page.locator("#search-results a")
    assert links.evaluate_all("links => links.map(link => link.textContent)") == [
        "glossary",
        "index",
    ]
    links.first.click()
    visit.page.wait_for_url("**/chapters/glossary.html")


TYPED = [
    "<img src=x onerror=alert(1)>",
    "<b>softmax</b> &lt;",
    "softmax .*(+[",
    "\\d+$^",
    "😀 softmax",
    "softmax " * 1000,
    "上" * 1000,
    "__proto__ constructor toString",
    "-",
    "_",
    " ",
    "1e999",
]


def test_whatever_is_typed_is_text(html, chromium):
    context = chromium.new_context()
    visit = Visit(context, html / "search.html")
    for query in TYPED:
        visit.page.goto((html / "search.html").as_uri() + "?q=" + quote(query))
        visit.page.wait_for_function("'searched' in document.body.dataset")
        assert visit.page.locator(".bd-search-container input").input_value() == query
        assert visit.page.locator("#search-results :is(img, b, script)").count() == 0, query
        assert [*faults(visit, query)] == []
    context.close()


def test_the_results_are_without_fault_in_every_setting(html, chromium):
    context = chromium.new_context(reduced_motion="reduce")
    visit = Visit(context, html / "search.html")
    visit.page.goto((html / "search.html").as_uri() + "?q=softmax")
    visit.page.locator("#search-results li").first.wait_for()
    found = []
    for setting in SETTINGS:
        visit.look(*setting)
        found += [*faults(visit, "search"), *visit.violations()]
    assert found == []
    visit.page.get_by_role("button", name="more").click()
    assert visit.page.locator("#search-results li").count() > 20
    assert visit.page.evaluate("document.activeElement.closest('li') !== null")
    context.close()


# The dialog, on any page.


@pytest.mark.parametrize("width", [1280, 360])
def test_the_dialog_leads_to_a_section(html, chromium, width):
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    visit = Visit(context, html / "chapters" / "about.html")
    page = visit.page
    assert not [file for file in visit.files if file.name in (search_index.SCRIPT, "search.js")]
    page.keyboard.press("Control+k")
    page.keyboard.type("which axis")
    page.locator("dialog li > a").first.wait_for()
    assert [*faults(visit, "about"), *visit.violations()] == []
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "Which axis?"
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/chapters/derivation.html#which-axis")
    box = page.locator("#which-axis h2").bounding_box()
    assert 0 <= box["y"] < 200
    context.close()


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("place", [".bd-search-container", "#pst-search-dialog"])
def test_the_magnifier_stands_before_the_first_letter(html, chromium, width, place):
    context = chromium.new_context(viewport={"width": width, "height": 800})
    visit = Visit(context, html / "search.html")
    if "dialog" in place:
        visit.page.evaluate("document.querySelector('#pst-search-dialog').showModal()")
    icon = visit.page.locator(f"{place} i").bounding_box()
    letters = visit.page.locator(f"{place} input").evaluate(
        """input => input.getBoundingClientRect().left
            + parseFloat(getComputedStyle(input).paddingLeft)"""
    )
    assert icon["x"] + icon["width"] < letters
    context.close()


SIGNS_WITHOUT_A_FONT = """() => [...document.querySelectorAll("body *")].flatMap(e =>
    ["::before", "::after"].map(side => getComputedStyle(e, side).content)
        .filter(content => /[\\ue000-\\uf8ff]/.test(content))
        .map(content => e.outerHTML.slice(0, 80)))"""


@pytest.mark.parametrize("name", ["search", "chapters/index"])
def test_no_sign_is_an_empty_box(html, chromium, name):
    context = chromium.new_context()
    visit = Visit(context, html / f"{name}.html")
    assert visit.page.evaluate(SIGNS_WITHOUT_A_FONT) == []
    visit.page.add_style_tag(content='h1::before { content: "\\f010"; }')
    assert visit.page.evaluate(SIGNS_WITHOUT_A_FONT)
    context.close()


def test_without_scripts_the_page_says_where_to_look(html, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / "search.html").as_uri())
    assert page.locator("noscript p", has_text="The search needs scripts.").is_visible()
    page.get_by_role("main").get_by_role("link", name="glossary").click()
    page.wait_for_url("**/chapters/glossary.html")
    context.close()
