"""The core for large inputs: fewer trips to memory, and logits that never meet.

The room of the chapter *One pass*. `fast` takes rows in blocks and threads, `compiled` is
`fast` again by Numba, `streaming` sees the classes in chunks, `linear` holds no logits of a
whole vocabulary, `distributed` spreads the classes over processes. Import what you need by its
module: `from companion.one_pass import fast`. `compiled` needs Numba, `distributed` PyTorch.
"""
