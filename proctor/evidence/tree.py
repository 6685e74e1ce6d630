"""The hash tree of RFC 6962 (section 2.1) with SHA-256: roots, inclusion and consistency proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry. The 0x00 keeps an entry from posing as an inner node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows by appending leaf hashes. Roots and proofs cost O(log² n) at any size so far."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        # _levels[k][i] is the root over the 2**k leaves from i * 2**k on.
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash, and every subtree that it completes."""
        self._levels[0].append(leaf)
        level = 0
        while len(self._levels[level]) % 2 == 0:
            below = self._levels[level]
            if level + 1 == len(self._levels):
                self._levels.append([])
            self._levels[level + 1].append(node_hash(below[-2], below[-1]))
            level += 1

    def root(self, size: int | None = None) -> bytes:
        """Root over the first ``size`` leaves (default: all)."""
        size = self._checked(self.size if size is None else size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Hashes from leaf ``index`` (from 0) up to the root over ``size`` leaves (RFC 6962, 2.1.1)."""
        size = self._checked(self.size if size is None else size)
        if not 0 <= index < size:
            raise IndexError(f"there is no leaf {index} among {size}")
        proof: list[bytes] = []
        first, last = 0, size
        while last - first > 1:
            middle = first + _split(last - first)
            if index < middle:
                proof.append(self._range(middle, last))
                last = middle
            else:
                proof.append(self._range(first, middle))
                first = middle
        return proof[::-1]

    def consistency_proof(self, old_size: int, size: int | None = None) -> list[bytes]:
        """Hashes that show the tree of ``size`` to extend that of ``old_size`` (RFC 6962, 2.1.2)."""
        size = self._checked(self.size if size is None else size)
        if not 0 < old_size <= size:
            raise IndexError(f"a tree of {size} has no earlier size {old_size}")
        proof: list[bytes] = []
        first, last = 0, size
        while last != old_size:
            middle = first + _split(last - first)
            if old_size <= middle:
                proof.append(self._range(middle, last))
                last = middle
            else:
                proof.append(self._range(first, middle))
                first = middle
        if first > 0:
            proof.append(self._range(first, last))
        return proof[::-1]

    def _checked(self, size: int) -> int:
        if not 0 <= size <= self.size:
            raise IndexError(f"a tree of {self.size} has no size {size}")
        return size

    def _range(self, first: int, last: int) -> bytes:
        """Root over leaves ``first`` to ``last``, where ``first`` is a multiple of a large enough power of 2."""
        count = last - first
        if count & (count - 1) == 0:
            level = count.bit_length() - 1
            return self._levels[level][first >> level]
        middle = first + _split(count)
        return node_hash(self._range(first, middle), self._range(middle, last))


def root(leaves: Iterable[bytes]) -> bytes:
    """Root over ``leaves`` (leaf hashes)."""
    return Tree(leaves).root()


def _split(size: int) -> int:
    """The largest power of two smaller than ``size`` (which is at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> bool:
    """Whether ``proof`` shows ``leaf`` at ``index`` in the tree of ``size`` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, result = index, size - 1, leaf
    for other in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            result = node_hash(other, result)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            result = node_hash(result, other)
        at, last = at >> 1, last >> 1
    return last == 0 and result == expected_root


def verify_consistency(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether ``proof`` shows that the new tree extends the old one (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)  # a complete old tree is itself the first node
    if not path:
        return False
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old, new = path[0], path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(other, old), node_hash(other, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, other)
        at, last = at >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root
