"""A Sphinx extension of this book: the table of equivalents, as a page shows it.

    ```{calls} rows
    ```

is the table of companion/frameworks/table.py: a body for each of its rows, in it a line for
each library, and below them what each does with odd input. `modes` in place of `rows` is the
table of what changes inside a compiler. Each body and each call has an address, `row-softmax`
and `calls-torch-softmax`.

Everything stands in the page, so it is there without scripts and on paper. With scripts a group
of buttons chooses the library that is shown beside the companion (static/calls.js).
"""

import re
from functools import cache
from html import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from words import words_of

CHOICE = "Show"
ALL = "all"
IMPORTS = "what the calls import"
NONE = "no call for this"
NO_MODE = "none that was run here"
TITLES_OF_MODES = ("call, and its input", "alone", "inside")
RAISES = "raises {error}"
SAID = "{library}: {what}"
LINK = "Link to this row"
OURS = "numpy"


@cache
def data():
    """The table, read where a page asks for it: not in a build of another package."""
    from companion.frameworks import table

    return table


class Calls(SphinxDirective):
    """One of the two tables."""

    required_arguments = 1

    def run(self):
        say = words_of(self.env.app)
        parts = {"rows": rows, "modes": modes}.get(self.arguments[0])
        if parts is None:
            raise self.error(f"calls must be of rows or modes; got {self.arguments[0]!r}.")
        self.env.note_dependency(data().__file__)
        return [nodes.raw("", parts(say), format="html", calls=True)]


def rows(say=str):
    """The buttons, and the table of all calls."""
    return "\n".join(
        [choice(say), table_of([imports(say), *(row(r, say) for r in data().ROWS)])]
    )


def modes(say=str):
    """The table of what calls do by themselves, and what inside a compiler or under casts."""
    titles = list(map(say, TITLES_OF_MODES))
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    without = [n for n in others() if not any(m.library == n for m in data().MODES)]
    bodies = [mode(m, titles[1:], say) for m in data().MODES]
    bodies += [no_mode(name, say) for name in without]
    return table_of([f"<thead><tr>{head}</tr></thead>", *bodies], " modes")


def mode(this, titles, say):
    """One compiler or cast: its calls, and above them their input if it is the same for all."""
    name = say(SAID).format(library=say(data().TITLES[this.library]), what=code(this.name))
    same = len({call.given for call in this.calls}) == 1
    above = f"<br><small>{escape(say(this.calls[0].given))}</small>" if same else ""
    lines = [outcomes(call, not same, titles, say) for call in this.calls]
    address, attributes = f"mode-{slug(this.name)}", f' data-of="{this.library}"'
    return body(address, name + above, lines, say, 3, attributes)


def outcomes(call, with_input, titles, say):
    """A call, and what it gives alone and inside."""
    given = f"<br>{escape(say(call.given))}" if with_input else ""
    cells = [
        f'<td data-title="{title}">{what(words, say)}</td>'
        for title, words in zip(titles, (call.outside, call.inside), strict=True)
    ]
    return f'<tr><th scope="row">{code(call.call)}{given}</th>{"".join(cells)}</tr>'


def no_mode(library, say):
    words = say(SAID).format(library=say(data().TITLES[library]), what=say(NO_MODE))
    line = f'<tr data-of="{library}" class="none"><td colspan="3">{words}</td></tr>'
    return f"<tbody>{line}</tbody>"


def table_of(bodies, kind=""):
    return "\n".join([f'<table class="calls{kind}">', *bodies, "</table>"])


def others():
    return [name for name in data().SHOWN if name != OURS]


def choice(say):
    """The buttons, which are seen where their script runs."""
    buttons = [button(name, say(data().TITLES[name])) for name in others()]
    return "\n".join(
        [
            f'<fieldset class="calls-choice"><legend>{say(CHOICE)}</legend><div>',
            *buttons,
            button("all", say(ALL)),
            "</div></fieldset>",
        ]
    )


def button(value, words):
    return f'<label><input type="radio" name="calls" value="{value}"> {words}</label>'


def imports(say):
    """The lines that each library's calls need, as the first body of the table."""
    lines = [
        line(name, "<br>".join(map(code, data().imports(name))), say) for name in data().SHOWN
    ]
    return body("row-imports", say(IMPORTS), lines, say)


def row(this, say):
    """One thing: its call in each library, and where they part."""
    address = slug(this.name)
    lines = [
        line(name, code(this.calls[name]), say, f' id="calls-{name}-{address}"')
        if name in this.calls
        else line(name, say(NONE), say, ' class="none"')
        for name in data().SHOWN
    ]
    lines += differences(this.differs, say)
    return body(f"row-{address}", escape(say(this.name)), lines, say)


def body(address, title, lines, say, columns=2, attributes=""):
    """A body of a table, with its head."""
    link = f'<a class="headerlink" href="#{address}" title="{say(LINK)}">#</a>'
    head = f'<tr><th scope="rowgroup" colspan="{columns}">{title}{link}</th></tr>'
    return "\n".join([f'<tbody id="{address}"{attributes}>', head, *lines, "</tbody>"])


def line(library, cell, say, attributes=""):
    """One library's line."""
    title = say(data().TITLES[library])
    return (
        f'<tr data-of="{library}"{attributes}><th scope="row">{title}</th><td>{cell}</td></tr>'
    )


def differences(these, say):
    """What the libraries do with odd input, each in a line of its own."""
    return [
        f'<tr class="differs"><td colspan="2"><dl><dt>{escape(say(one.given))}</dt>'
        f"{''.join(said(one.says, say))}</dl></td></tr>"
        for one in these
    ]


def said(says, say):
    for library in data().SHOWN:
        if library in says:
            words = say(SAID).format(
                library=say(data().TITLES[library]), what=what(says[library], say)
            )
            yield f'<dd data-of="{library}">{words}</dd>'


def what(words, say):
    """A number as it is, an error with its name as code, else a phrase."""
    raised = re.fullmatch(r"raises (\w+)", words)
    return say(RAISES).format(error=code(raised[1])) if raised else escape(say(words))


def code(text):
    return f"<code>{escape(text, quote=False)}</code>"


def slug(name):
    """The address of a row: its letters and digits, joined by hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))


def add_script(app, pagename, templatename, context, doctree):
    """Add the script and its style to the pages that have such a table."""
    if doctree and any(raw.get("calls") for raw in doctree.findall(nodes.raw)):
        app.add_css_file("calls.css")
        app.add_js_file("calls.js")


def setup(app):
    app.add_directive("calls", Calls)
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
