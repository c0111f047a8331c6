"""What a stored chapter must be, beyond what nbval compares.

Each rule takes a notebook and yields one sentence per fault, so that `tests/test_notebooks.py`
can run every rule on every chapter, and on chapters with planted faults.
"""

import base64
import io
import re

NOTEBOOK_LIMIT = 1_000_000  # bytes: GitHub stops rendering well above, phones well below
MOST_LINES = 15
TAGS = {"hide-cell", "hide-input", "raises-exception", "remove-cell", "shows-warning"}
CLOSING = [
    "Where it still breaks",
    "In PyTorch and TensorFlow",
    "Exercises",
    "What you can now say",
    "Sources",
]


def every_cell_was_run_in_order(notebook):
    counts = [cell.execution_count for cell in _code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}, not 1, 2, 3 and so on; run make refresh"


def errors_are_declared(notebook):
    for cell in _code(notebook):
        raised = any(output.output_type == "error" for output in cell.outputs)
        if raised != ("raises-exception" in _tags(cell)):
            yield f"error output and tag raises-exception do not go together: {_start(cell)}"


def cells_are_small(notebook):
    for cell in _code(notebook):
        lines = len(cell.source.splitlines())
        if lines > MOST_LINES:
            yield f"{lines} lines in a code cell, at most {MOST_LINES}: {_start(cell)}"


def prose_stands_between_code(notebook):
    run = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            run = 0
        elif "remove-cell" not in _tags(cell):
            run += 1
            if run == 3:
                yield f"a third code cell without a word between: {_start(cell)}"


def only_known_tags(notebook):
    for cell in notebook.cells:
        for tag in sorted(_tags(cell) - TAGS):
            yield f"unknown tag {tag}: {_start(cell)}"


def no_line_ends_in_a_semicolon(notebook):
    # nbval would show the output that the semicolon hides.
    for cell in _code(notebook):
        if cell.source.rstrip().endswith(";"):
            yield f"the cell ends in a semicolon: {_start(cell)}"


def no_path_of_a_machine(notebook):
    for cell in notebook.cells:
        text = cell.source + "".join(_texts(cell))
        found = re.search(r"(/home/|/root/|/Users/|/tmp/|C:\\)\S*", text)
        if found:
            yield f"a path of a machine, {found[0]}: {_start(cell)}"


def figures_can_be_seen_and_read_aloud(notebook):
    for cell in _code(notebook):
        pictures = [
            output.data["image/png"]
            for output in cell.outputs
            if "image/png" in output.get("data", {})
        ]
        if any(_is_blank(picture) for picture in pictures):
            yield f"a blank figure: {_start(cell)}"
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        shown = pictures and "remove-cell" not in _tags(cell)
        if shown and (len(alt) < 30 or re.search(r"\.(png|svg|jpe?g)\b", alt)):
            yield f"the alt text must say what is seen, got {alt!r}: {_start(cell)}"
        if not pictures and any("<Figure" in text for text in _texts(cell)):
            yield f"a figure without its picture: {_start(cell)}"


def formulas_are_evaluated(notebook):
    """A Markdown cell that displays a formula is followed by a code cell with an assertion."""
    waiting = None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if waiting is not None and not re.search(r"^\s*assert ", cell.source, re.M):
                yield f"no assertion follows the formula in: {_start(waiting)}"
            waiting = None
        elif "$$" in cell.source or "```{math}" in cell.source:
            if waiting is not None:
                yield f"no assertion follows the formula in: {_start(waiting)}"
            waiting = cell
    if waiting is not None:
        yield f"no assertion follows the formula in: {_start(waiting)}"


def numbers_in_prose_come_from_a_cell(notebook):
    """A number in prose stands in the code or in an output, rounded as the prose rounds it."""
    seen = []
    for cell in _code(notebook):
        for text in [cell.source, *_texts(cell)]:
            seen += [float(n) for n in re.findall(NUMBER, text.replace("_", ""))]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and not cell.source.startswith("<!-- generated"):
            for number in _prose_numbers(cell.source):
                if not any(_rounds_to(value, number) for value in seen):
                    yield f"the number {number} comes from no cell: {_start(cell)}"


def closes_as_every_chapter(notebook):
    headings = [
        line[3:].strip()
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("## ")
    ]
    if headings[-len(CLOSING) :] != CLOSING:
        yield f"the last sections are {headings[-len(CLOSING) :]}, not {CLOSING}"


def asks_the_reader_to_predict(notebook):
    prompts = sum(cell.source.count("> **Predict.** ") for cell in notebook.cells)
    if prompts < 4:
        yield f"{prompts} places where the reader predicts, at least 4"


RULES = [
    every_cell_was_run_in_order,
    errors_are_declared,
    cells_are_small,
    prose_stands_between_code,
    only_known_tags,
    no_line_ends_in_a_semicolon,
    no_path_of_a_machine,
    figures_can_be_seen_and_read_aloud,
    formulas_are_evaluated,
    numbers_in_prose_come_from_a_cell,
    closes_as_every_chapter,
    asks_the_reader_to_predict,
]

NUMBER = r"(?<![\w.])-?\d+\.?\d*(?:[eE][-+]?\d+)?"
# What is not a claim: formulas, code, links, citations, years beside names, HTML.
NOT_PROSE = re.compile(
    r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)|\{\w+(?::\w+)?\}|https?://\S+|<[^>]+>"
    r"|\b(?:sections?|chapters?) [\d., to]+"
    r"|\b(?:1[6-9]|20)\d\d\b|\bdoi:\S+|\barXiv:\S+|^\s*- (?:\{cite|\*\*).*?$",
    re.DOTALL | re.MULTILINE,
)


def _prose_numbers(source):
    """Decimals, percentages, numbers with an exponent, integers of three digits or more."""
    source = source.split("## Sources")[0]
    text = NOT_PROSE.sub(" ", source).replace("−", "-")
    text = re.sub(r"(?<=\d)[,\u202f\u00a0 ](?=\d{3}\b)", "", text)
    for found in re.finditer(NUMBER, text):
        number = found[0].rstrip(".")
        digits = number.lstrip("-").lower()
        percent = re.match(r"\s?%", text[found.end() :])
        if percent or "." in digits or "e" in digits or len(digits) >= 3:
            yield number


def _rounds_to(value, printed):
    """Whether `value`, or `value` in percent, or its opposite, is printed so when rounded."""
    mantissa, _, exponent = printed.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - decimals)
    target = float(printed)
    return any(
        abs(candidate - target) <= 0.5000001 * unit
        for candidate in (value, 100 * value, -value, -100 * value)
    )


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _tags(cell):
    return set(cell.metadata.get("tags", []))


def _start(cell):
    return repr(cell.source.strip().partition("\n")[0][:70])


def _texts(cell):
    for output in cell.get("outputs", []):
        if "text" in output:
            yield output.text
        for kind, value in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield "".join(value)


def _is_blank(picture):
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(base64.b64decode(picture)))
    return pixels[..., :3].std() < 0.01
