"""What every kernel of the book runs in: under nbval, in `make refresh`, and in tests.

A module without imports, so that the tests of the core need nothing but what they test.
"""

# Quiet frameworks, and the same arithmetic everywhere.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
