"""Similarity of items by the users who chose both; shared by `item_item` and by sources of `fusion`."""

import numpy as np
from scipy import sparse

from recstack.models.learning.neighbours import strongest
from recstack.progress import track

BLOCK = 512
"""Items whose similarities are computed at a time, which bounds memory."""


def cosine(chosen: sparse.csr_array, shrinkage: float, neighbours: int) -> sparse.csr_array:
    """[I, I] sim(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage), where n counts users; zero diagonal.

    Deshpande and Karypis, "Item-based top-N recommendation algorithms", TOIS 2004; the shrunk denominator as in Ferrari
    Dacrema et al., RecSys 2019.

    Args:
        chosen: [U, I] interactions.
        shrinkage: lowers the similarity of pairs that few users share.
        neighbours: similar items kept of each item, with ties.
    """
    by_item = chosen.T.tocsr()
    counts = np.asarray(chosen.sum(axis=0), dtype=np.float32)
    norms = np.sqrt(counts.clip(min=1))  # an item that nobody chose is similar to none
    blocks = [sparse.csr_array((0, len(counts)), dtype=np.float32)]
    for start in track(range(0, len(counts), BLOCK), "similarities of items", unit="block"):
        together = (by_item[start : start + BLOCK] @ chosen).tocoo()
        row = together.row + start
        value = together.data / (norms[row] * norms[together.col] + np.float32(shrinkage))
        value[row == together.col] = 0.0
        block = sparse.csr_array((value, (together.row, together.col)), shape=together.shape)
        block.eliminate_zeros()
        blocks.append(strongest(block, neighbours))
    return sparse.vstack(blocks, format="csr")
