"""Strategies: a good thing with something in it that is wrong."""

from __future__ import annotations

from hypothesis import strategies as st

INTERESTING = (0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


@st.composite
def mutated(draw: st.DrawFn, good: bytes, most: int = 4) -> bytes:
    """`good` with 1 to `most` changes: a byte or a number written over, a piece cut out, doubled, put in or moved."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 64))
        match draw(st.integers(0, 6)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                width = draw(st.sampled_from((1, 2, 4, 8)))
                number = draw(st.sampled_from(INTERESTING)) % 2 ** (8 * width)
                data[at : at + width] = number.to_bytes(width, "little")
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size]
            case 4:
                data[at:at] = draw(st.binary(max_size=16))
            case 5:
                there = draw(st.integers(0, len(data)))
                data[at : at + size] = data[there : there + size]
            case _:
                del data[at:]
    return bytes(data)


def mutated_text(good: str, most: int = 4) -> st.SearchStrategy[str]:
    """The same of a text; where the bytes are no UTF-8 any more, they become what a careless reader makes of them."""
    return mutated(good.encode(), most).map(lambda data: data.decode("utf-8", "surrogateescape"))
