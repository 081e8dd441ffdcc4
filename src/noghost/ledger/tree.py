"""The Merkle tree of RFC 6962: hashes, frontier, inclusion and consistency, without storage.

A `Node` is how proofs reach stored hashes: node(height, index) is the hash of the complete subtree
over entries [index * 2^height, (index + 1) * 2^height).

Source: RFC 6962, section 2.1; the verifying loops are those of RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from noghost.errors import VerificationError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || entry), 32 bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over 2^k hashes of complete subtrees of one height."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that appending needs: the complete subtrees, left to right, as (height, hash).

    Immutable, at most 64 pairs; `push` costs O(1) hashes on average, O(log n) at worst.
    """

    nodes: tuple[tuple[int, bytes], ...] = ()

    @property
    def size(self) -> int:
        return sum(1 << height for height, _ in self.nodes)

    def push(self, height: int, digest: bytes) -> Frontier:
        """This frontier with one more complete subtree on its right."""
        nodes = self.nodes
        while nodes and nodes[-1][0] == height:
            digest = node_hash(nodes[-1][1], digest)
            height, nodes = height + 1, nodes[:-1]
        return Frontier((*nodes, (height, digest)))

    def root(self) -> bytes:
        """The tree's root, 32 bytes."""
        if not self.nodes:
            return EMPTY_ROOT
        digest = self.nodes[-1][1]
        for _, left in reversed(self.nodes[:-1]):
            digest = node_hash(left, digest)
        return digest


def range_hash(start: int, stop: int, node: Node) -> bytes:
    """MTH(D[start:stop]) for a range that occurs in a tree; 32 bytes."""
    width = stop - start
    if width == 0:
        return EMPTY_ROOT
    height = width.bit_length() - 1
    if width == 1 << height:
        return node(height, start >> height)
    middle = start + _split(width)
    return node_hash(range_hash(start, middle, node), range_hash(middle, stop, node))


def inclusion(index: int, size: int, node: Node) -> tuple[bytes, ...]:
    """PATH(index, D[size]): from the leaf's sibling up to the root's child."""
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(range_hash(middle, stop, node))
            stop = middle
        else:
            path.append(range_hash(start, middle, node))
            start = middle
    return tuple(reversed(path))


def consistency(old: int, new: int, node: Node) -> tuple[bytes, ...]:
    """PROOF(old, D[new]) for 0 < old <= new."""
    path: list[bytes] = []
    start, stop, whole = 0, new, True
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append(range_hash(middle, stop, node))
            stop = middle
        else:
            path.append(range_hash(start, middle, node))
            start, whole = middle, False
    if not whole:
        path.append(range_hash(start, stop, node))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raises VerificationError unless `path` proves `leaf` at `index` under `root`."""
    step, last, digest = index, size - 1, leaf
    good = 0 <= index < size
    for sibling in path:
        good = good and last > 0
        if step & 1 or step == last:
            digest = node_hash(sibling, digest)
            while step and not step & 1:
                step, last = step >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        step, last = step >> 1, last >> 1
    if not good or last != 0 or digest != root:
        raise VerificationError(
            "cannot verify the inclusion of an entry: the proof does not lead to the signed root",
            "the entry or the proof was changed after the checkpoint was signed",
        )


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raises VerificationError unless the tree of size `new` begins with the tree of size `old`."""
    if not _consistent(old, old_root, new, new_root, list(path)):
        raise VerificationError(
            "cannot verify that the log only grew: its history differs from the checkpoint seen before",
            "the log was rewritten or truncated; keep both checkpoints as evidence",
        )


def _consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> bool:
    if not 0 < old <= new or (old == new and path):
        return False
    if old == new:
        return old_root == new_root
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    step, last = old - 1, new - 1
    while step & 1:
        step, last = step >> 1, last >> 1
    older = newer = path[0]
    for digest in path[1:]:
        if last == 0:
            return False
        if step & 1 or step == last:
            older, newer = node_hash(digest, older), node_hash(digest, newer)
            while step and not step & 1:
                step, last = step >> 1, last >> 1
        else:
            newer = node_hash(newer, digest)
        step, last = step >> 1, last >> 1
    return last == 0 and older == old_root and newer == new_root


def _split(width: int) -> int:
    """The largest power of two smaller than `width`, for width > 1."""
    return 1 << ((width - 1).bit_length() - 1)
