"""The tree against RFC 6962's own recursive definitions, written out once more, and known roots."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.errors import VerificationError
from noghost.ledger import tree

# The test inputs and roots of Certificate Transparency's reference implementation.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def mth(data: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if len(data) <= 1:
        return sha256(b"\x00" + data[0]).digest() if data else sha256(b"").digest()
    k = max(2**i for i in range(32) if 2**i < len(data))
    return sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(m: int, data: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1."""
    if len(data) == 1:
        return []
    k = max(2**i for i in range(32) if 2**i < len(data))
    return [*path(m, data[:k]), mth(data[k:])] if m < k else [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2."""
    if m == len(data):
        return [] if whole else [mth(data)]
    k = max(2**i for i in range(32) if 2**i < len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def entries(size: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(size)]


def node_over(data: list[bytes]) -> tree.Node:
    return lambda height, index: mth(data[index << height : (index + 1) << height])


@pytest.mark.parametrize("size", ROOTS)
def test_known_roots(size: int) -> None:
    frontier = tree.Frontier()
    for leaf in LEAVES[:size]:
        frontier = frontier.push(0, tree.leaf_hash(leaf))
    assert frontier.root().hex() == ROOTS[size]
    assert mth(LEAVES[:size]).hex() == ROOTS[size]
    assert frontier.size == size


@given(st.integers(0, 80))
def test_frontier_and_range_give_the_root(size: int) -> None:
    data, frontier = entries(size), tree.Frontier()
    for item in data:
        frontier = frontier.push(0, tree.leaf_hash(item))
    assert frontier.root() == tree.range_hash(0, size, node_over(data)) == mth(data)


@given(st.data(), st.integers(1, 70))
def test_inclusion(draw: st.DataObject, size: int) -> None:
    data, index = entries(size), draw.draw(st.integers(0, size - 1))
    proof = tree.inclusion(index, size, node_over(data))
    assert list(proof) == path(index, data)
    leaf, root = tree.leaf_hash(data[index]), mth(data)
    tree.verify_inclusion(leaf, index, size, proof, root)
    wrong = [
        (leaf, (index + 1) % size if size > 1 else 1, size, proof, root),
        (leaf, index + size, size, proof, root),
        (leaf, index, size, (*proof, leaf), root),
        (tree.leaf_hash(b"other"), index, size, proof, root),
        (leaf, index, size, proof, tree.leaf_hash(b"other")),
        *([(leaf, index, size, proof[:-1], root)] if proof else []),
    ]
    for arguments in wrong:
        with pytest.raises(VerificationError):
            tree.verify_inclusion(*arguments)


@given(st.data(), st.integers(1, 70))
def test_consistency(draw: st.DataObject, new: int) -> None:
    data, old = entries(new), draw.draw(st.integers(1, new))
    proof = tree.consistency(old, new, node_over(data))
    assert list(proof) == subproof(old, data, True)
    old_root, new_root = mth(data[:old]), mth(data)
    tree.verify_consistency(old, old_root, new, new_root, proof)
    rewritten = [b"rewritten", *data[1:]]
    wrong = [
        (old, mth(rewritten[:old]), new, new_root, proof),
        (old, old_root, new, mth(rewritten), proof),
        (old, old_root, new, mth(rewritten), tree.consistency(old, new, node_over(rewritten))),
        (old, old_root, new, new_root, (*proof, old_root)),
        (0, old_root, new, new_root, proof),
        (new + 1, old_root, new, new_root, proof),
        *([(old, old_root, new, new_root, proof[:-1])] if proof else []),
    ]
    for arguments in wrong:
        with pytest.raises(VerificationError):
            tree.verify_consistency(*arguments)
