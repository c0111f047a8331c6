"""One book in two languages: the English sentence is the key, Chinese lies in .po files.

`python -m tools.translation` (`make zh`) takes the English sources apart (`messages`), keeps a
catalogue for each page (`catalogues`), and writes the Chinese sources. What a translation must
keep is in `faults`.
"""
