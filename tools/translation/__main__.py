"""Keep the Chinese edition in step. Run by `make zh`.

    python -m tools.translation              update the catalogues, write zh/
    python -m tools.translation --overwrite  also over files of zh/ that were edited by hand

What is new or changed in English is empty in translations/zh/*.po, with the old pair in a
comment. Until it is filled it stays English in zh/, and `make test` is red.
"""

import sys

from companion.exercises import TOPICS
from tools.translation import catalogues, checker, edition, pages, site


def wanted():
    """Of each catalogue: its messages, each with where it stands."""
    found = {path.stem: dict.fromkeys(pages.messages_of(path), "") for path in pages.sources()}
    found["companion"] = {}
    for message in [m for topic in TOPICS for m in checker.messages_of(topic)]:
        found["companion"].setdefault(message.english, message.place)
    for message in checker.shared():
        found["companion"].setdefault(message.english, message.place)
    found["site"] = site.messages_of()
    return found


def update():
    """Bring all catalogues up to date. How many messages are empty."""
    empty = 0
    for name, texts in wanted().items():
        new, lost = catalogues.updated(catalogues.read(name), texts)
        for entry in lost:
            print(f"{name}.po: no longer used, and dropped:\n  {entry.msgid}\n  {entry.msgstr}")
        missing = [entry.msgid for entry in new if not entry.msgstr]
        for text in missing:
            print(f"{name}.po: to be translated:\n  {text}")
        empty += len(missing)
        catalogues.write(new, name)
    return empty


def main(arguments):
    edited = edition.edited_by_hand()
    if edited and "--overwrite" not in arguments:
        print(*(f"{name} was edited by hand, and would be lost." for name in edited), sep="\n")
        print(
            "zh/ is written from translations/zh/: put your words there. "
            "python -m tools.translation --overwrite then writes over these files."
        )
        return 1
    empty = update()
    for name in edition.write(edition.files()):
        print(f"{name}: written")
    print(f"{empty} messages are empty." if empty else "Nothing is left to translate.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ValueError as error:
        sys.exit(str(error))
