"""Code that runs inside a framework: distillation in PyTorch and in Keras.

`pytorch` and `keras` import their frameworks, which the rest of the package does without.
Their loss does what `companion.distillation_loss` does, on tensors: the same checks in the
same words, the same masks, the same digits; tests compare the two. `table` needs neither.
"""
