"""The same four tasks in each library, as its users would write them.

Each function takes logits (N, K) and labels (N,) and returns, for the tasks that the library
has, a call without arguments. What happens once, such as making tensors and compiling, happens
before the clock starts; a new result is made by every call, unless a name says `out=`.
"""

import numpy as np

TASKS = ("softmax", "log_softmax", "logsumexp", "loss and gradient")


def copy(x, labels):
    """No library, the limit: as many bytes read and written as softmax must."""
    out = np.empty_like(x)
    return dict.fromkeys(TASKS, lambda: np.copyto(out, x))


def numpy_plainly(x, labels):
    """The stable formulas as textbooks have them, with no thought of memory."""

    def softmax():
        exps = np.exp(x - x.max(axis=-1, keepdims=True))
        return exps / exps.sum(axis=-1, keepdims=True)

    def logsumexp():
        largest = x.max(axis=-1, keepdims=True)
        return largest[:, 0] + np.log(np.exp(x - largest).sum(axis=-1))

    def log_softmax():
        gaps = x - x.max(axis=-1, keepdims=True)
        return gaps - np.log(np.exp(gaps).sum(axis=-1, keepdims=True))

    rows = np.arange(len(x))

    def loss_and_gradient():
        log_probs = log_softmax()
        gradient = np.exp(log_probs)
        gradient[rows, labels] -= 1
        return -log_probs[rows, labels], gradient

    return dict(zip(TASKS, (softmax, log_softmax, logsumexp, loss_and_gradient), strict=True))


def core(x, labels):
    import companion as c

    return {
        "softmax": lambda: c.softmax(x),
        "log_softmax": lambda: c.log_softmax(x),
        "logsumexp": lambda: c.logsumexp(x),
        "loss and gradient": lambda: (
            c.softmax_cross_entropy_with_labels(x, labels),
            c.softmax_cross_entropy_with_labels_grad(x, labels),
        ),
    }


def _ours(module, x, labels):
    return {
        "softmax": lambda: module.softmax(x),
        "log_softmax": lambda: module.log_softmax(x),
        "logsumexp": lambda: module.logsumexp(x),
        "loss and gradient": lambda: module.softmax_cross_entropy_with_labels_and_grad(
            x, labels
        ),
    }


def _ours_with_out(module, x, labels):
    out, fused = np.empty_like(x), module.softmax_cross_entropy_with_labels_and_grad
    return {
        "softmax": lambda: module.softmax(x, out=out),
        "log_softmax": lambda: module.log_softmax(x, out=out),
        "loss and gradient": lambda: fused(x, labels, out=out),
    }


def fast(x, labels):
    from companion.one_pass import fast

    return _ours(fast, x, labels)


def fast_with_out(x, labels):
    from companion.one_pass import fast

    return _ours_with_out(fast, x, labels)


def compiled(x, labels):
    from companion.one_pass import compiled

    return _ours(compiled, x, labels)


def compiled_with_out(x, labels):
    from companion.one_pass import compiled

    return _ours_with_out(compiled, x, labels)


def scipy(x, labels):
    from scipy import special

    return {
        "softmax": lambda: special.softmax(x, axis=-1),
        "log_softmax": lambda: special.log_softmax(x, axis=-1),
        "logsumexp": lambda: special.logsumexp(x, axis=-1),
    }


def pytorch(x, labels):
    import torch
    from torch.nn import functional as F

    z, y = torch.from_numpy(x), torch.from_numpy(labels)
    leaf = torch.from_numpy(x.copy()).requires_grad_()

    def loss_and_gradient():
        leaf.grad = None
        loss = F.cross_entropy(leaf, y, reduction="none")
        loss.sum().backward()
        return loss.detach(), leaf.grad

    return {
        "softmax": lambda: torch.softmax(z, -1),
        "log_softmax": lambda: torch.log_softmax(z, -1),
        "logsumexp": lambda: torch.logsumexp(z, -1),
        "loss and gradient": loss_and_gradient,
    }


def _tensorflow(x, labels, wrap):
    import tensorflow as tf

    z, y = tf.constant(x), tf.constant(labels)

    def loss_and_gradient(z, y):
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)
        return loss, tape.gradient(loss, z)

    functions = {
        "softmax": wrap(lambda z, y: tf.nn.softmax(z)),
        "log_softmax": wrap(lambda z, y: tf.nn.log_softmax(z)),
        "logsumexp": wrap(lambda z, y: tf.reduce_logsumexp(z, axis=-1)),
        "loss and gradient": wrap(loss_and_gradient),
    }
    return {task: (lambda f=f: f(z, y)) for task, f in functions.items()}


def tensorflow_eager(x, labels):
    return _tensorflow(x, labels, lambda f: f)


def tensorflow_function(x, labels):
    import tensorflow as tf

    return _tensorflow(x, labels, lambda f: tf.function(f, autograph=False))


def tensorflow_xla(x, labels):
    import tensorflow as tf

    return _tensorflow(x, labels, lambda f: tf.function(f, autograph=False, jit_compile=True))


def jax(x, labels):
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)
    z, y = jnp.asarray(x), jnp.asarray(labels)

    def losses(z, y):
        own = jnp.take_along_axis(jax.nn.log_softmax(z, axis=-1), y[:, None], axis=-1)
        return -own[:, 0]

    def loss_and_gradient(z, y):
        loss, pull = jax.vjp(lambda z: losses(z, y), z)
        return loss, pull(jnp.ones_like(loss))[0]

    functions = {
        "softmax": lambda z, y: jax.nn.softmax(z, axis=-1),
        "log_softmax": lambda z, y: jax.nn.log_softmax(z, axis=-1),
        "logsumexp": lambda z, y: jax.nn.logsumexp(z, axis=-1),
        "loss and gradient": loss_and_gradient,
    }
    compiled = {task: jax.jit(f) for task, f in functions.items()}
    # It answers before it has computed; the clock must wait.
    return {task: (lambda f=f: jax.block_until_ready(f(z, y))) for task, f in compiled.items()}


CONTENDERS = {
    "copy": copy,
    "NumPy, plainly": numpy_plainly,
    "companion": core,
    "one_pass.fast": fast,
    "one_pass.fast, out=": fast_with_out,
    "one_pass.compiled": compiled,
    "one_pass.compiled, out=": compiled_with_out,
    "SciPy": scipy,
    "PyTorch": pytorch,
    "TensorFlow": tensorflow_eager,
    "TensorFlow, tf.function": tensorflow_function,
    "TensorFlow, XLA": tensorflow_xla,
    "JAX": jax,
}
OURS = tuple(name for name in CONTENDERS if name.startswith(("companion", "one_pass")))
