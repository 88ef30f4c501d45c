"""Keeps the strongest relations of each item, so that item-item matrices stay sparse."""

import numpy as np
from scipy import sparse

from recstack.features.arrays import Floats


def strongest(matrix: sparse.csr_array, count: int) -> sparse.csr_array:
    """The `count` largest values by magnitude of each row, and those that tie with the last of them."""
    matrix = matrix.tocsr()
    kept = np.ones(matrix.nnz, dtype=bool)
    sizes = np.diff(matrix.indptr)
    for row in np.flatnonzero(sizes > count):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        size = np.abs(matrix.data[part])
        kept[part] = size >= np.partition(size, len(size) - count)[len(size) - count]
    rows = np.repeat(np.arange(matrix.shape[0]), sizes)[kept]
    return sparse.csr_array((matrix.data[kept], (rows, matrix.indices[kept])), shape=matrix.shape)


def at_most(matrix: sparse.csr_array, count: int) -> sparse.csr_array:
    """The same, but never more than `count` values of a row: ties go to the smaller column."""
    matrix = matrix.tocsr()
    matrix.sort_indices()
    sizes = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), sizes)
    order = np.lexsort((matrix.indices, -np.abs(matrix.data), rows))
    nth = np.arange(matrix.nnz) - matrix.indptr[rows]
    kept = np.sort(order[nth < count])
    return sparse.csr_array((matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape)


def strongest_of_dense(block: Floats, count: int) -> sparse.csr_array:
    """The same of a dense [R, I] block, which is overwritten; several times faster than `strongest` for full rows."""
    if count < block.shape[1]:
        size = np.abs(block)
        least = -np.partition(-size, count - 1, axis=1)[:, count - 1 : count]
        block[size < least] = 0.0
    return sparse.csr_array(block)
