"""The .po files: one for each page, one for the checker, one for the site.

An English message that is new or changed is empty; what stood there before is shown in a
comment, for the translator. No guess is ever put in its place.
"""

import difflib

import polib

from tools.translation.messages import ROOT

FOLDER = ROOT / "translations" / "zh"
LIKE = 0.6  # how much of a message must be left, to be shown as what it was


def read(name):
    """A catalogue, empty if there is no file.

    Raises
    ------
    ValueError
        If the file is broken, with the place.
    """
    path = FOLDER / f"{name}.po"
    if not path.exists():
        return polib.POFile(wrapwidth=0)
    try:
        return polib.pofile(str(path), wrapwidth=0, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be a .po file in UTF-8; {error}.") from None


def known(catalogue):
    """From English to Chinese, without what is empty."""
    return {entry.msgid: entry.msgstr for entry in catalogue if entry.msgstr}


def updated(old, wanted):
    """A catalogue with the wanted messages, and what was lost on the way.

    Parameters
    ----------
    old : POFile
    wanted : dict
        From message to the remark that stands above it, or "".

    Returns
    -------
    POFile
    list of POEntry
        Translations that are no longer used, and stand in no comment either.
    """
    before = known(old)
    entries = {entry.msgid: entry for entry in old}
    gone = {text: chinese for text, chinese in before.items() if text not in wanted}
    new = polib.POFile(wrapwidth=0)
    new.metadata = {"Language": "zh_CN", "Content-Type": "text/plain; charset=UTF-8"}
    for text, remark in wanted.items():
        entry = polib.POEntry(msgid=text, msgstr=before.get(text, ""), comment=remark)
        if not entry.msgstr and text in entries and entries[text].tcomment:
            entry.tcomment, entry.previous_msgid = (
                entries[text].tcomment,
                entries[text].previous_msgid,
            )
        elif not entry.msgstr:
            for near in nearest(text, gone):
                entry.previous_msgid, entry.tcomment = near, f"was: {gone.pop(near)}"
        new.append(entry)
    return new, [entries[text] for text in gone]


def nearest(text, others):
    """The one of some texts that is most like a text; none if none is like it."""
    matcher = difflib.SequenceMatcher(None, b=text, autojunk=False)
    best, most = [], LIKE
    for other in others:
        matcher.set_seq1(other)
        if matcher.quick_ratio() > most and (like := matcher.ratio()) > most:
            best, most = [other], like
    return best


def write(catalogue, name):
    """Store a catalogue."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    catalogue.save(str(FOLDER / f"{name}.po"))
