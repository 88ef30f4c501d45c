"""The closed form of EASE-R; shared by the model `ease` and by sources of `fusion`."""

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from recstack.models.learning.neighbours import strongest_of_dense
from recstack.progress import track, working

BLOCK = 512
"""Rows of the matrix that are computed at a time, beside the matrix itself."""


def ease_weights(
    chosen: sparse.csr_array,
    *,
    regularisation: float,
    neighbours: int,
    max_items: int,
    dtype: npt.DTypeLike = np.float32,
) -> sparse.csr_array:
    """[I, I] weights B that minimise |X - X B|² + λ |B|² with a zero diagonal; float32.

    With P = (XᵀX + λ I)⁻¹ that is B_ij = -P_ij / P_jj for i ≠ j (Steck, "Embarrassingly shallow autoencoders for sparse
    data", WWW 2019, equation 8). The inverse takes about n³ multiplications and one n × n matrix for n modelled items:
    20,000 of them take a minute and 1.6 GB in float32.

    Args:
        chosen: [U, I] interactions X.
        regularisation: λ.
        neighbours: weights kept of each item, the largest by magnitude, with ties.
        max_items: only so many of the most popular items are modelled; the others have no weights.
        dtype: precision of the inverse.
    """
    counts = np.asarray(chosen.sum(axis=0), dtype=np.float32)
    modelled = np.sort(np.argsort(-counts, kind="stable")[:max_items])
    modelled = modelled[counts[modelled] > 0]
    weights = _solve(chosen[:, modelled], regularisation, neighbours, dtype).tocoo()
    positions = (modelled[weights.row], modelled[weights.col])
    return sparse.csr_array((weights.data, positions), shape=(len(counts), len(counts)))


def _solve(chosen: sparse.csr_array, regularisation: float, neighbours: int, dtype: npt.DTypeLike) -> sparse.csr_array:
    """[n, n] weights of the n items of [U, n] interactions; in place, because the matrix is large."""
    n_items = chosen.shape[1]
    by_item = chosen.T.tocsr()
    starts = range(0, n_items, BLOCK)
    matrix = np.empty((n_items, n_items), dtype=dtype, order="F")
    for start in track(starts, "ease: counting pairs of items", unit="block"):
        # Symmetric, so that columns are as good as rows.
        matrix[:, start : start + BLOCK] = (by_item[start : start + BLOCK] @ chosen).toarray().T
    matrix[np.diag_indices(n_items)] += matrix.dtype.type(regularisation)
    with working(f"ease: inverting a matrix of {n_items:,} x {n_items:,}"):
        shared = torch.from_numpy(matrix.T)  # the same memory: symmetric, and row after row as PyTorch wants it
        torch.linalg.cholesky(shared, out=shared)
        torch.cholesky_inverse(shared, out=shared)
    diagonal = matrix.diagonal().copy()
    blocks = [sparse.csr_array((0, n_items), dtype=np.float32)]
    for start in track(starts, "ease: keeping the largest weights", unit="block"):
        block = (matrix[:, start : start + BLOCK].T / -diagonal).astype(np.float32, copy=False)
        rows = np.arange(len(block))
        block[rows, start + rows] = 0.0
        blocks.append(strongest_of_dense(block, neighbours))
    return sparse.vstack(blocks, format="csr")
