"""Code that runs inside a framework: distillation in PyTorch and in Keras.

`pytorch` and `keras` import their frameworks, which the rest of the package does without.
Their loss is that of `companion.distillation`, in tensors; tests compare the two.
"""
