"""The exercises of the book, as data, and the checker that names the reader's mistake.

One module per chapter, with the chapter's name, holds its exercises. Each exercise has `check`,
`hint` and `solution`::

    from companion.exercises import numerical_stability as ex

    ex.softmax.check(my_softmax)
    ex.softmax.hint()
    ex.softmax.solution()
"""
