"""What a page must look like at any width, beside being valid: asked of the browser.

`faults(page, width)` yields one sentence per fault. tests/test_browser.py asks it of every page
in every setting, tests/test_reading.py of pages with planted faults.
"""

# Pixels of the screen. A phone is held nearer.
SMALLEST_TEXT = {1280: 11, 360: 9}

CUT = """(selector) => [...document.querySelectorAll(selector)]
    .filter(box => box.clientWidth && box.scrollWidth > box.clientWidth + 1)
    .map(box => box.textContent.slice(0, 80))"""
TEXT_OF_FIGURES = """() => [...document.querySelectorAll(".drawing svg text")]
    .filter(text => text.textContent.trim() && text.getScreenCTM() && text.checkVisibility())
    .map(text => {
        const { a, b } = text.getScreenCTM();
        const size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
        return [size, text.textContent];
    })"""
BESIDE_FIGURES = """() => [...document.querySelectorAll(".drawing svg")]
    .filter(svg => svg.checkVisibility())
    .flatMap(svg => {
        const frame = svg.getBoundingClientRect();
        return [...svg.querySelectorAll("text")]
            .filter(text => text.textContent.trim())
            .filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 2 || box.right > frame.right + 2;
            })
            .map(text => text.textContent);
    })"""
# Two words of a figure that lie on each other: the boxes share more than a sliver.
CROSSED = """() => [...document.querySelectorAll(".drawing svg")]
    .filter(svg => svg.checkVisibility())
    .flatMap(svg => {
        const words = [...svg.querySelectorAll("text")].filter(t => t.textContent.trim())
            .map(t => [t.textContent, t.getBoundingClientRect()]);
        return words.flatMap(([one, a], i) => words.slice(i + 1)
            .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 3
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.35 * a.height)
            .map(([other]) => `${one} / ${other}`));
    })"""
ALONE = """() => [...document.querySelectorAll(".bd-article :is(h1, h2, h3)")]
    .filter(heading => {
        const link = heading.querySelector("a.headerlink");
        if (!link || !heading.checkVisibility()) return false;
        return link.getBoundingClientRect().top > heading.getBoundingClientRect().top + 40;
    })
    .map(heading => heading.textContent)"""
# Between a prompt and its fold nothing that a cell gave may be seen.
SPOILED = """() => [...document.querySelectorAll("blockquote.predict")].flatMap(prompt => {
    let next = prompt.nextElementSibling;
    const seen = [];
    for (; next && !next.matches("details.gives"); next = next.nextElementSibling) {
        if (!next.matches(".cell")) return [`no fold: ${prompt.textContent.slice(0, 80)}`];
        seen.push(...next.querySelectorAll(".cell_output"));
    }
    if (!next) return [`no fold: ${prompt.textContent.slice(0, 80)}`];
    if (next.open) seen.push(next);
    return seen.filter(box => box.checkVisibility()).map(box => box.textContent.slice(0, 80));
})"""
CHINESE = r"""() => {
    const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { data, parentElement } = texts.currentNode;
        if (/[\u3400-\u9fff]/.test(data) && !parentElement.closest("script, style, [lang|=zh]"))
            found.push(data.trim().slice(0, 80));
    }
    return found;
}"""
PRIVATE = r"""() => [...document.querySelectorAll("body *")]
    .filter(e => e.checkVisibility() && ["::before", "::after"].some(
        part => /[\ue000-\uf8ff]/.test(getComputedStyle(e, part).content)))
    .map(e => e.outerHTML.slice(0, 80))"""
# A column of a word a line: what stands there is a list, not a cell.
PILLAR = """() => [...document.querySelectorAll(".bd-article table:not(.indextable) td")]
    .filter(cell => cell.checkVisibility() && cell.clientHeight > 250
        && cell.clientHeight > 2 * cell.clientWidth)
    .map(cell => cell.textContent.slice(0, 80))"""
SHIFT = """() => new Promise(done => {
    let sum = 0;
    new PerformanceObserver(list => {
        for (const shift of list.getEntries()) if (!shift.hadRecentInput) sum += shift.value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(sum), 50);
})"""


def faults(page, width):
    """All that is wrong with how a page looks, in words; its folds are as they are."""
    questions = {
        SEEN: SPOILED,
        "a word of a figure is cut": BESIDE_FIGURES,
        "words of a figure lie on each other": CROSSED,
        "the link of a heading stands alone": ALONE,
        "a cell is a pillar of words": PILLAR,
        "Chinese that is not said to be": CHINESE,
        "a sign of a font that is not there": PRIVATE,
    }
    for words, script in questions.items():
        yield from (f"{words}: {found}" for found in page.evaluate(script))
    for pixels, text in page.evaluate(TEXT_OF_FIGURES):
        if pixels < SMALLEST_TEXT[width] - 0.05:
            yield f"text of {pixels:.1f} pixels in a figure: {text}"
    boxes = ".bd-article .cell_output pre" + (
        ", .bd-article .cell pre" if width == 1280 else ""
    )
    yield from (f"wider than its box: {text}" for text in page.evaluate(CUT, boxes))


SEEN = "an answer can be seen"


def unfold(page):
    """Open all folds."""
    page.evaluate(
        "() => document.querySelectorAll('.bd-article details').forEach(d => d.open = true)"
    )


def fold(page):
    """Close all folds."""
    page.evaluate(
        "() => document.querySelectorAll('.bd-article details').forEach(d => d.open = false)"
    )


def shift(page):
    """How much the page moved under the reader's eyes while it loaded and was scrolled."""
    page.evaluate(
        """async () => {
        for (let y = 0; y < document.body.scrollHeight; y += 600) {
            scrollTo(0, y);
            await new Promise(requestAnimationFrame);
        }
        scrollTo(0, 0);
    }"""
    )
    return page.evaluate(SHIFT)
