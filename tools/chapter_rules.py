"""What a stored chapter must be, beyond what nbval compares.

Each rule takes a notebook and yields one sentence per fault, so that `tests/test_notebooks.py`
can run every rule on every chapter, and on chapters with planted faults.
"""

import ast
import builtins
import re
import symtable

from companion.book.plotting import SMALL, WIDTH

NOTEBOOK_LIMIT = 1_000_000  # bytes: GitHub stops rendering well above, phones well below
MOST_LINES, MOST_FOLDED_LINES = 15, 25
FIRST_CELLS = ("# Installs the companion", "# Stops in words if")
ANSWER = "<details><summary>Answer</summary>"
MARK = r"\*(?:Essential|Deeper) · \d+ minutes?(?: · needs [^*]+)?\.\*"
# What stands on a fold of the page: every folded cell has one of them (site/finishing.py).
FOLDS = {"checked", "experiment", "figure", "imports"}
TAGS = FOLDS | {"hide-cell", "hide-input", "raises-exception", "remove-cell", "shows-warning"}
# How long a cell runs in the page, and which moving figure shows what the cell computes.
TAKES, CODE_OF = r"takes-(?:[2-9]|[1-9]\d+)-(?:seconds|minutes)", r"code-of-([a-z]+)"
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
    """What stands open is seen at a glance; what is folded may be longer."""
    for cell in _code(notebook):
        lines = len(cell.source.splitlines())
        most = MOST_FOLDED_LINES if _tags(cell) & {"hide-cell", "hide-input"} else MOST_LINES
        if lines > most:
            yield f"{lines} lines in a code cell, at most {most}: {_start(cell)}"


def prose_stands_between_code(notebook):
    run = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            run = 0
        elif not _tags(cell) & {"checked", "remove-cell"}:
            run += 1
            if run == 3:
                yield f"a third code cell without a word between: {_start(cell)}"


def only_known_tags(notebook):
    for cell in notebook.cells:
        for tag in sorted(_tags(cell) - TAGS):
            if not re.fullmatch(f"{TAKES}|{CODE_OF}", tag):
                yield f"unknown tag {tag}: {_start(cell)}"


def folds_say_what_is_in_them(notebook):
    """And nothing is off the page but the cells that look for the companion."""
    for cell in _code(notebook):
        folded, names = _tags(cell) & {"hide-cell", "hide-input"}, _tags(cell) & FOLDS
        if (len(folded), len(names)) not in {(0, 0), (1, 1)}:
            yield f"a fold has one tag of {sorted(FOLDS)}, not {sorted(names)}: {_start(cell)}"
        if "checked" in names and not re.match(r"# \S", cell.source):
            yield f"a checked cell begins with a comment that says what: {_start(cell)}"
        if "remove-cell" in _tags(cell) and not cell.source.startswith(FIRST_CELLS):
            yield f"a cell is not on the page, tag it hide-cell and checked: {_start(cell)}"


def answers_stand_after_what_they_answer(notebook):
    """A prompt ends its cell; one or two code cells follow, and then the answer."""
    for at, cell in enumerate(notebook.cells):
        if "> **Predict.**" not in cell.source:
            continue
        prompt = cell.source[cell.source.rindex("> **Predict.**") :]
        if any(line and not line.startswith(">") for line in prompt.splitlines()):
            yield f"prose follows the prompt in its cell: {prompt[:70]!r}"
        kinds = [
            "check" if "checked" in _tags(c) else c.cell_type for c in notebook.cells[at + 1 :]
        ]
        count = kinds.index("markdown") if "markdown" in kinds else 0
        if kinds[:count] not in (["code"], ["code", "code"]):
            yield f"one or two code cells must follow the prompt: {prompt[:70]!r}"
        elif not notebook.cells[at + 1 + count].source.startswith(ANSWER):
            yield f"the cell after the code must begin with {ANSWER}: {prompt[:70]!r}"


def sections_say_whether_they_are_essential(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for heading, text in re.findall(r"^## (.*)\n+(.*)", cell.source, re.M):
                if heading not in CLOSING and not re.fullmatch(MARK, text):
                    yield f"a section begins with *Essential · 5 minutes.* or so: {heading}"


def opens_as_every_chapter(notebook):
    """The topic, the question, and before any code what the reader gets, needs and spends."""
    first = notebook.cells[0].source
    if not re.match(r"# [^\n?]+\n\n\*[^*\n]+\?\*\n\n", first):
        yield "the first cell must begin with # Topic, and then with *The question?*"
    for words in ("**You will**", "**You need**", " minutes"):
        if words not in first:
            yield f"the first cell lacks {words!r}"


def shown_code_runs_as_shown(notebook):
    """What stands open on the page needs nothing from the cells that only check."""
    owner = {}
    for cell in _code(notebook):
        if cell.source.startswith(FIRST_CELLS):
            continue
        scope, tree = _parsed(cell)
        checks = "checked" in _tags(cell)
        drawn = {
            n.value.id
            for n in ast.walk(tree)
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
        }
        if checks and any(owner.get(name) == "shown" for name in drawn if "rng" in name):
            yield f"a checked cell draws from a generator of the shown code: {_start(cell)}"
        needed = _needed(scope) - _bound(tree)
        borrowed = sorted(name for name in needed if owner.get(name) == "checked")
        if borrowed and not checks:
            yield f"shown code needs {borrowed} of a checked cell: {_start(cell)}"
        owner |= dict.fromkeys(_bound(tree), "checked" if checks else "shown")


def the_page_has_all_that_its_code_needs(notebook):
    """A reader who has only the page finds above a cell whatever it reads.

    Its functions, too, although they are called later: so nobody has to look below.
    """
    there = set(dir(builtins))
    for cell in _code(notebook):
        if "remove-cell" not in _tags(cell):
            scope, tree = _parsed(cell)
            there |= _bound(tree)
            for name in sorted(_needed(scope) - there):
                yield f"no cell above on the page binds {name}: {_start(cell)}"


def settings_stand_with_the_imports(notebook):
    """What is set for all cells, in the first cell of the page: all that need NumPy run it."""
    first = True
    for cell in _code(notebook):
        found = re.search(r"\b(book_style|set_printoptions)\(", cell.source)
        if found and not first:
            yield f"{found[1]} belongs into the first cell: {_start(cell)}"
        first = first and "remove-cell" in _tags(cell)


def waits_are_announced(notebook):
    """A cell that needs a slow one waits for it, and says so as that does: takes-2-minutes."""
    slow = set()
    for cell in _code(notebook):
        scope, tree = _parsed(cell)
        bound = _bound(tree)
        waits = [tag for tag in _tags(cell) if re.fullmatch(TAKES, tag)]
        needs = sorted((_needed(scope) - bound) & slow)
        if len(waits) > 1:
            yield f"one time in the tags of a cell, not {sorted(waits)}: {_start(cell)}"
        elif needs and not waits:
            yield f"{needs} of a slow cell are needed, and no tag takes-…: {_start(cell)}"
        slow = slow | bound if waits else slow - bound


def a_moving_figure_has_one_cell_as_its_code(notebook):
    """Or none. The page leads from the figure to that cell."""
    sources = "\n".join(cell.source for cell in notebook.cells)
    free = set(re.findall(r"data-figure=[\"']([a-z]+)", sources))
    for cell in notebook.cells:
        for tag in sorted(_tags(cell)):
            found = re.fullmatch(CODE_OF, tag)
            if found and (cell.cell_type != "code" or found[1] not in free):
                yield f"no figure of that name, or it has a cell, {tag}: {_start(cell)}"
            elif found:
                free.remove(found[1])


def short_path_runs_alone(notebook):
    """The opening and what is essential need nothing of the sections that are not."""
    on_path, owner = True, {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for mark in re.findall(r"^## .*\n+(.*)", cell.source, re.M):
                on_path = mark.startswith("*Essential")
        elif not cell.source.startswith(FIRST_CELLS):
            scope, tree = _parsed(cell)
            bound = _bound(tree)
            needed = _needed(scope) - bound
            missed = sorted(name for name in needed if owner.get(name) == "deeper")
            if on_path and missed:
                yield f"the short path needs {missed} of a section that is not: {_start(cell)}"
            owner |= dict.fromkeys(bound, "path" if on_path else "deeper")


def _parsed(cell):
    """The symbols of a cell, and its tree, without lines that are IPython's alone."""
    source = re.sub(r"^(\s*)[%!].*", r"\1pass", cell.source, flags=re.M)
    return symtable.symtable(source, "cell", "exec"), ast.parse(source)


def _needed(scope):
    """The global names that a scope and those in it read."""
    own = {s.get_name() for s in scope.get_symbols() if s.is_referenced()}
    if scope.get_type() != "module":
        own &= {s.get_name() for s in scope.get_symbols() if s.is_global()}
    return own.union(*map(_needed, scope.get_children()))


def _bound(tree):
    """The names that a cell binds for the cells after it."""
    names, waiting = set(), list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler):
            names |= {node.name} - {None}
            waiting += node.body
        elif not isinstance(node, ast.Lambda | ast.comprehension | ast.ListComp | ast.DictComp):
            waiting += ast.iter_child_nodes(node)
    return names


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
            "".join(output.data["image/svg+xml"])
            for output in cell.outputs
            if "image/svg+xml" in output.get("data", {})
        ]
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            yield f"a figure is not SVG; call book_style() first: {_start(cell)}"
        if any(_is_blank(picture) for picture in pictures):
            yield f"a blank figure: {_start(cell)}"
        alts = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").splitlines()
        if len(alts) != len(pictures):
            yield f"{len(pictures)} figures, {len(alts)} lines of alt text: {_start(cell)}"
        for alt in alts:
            if len(alt) < 30 or re.search(r"\.(png|svg|jpe?g)\b", alt):
                yield f"the alt text must say what is seen, got {alt!r}: {_start(cell)}"
        for picture in pictures:
            yield from (f"{fault}: {_start(cell)}" for fault in _hard_to_read(picture))
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


def formulas_keep_one_notation(notebook):
    """p is the model, t the target, q a second distribution; T is the temperature alone."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for formula in MATHS.findall(cell.source):
            for pattern, words in NOTATION.items():
                if re.search(pattern, formula):
                    yield f"{words}, in {formula!r}"


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
    folds_say_what_is_in_them,
    answers_stand_after_what_they_answer,
    sections_say_whether_they_are_essential,
    opens_as_every_chapter,
    shown_code_runs_as_shown,
    the_page_has_all_that_its_code_needs,
    waits_are_announced,
    a_moving_figure_has_one_cell_as_its_code,
    short_path_runs_alone,
    no_line_ends_in_a_semicolon,
    no_path_of_a_machine,
    figures_can_be_seen_and_read_aloud,
    formulas_are_evaluated,
    formulas_keep_one_notation,
    numbers_in_prose_come_from_a_cell,
    closes_as_every_chapter,
    asks_the_reader_to_predict,
]

MATHS = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
NOTATION = {
    r"\^\{?\\?(?:mathsf|mathrm|text)?[{ ]*T\b|\\intercal": "the transpose is ^\\top",
    r"\\ln\b|\\log_e": "natural logarithms are \\log",
    r"(?<!operatorname\{)KL|D_\{": "the divergence is \\operatorname{KL}(q \\,\\|\\, p)",
    r"KL\}\([^()]*(?<!\\,)\\\||KL\}\([^()]*\\(?:parallel|Vert|mid)": "its bars are \\,\\|\\,",
    r"KL\}\(p \\,\\\|": "the model p stands second in KL",
    r"(?<!= )H\(p, [tq]\)": "the model p stands second in H",
    r"(?<!\{)\b(?:softmax|lse)\b(?!\})": "a name is an \\operatorname",
}
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
    """An axis alone draws a frame of 4 lines, and its ticks."""
    drawn = re.findall(r"<(?:path|use|image|text)\b", picture)
    return len(drawn) < 8


def _hard_to_read(picture):
    points = float(re.search(r'<svg[^>]* width="([\d.]+)pt"', picture)[1])
    if points > 72 * WIDTH + 1:
        yield f"a figure is {points / 72:.1f} inches wide, at most {WIDTH}; use panels()"
    smallest = min(
        map(float, re.findall(r"<text[^>]*font-size: ([\d.]+)px", picture)), default=99
    )
    if smallest < SMALL:
        yield f"text of {smallest} points in a figure, at least {SMALL}"
