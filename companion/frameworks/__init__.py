"""Code that runs inside a framework: distillation, and a look at live models.

`pytorch` and `keras` import their frameworks, which the rest of the package does without.
Their loss does what `companion.distillation_loss` does, on tensors: the same checks in the
same words, the same masks, the same digits; tests compare the two. Their `diagnose` looks at a
model, a batch and a loss, as `companion.diagnose` looks at arrays. `table` needs neither.
"""
