"""Random numbers that are addressed, not consumed.

A draw depends on its address alone (the experiment's seed, the name of a stream, a step or an index), never on
what was drawn before it. So results do not depend on batch sizes, on how samples are split over jobs, or on
an interruption. All draws are made on the CPU, so that they are the same whatever device computes; the classifier's
dropout too, though it is drawn in turn from PyTorch's own generator.
"""

import zlib

import numpy as np
import torch


def generator(seed: int, stream: str, *address: int) -> torch.Generator:
    """A generator for one address, for instance `generator(seed, "sample", 17)`.

    Numpy's SeedSequence mixes the address into 64 bits, so that neighbouring addresses give independent streams.
    """
    return torch.Generator().manual_seed(_word(seed, stream, *address))


def numpy_generator(seed: int, stream: str, *address: int) -> np.random.Generator:
    """Numpy's generator for one address, for what numpy computes."""
    return np.random.default_rng(_word(seed, stream, *address))


def _word(seed: int, stream: str, *address: int) -> int:
    return int(np.random.SeedSequence([seed, zlib.crc32(stream.encode()), *address]).generate_state(1, np.uint64)[0])
