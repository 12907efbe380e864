"""A made-up source of images with archives, as Fashion-MNIST would be: what its entry says and what its files hold."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np

ENTRY = """
SOURCES["strokes"] = Source("drawn strokes", {train}, {test}, ("https://example.org/strokes/",), archives={archives})
"""


def idx(values: np.ndarray) -> bytes:
    """An array of bytes as an archive holds it."""
    header = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes(), mtime=0)


def write(folder: Path, train: int = 200, test: int = 40) -> dict[str, str]:
    """Four archives of images with a stroke across row 2 k + 3 for the class k; their names and MD5 sums."""
    folder.mkdir()
    archives = {}
    for part, number in (("train", train), ("test", test)):
        labels = (np.arange(number) % 10).astype(np.uint8)
        images = np.zeros((number, 28, 28), np.uint8)
        images[np.arange(number), 2 * labels + 3] = 255
        for kind, values in (("images", images), ("labels", labels)):
            content = idx(values)
            (folder / f"{part}-{kind}.gz").write_bytes(content)
            archives[f"{part}-{kind}.gz"] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return archives
