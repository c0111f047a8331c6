"""The Chinese edition is in step with the English one, and a fault of a translation is named.

What a message must keep is asked of each of them. Each gate is also given a fault that is
planted, and must name it: a gate that nobody has seen closed is no gate.
"""

import copy
import json
import re
from collections import Counter, defaultdict

import nbformat
import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.exercises import TOPICS
from tools.approx import NUMBER
from tools.translation import __main__ as command
from tools.translation import catalogues, checker, edition, faults, messages, outputs, pages
from tools.translation.messages import ROOT

WANTED = command.wanted()
WORDS = faults.glossary()
MARKDOWN = {m.english for topic in TOPICS for m in checker.messages_of(topic) if m.markdown}
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
LINK = re.compile(r"\[([^\]]+)\]\(([\w/.-]*#[\w-]+)\)")


def is_template(name, english):
    return name in ("companion", "site") and english not in MARKDOWN


@pytest.mark.parametrize("name", WANTED)
def test_each_message_is_translated_and_keeps_what_it_must(name):
    found = [
        f"{fault}\n  {entry.msgid}\n  {entry.msgstr}"
        for entry in catalogues.read(name)
        for fault in faults.faults(
            entry.msgid, entry.msgstr, WORDS, is_template(name, entry.msgid)
        )
    ]
    assert not found, f"{name}.po:\n" + "\n".join(found)


@pytest.mark.parametrize("name", WANTED)
def test_a_catalogue_holds_the_messages_of_today_and_no_guess(name):
    entries = catalogues.read(name)
    new, lost = catalogues.updated(entries, WANTED[name])
    missing = [
        f"no translation of:\n  {e.msgid}\nit was:\n  {e.previous_msgid}\n  {e.tcomment}"
        for e in new
        if not e.msgstr
    ]
    missing += [f"no longer in English:\n  {e.msgid}\n  {e.msgstr}" for e in lost]
    assert not missing, f"{name}.po, run make zh: " + "\n".join(missing)
    assert [entry.msgid for entry in entries] == list(WANTED[name]), "the order: run make zh"
    assert not [entry.msgid for entry in entries if entry.fuzzy or entry.obsolete]


def test_a_message_has_the_same_translation_wherever_it_stands():
    said = defaultdict(set)
    for name in WANTED:
        for english, chinese in catalogues.known(catalogues.read(name)).items():
            said[english].add(chinese)
    assert not {english: each for english, each in said.items() if len(each) > 1}


def slug(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_links_to_a_section_name_it_as_its_heading_does():
    """Where the English words of a link are a heading, the Chinese ones are its translation."""
    known = {}
    for name in WANTED:
        known |= catalogues.known(catalogues.read(name))
    for english, chinese in known.items():
        theirs = Counter(
            (known[words], place)
            for words, place in LINK.findall(english)
            if words in known and place.endswith(f"#{slug(words)}")
        )
        own = Counter(LINK.findall(chinese))
        assert not theirs - own, f"{english}\n{chinese}"


def test_the_committed_edition_is_what_the_catalogues_give():
    wanted = edition.files()
    stale = sorted(edition.stale(wanted))
    assert not stale, f"edited by hand, or not written since: {stale}; run make zh"
    hashes = json.loads(edition.HASHES.read_text(encoding="utf-8"))
    assert hashes == {name: edition.hash_of(text) for name, text in wanted.items()}
    assert not edition.edited_by_hand()


# What is put together is what was taken apart.


@pytest.mark.parametrize("path", pages.sources(), ids=lambda path: path.name)
def test_without_translations_a_page_is_itself(path):
    page = pages.translated(path, str)
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
        text = text.replace(pages.INCLUDED, f"{pages.INCLUDED}../")
        assert page == text.replace(pages.COMMAND, pages.CHINESE_COMMAND)
        return
    for cell, own in zip(page.cells, nbformat.read(path, 4).cells, strict=True):
        source = own.source
        for english, chinese in messages.IMPORTS.items() if own.cell_type == "code" else ():
            source = source.replace(english, chinese)
        assert cell.source == source.replace(pages.COMMAND, pages.CHINESE_COMMAND)


def numbers_in(outputs_of_a_cell):
    texts = [str(o.get("text", o.get("data", {}).get("text/plain"))) for o in outputs_of_a_cell]
    return NUMBER.findall("\n".join(texts))


def what_the_code_does(notebook):
    """All of a notebook that no translation may change."""
    for cell in notebook.cells:
        code = cell.cell_type == "code"
        yield cell.cell_type, cell.id, cell.metadata.get("tags")
        yield messages.essence(cell.source) if code else None
        yield cell.execution_count if code else None
        yield [output.output_type for output in cell.outputs] if code else None
        yield numbers_in(cell.outputs) if code else None
        for output in cell.outputs if code else ():
            yield sorted(output.get("data", {}))
            yield pages.DRAWN.sub(r"\1", output.get("data", {}).get(pages.SVG, ""))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chinese_notebook_has_the_cells_and_numbers_of_the_english_one(path):
    chinese = nbformat.read(edition.EDITION / "chapters" / path.name, 4)
    nbformat.validate(chinese)
    assert list(what_the_code_does(chinese)) == list(what_the_code_does(nbformat.read(path, 4)))


@pytest.mark.parametrize("change", ["cell", "id", "tag", "code", "number"])
def test_a_notebook_that_differs_is_seen(change):
    path = ROOT / "chapters" / "numerical_stability.ipynb"
    notebook = nbformat.read(path, 4)
    before = list(what_the_code_does(copy.deepcopy(notebook)))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if change == "cell":
        notebook.cells.pop()
    elif change == "id":
        notebook.cells[3].id = "other"
    elif change == "tag":
        code[2].metadata.tags = ["experiment"]
    elif change == "code":
        code[2].source = code[2].source.replace("(", "((", 1).replace(")", ",))", 1)
    else:
        at = next(c for c in code if numbers_in(c.outputs) and "text" in c.outputs[0])
        at.outputs[0].text = at.outputs[0].text.replace("1", "7")
    assert list(what_the_code_does(notebook)) != before


# Planted faults.

E = (
    "**Predict.** With a {term}`mask`, $K$ is 10,000 and `p` is 0.5 near 100 million "
    "({cite:t}`higham2002`, [Derivatives](derivatives.ipynb)): the gradient is flat."
)
GOOD = (
    "**预测。** 带{term}`掩码`时，$K$ 为 10,000，`p` 在 1 亿附近为 0.5（{cite:t}`higham2002`，"
    "[导数](derivatives.ipynb)）：梯度平坦。"
)
PLANTED = {
    "empty": ("", "untranslated"),
    "left in English": (E, "left in English"),
    "a formula": (GOOD.replace("$K$", "$k$"), "shape"),
    "code": (GOOD.replace("`p`", "`q`"), "shape"),
    "code lost": (GOOD.replace("`p` 在", "p 在"), "shape"),
    "a link": (GOOD.replace("derivatives.ipynb", "derivation.ipynb"), "shape"),
    "a citation": (GOOD.replace("higham2002", "goldberg1991"), "shape"),
    "bold that is none": (GOOD.replace("。** 带", "。**带"), "shape"),
    "emphasis": (GOOD.replace("平坦", "*平坦*"), "shape"),
    "html": (GOOD.replace("平坦", "<b>平坦</b>"), "shape"),
    "a number": (GOOD.replace("0.5", "0.6"), "number"),
    "a number beside Chinese": (GOOD.replace("为 10,000", "为10,001"), "number"),
    "a power of ten": (GOOD.replace("1 亿", "1 万"), "number"),
    "a term": (GOOD.replace("{term}`掩码`", "{term}`截断`"), "term"),
    "a word of the glossary": (GOOD.replace("梯度", "坡度"), "glossary"),
    "a half-width comma": (GOOD.replace("时，", "时,"), "half-width"),
    "a half-width point": (GOOD.replace("平坦。", "平坦."), "half-width"),
    "straight quotes": (GOOD.replace("平坦", '"平坦"'), "straight quotes"),
    "no space": (GOOD.replace("$ 为", "$为"), "no space"),
    "a space too many": (GOOD.replace("梯度平坦", "梯度 平坦"), "a space too many"),
}


def test_a_good_translation_has_no_fault():
    assert list(faults.faults(E, GOOD, WORDS)) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named(name):
    chinese, begins = PLANTED[name]
    found = list(faults.faults(E, chinese, WORDS))
    assert any(fault.startswith(begins) for fault in found), found


def test_an_address_that_swallows_chinese_is_named():
    found = list(
        faults.faults(
            "See https://example.org/get now.", "见 https://example.org/get，现在。", WORDS
        )
    )
    assert any(fault.startswith("shape") for fault in found), found


PLAIN = "{call} has shape {got}: sum(axis=-1) of 2 rows."
PLAIN_GOOD = "{call} 的形状为 {got}：2 行的 sum(axis=-1)。"
PLANTED_IN_PLAIN = {
    "a placeholder": (PLAIN_GOOD.replace("{got}", "{gto}"), "placeholder"),
    "code": (PLAIN_GOOD.replace("axis=-1", "axis=0"), "code"),
    "a number": (PLAIN_GOOD.replace("2 行", "3 行"), "number"),
}


@pytest.mark.parametrize("name", PLANTED_IN_PLAIN)
def test_a_planted_fault_in_a_sentence_of_the_checker_is_named(name):
    assert not list(faults.faults(PLAIN, PLAIN_GOOD, WORDS, template=True))
    chinese, begins = PLANTED_IN_PLAIN[name]
    found = list(faults.faults(PLAIN, chinese, WORDS, template=True))
    assert any(fault.startswith(begins) for fault in found), found


# make zh.


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of what `make zh` reads and writes, with one page."""
    for folder in ("chapters", "zh/chapters", "translations/zh"):
        (tmp_path / folder).mkdir(parents=True)
    page = tmp_path / "chapters" / "page.md"
    page.write_text("# A row\n\nSoftmax overflows at 709.78 in float64.\n", encoding="utf-8")
    monkeypatch.setattr(pages, "CHAPTERS", tmp_path / "chapters")
    monkeypatch.setattr(catalogues, "FOLDER", tmp_path / "translations" / "zh")
    for name, place in {"ROOT": ".", "EDITION": "zh", "HASHES": "zh/generated.json"}.items():
        monkeypatch.setattr(edition, name, tmp_path / place)
    monkeypatch.setattr(edition, "WORDS", tmp_path / "words.json")
    monkeypatch.setattr(edition.site, "READMES", ())
    return tmp_path


def filled(repository, **texts):
    """Fill the catalogue of the page."""
    path = repository / "translations" / "zh" / "page.po"
    catalogue = polib.pofile(str(path), wrapwidth=0)
    for entry in catalogue:
        entry.msgstr = texts.get(entry.msgid.split()[0], entry.msgstr)
    catalogue.save(str(path))


def test_a_changed_sentence_is_empty_and_shows_what_it_was(repository, capsys):
    command.main([])
    assert "page.po: to be translated:\n  A row" in capsys.readouterr().out
    filled(repository, A="一行", Softmax="softmax 在 float64 中于 709.78 处上溢。")
    command.main([])
    page = repository / "zh" / "chapters" / "page.md"
    assert page.read_text("utf-8") == "# 一行\n\nsoftmax 在 float64 中于 709.78 处上溢。\n"
    english = repository / "chapters" / "page.md"
    english.write_text(english.read_text("utf-8").replace("at 709", "above 709"), "utf-8")
    command.main([])
    first, second = polib.pofile(str(repository / "translations/zh/page.po"))
    assert (first.msgstr, second.msgstr) == ("一行", "")
    assert second.previous_msgid == "Softmax overflows at 709.78 in float64."
    assert second.tcomment == "was: softmax 在 float64 中于 709.78 处上溢。"
    command.main([])  # and again: what it was is not forgotten
    again = polib.pofile(str(repository / "translations/zh/page.po"))[1]
    assert again.tcomment == second.tcomment
    assert page.read_text("utf-8") == "# 一行\n\nSoftmax overflows above 709.78 in float64.\n"


def test_what_is_dropped_is_printed(repository, capsys):
    command.main([])
    filled(repository, A="一行", Softmax="softmax 在 float64 中于 709.78 处上溢。")
    (repository / "chapters" / "page.md").write_text("# A row\n", encoding="utf-8")
    capsys.readouterr()
    command.main([])
    printed = capsys.readouterr().out
    assert "page.po: no longer used, and dropped:\n  Softmax overflows" in printed
    assert "709.78 处上溢" in printed


def test_a_file_that_was_edited_by_hand_is_kept_until_asked(repository, capsys):
    command.main([])
    page = repository / "zh" / "chapters" / "page.md"
    page.write_text("# 我的标题\n", encoding="utf-8")
    assert command.main([]) == 1
    printed = capsys.readouterr().out
    assert "zh/chapters/page.md was edited by hand, and would be lost." in printed
    assert "--overwrite" in printed
    assert page.read_text("utf-8") == "# 我的标题\n"
    assert command.main(["--overwrite"]) == 0
    assert page.read_text("utf-8").startswith("# A row")


def test_a_broken_catalogue_is_named_with_its_line(repository):
    command.main([])
    path = repository / "translations" / "zh" / "page.po"
    path.write_text(path.read_text("utf-8") + '\nmgsid "A typo"\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.po must be a \.po file in UTF-8; .*line \d+"):
        command.main([])


def test_a_page_that_is_gone_takes_its_translation_along_in_words(repository, capsys):
    command.main([])
    (repository / "chapters" / "page.md").rename(repository / "chapters" / "other.md")
    assert command.main([]) == 0
    assert "zh/chapters/page.md (gone)" in capsys.readouterr().out
    assert not (repository / "zh" / "chapters" / "page.md").exists()
    assert (repository / "zh" / "chapters" / "other.md").exists()


# Outputs that were stored in English are said again in Chinese.


def test_an_output_of_the_checker_is_said_again():
    words = {"… Not attempted.": "… 尚未作答。", "Fill in {name}.": "请填写 {name}。"}
    assert outputs.plain("… Not attempted. Fill in f.", words) == "… 尚未作答。请填写 f。"
    box = '<div class="check check-not-attempted" role="status">'
    shown = f"{box}<strong>… Not attempted.</strong> Fill in f.</div>"
    assert "<strong>… 尚未作答。</strong> 请填写 f。</div>" in outputs.shown(shown, words)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_checker_says_the_same_results_in_chinese_in_the_stored_outputs(path):
    english = nbformat.read(path, as_version=4)
    chinese = nbformat.read(edition.EDITION / "chapters" / path.name, as_version=4)
    stored = list(outputs.results(chinese))
    assert len(stored) == len(list(outputs.results(english)))
    for data in stored:
        assert re.fullmatch(r"\S [^.]+。[^.]+。", data["text/plain"]), data
        assert re.search(r"<strong>\S [^.]+。</strong> [^.]+。</div>", data["text/html"]), data


# A search: whatever Markdown of these kinds comes, it is taken apart and put together.

WORDS_OF_TEXT = st.lists(
    st.sampled_from(
        ["rows", "of", "a", "softmax", "`z - m`", "$p_i$", "**bold**", "*one*", "[see](x.md#y)",
         "{term}`mask`", "1,000", "5 %", "(two)", "it:", "end."]
    ),
    min_size=1,
    max_size=9,
).map(" ".join)  # fmt: skip
BLOCKS = st.one_of(
    WORDS_OF_TEXT,
    st.tuples(WORDS_OF_TEXT, WORDS_OF_TEXT).map("\n".join),
    WORDS_OF_TEXT.map("## {}".format),
    st.lists(WORDS_OF_TEXT, min_size=1, max_size=3).map(
        lambda lines: "\n".join(f"- {line}" for line in lines)
    ),
    st.lists(WORDS_OF_TEXT, min_size=1, max_size=3).map(
        lambda lines: "\n".join(f"> {line}" for line in lines)
    ),
    st.tuples(WORDS_OF_TEXT, WORDS_OF_TEXT).map(
        lambda cells: "| A | B |\n| --- | --- |\n| {} | {} |".format(*cells)
    ),
    WORDS_OF_TEXT.map("<details><summary>{}</summary>".format),
    st.just("```python\nx = 1  # one row\n```"),
    st.just("$$\nx_i \\text{ for each row}\n$$"),
    st.just("</details>"),
)


@given(st.lists(BLOCKS, min_size=1, max_size=6).map("\n\n".join))
def test_any_markdown_is_taken_apart_and_put_together(text):
    assert messages.markdown(text, str) == text
    found = []
    messages.markdown(text, lambda message: found.append(message) or message)
    again = []
    done = messages.markdown(text, lambda message: f"{message} 行")
    messages.markdown(done, lambda message: again.append(message) or message)
    assert again == [f"{message} 行" for message in found]
    both = [faults.shape(each) for each in (done, text)]
    kept = [{k: n for k, n in s.items() if k[0] != "html_block"} for s in both]
    assert kept[0] == kept[1]


def test_the_font_of_figures_has_the_characters_of_their_labels():
    from tools.translation import font

    wanted = {sign for sign in font.characters() if re.match(f"[{faults.CHINESE}]", sign)}
    assert len(wanted) > 50
    assert not wanted - font.known(), "python -m tools.translation.font"


def test_a_figure_with_chinese_labels_warns_of_nothing():
    import matplotlib.pyplot as plt

    from companion.book import zh

    before = plt.rcParams.copy()
    try:
        zh.book_style()
        figure, axes = plt.subplots()
        axes.set(xlabel="步数", title="准确率 T²")
        figure.canvas.draw()  # a warning is an error here
    finally:
        plt.close("all")
        plt.rcParams.update(before)
