"""What the header of a GGUF file says of a model, and the memory that it needs. On the command line.

KV cache of a context: tokens × layers × KV heads × (width of K + width of V) × 2 bytes (f16, as engine/context.py makes
it). That is the most: layers with a sliding window or with a recurrent state keep less.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noghost.weights.gguf import opened
from noghost.weights.names import shown
from noghost.weights.structure import STRING, U64, UINTS, Structure

KV_VALUE_BYTES = 2
MOST_TEXT_BYTES = 1000
# general.file_type, as llama.h's enum llama_ftype names it.
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4",
    40: "Q1_0", 41: "Q2_0",
}  # fmt: skip  # one line an entry would hide that it is one table


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one model; None where the header does not say it."""

    architecture: str | None
    parameters: int
    quantisation: str | None
    context_tokens: int | None  # that it was trained on
    has_template: bool
    licence: str | None
    kv_token_bytes: int | None  # of one token in the KV cache, at most
    weights_bytes: int

    def kv_bytes(self, tokens: int) -> int | None:
        """The KV cache of a context of so many tokens."""
        return None if self.kv_token_bytes is None else self.kv_token_bytes * tokens


def read_facts(path: Path) -> Facts:
    """Raises WeightsError where it is no GGUF file."""
    with opened(path) as (data, structure):
        return facts_in(data, structure, len(data))


def facts_in(data: memoryview, structure: Structure, weights_bytes: int) -> Facts:
    """The same of the beginning of a file, as far as `structure` reaches."""
    header = Header(data, structure)
    architecture = header.text("general.architecture")
    kind = header.number("general.file_type")
    return Facts(
        architecture=architecture,
        parameters=sum(tensor.elements for tensor in structure.tensors),
        quantisation=None if kind is None else FILE_TYPES.get(kind),
        context_tokens=header.number(f"{architecture}.context_length"),
        has_template="tokenizer.chat_template" in structure.pairs,
        licence=header.text("general.license"),
        kv_token_bytes=kv_token_bytes(header, architecture or ""),
        weights_bytes=weights_bytes,
    )


@dataclass(frozen=True, slots=True)
class Header:
    """Values by their keys."""

    data: memoryview
    structure: Structure

    def number(self, key: str) -> int | None:
        """A whole number without a sign."""
        found = self.numbers(key)
        return found[0] if found and len(found) == 1 else None

    def numbers(self, key: str) -> list[int] | None:
        """The same, or an array of them."""
        pair = self.structure.pairs.get(key)
        form = UINTS.get(pair.value.kind) if pair else None
        if pair is None or form is None:
            return None
        end = pair.value.at + form.size * pair.value.length
        return [number for (number,) in form.iter_unpack(self.data[pair.value.at : end])]

    def text(self, key: str) -> str | None:
        """A text for a terminal, cut where it is very long."""
        pair = self.structure.pairs.get(key)
        if pair is None or pair.value.array or pair.value.kind != STRING:
            return None
        begin = pair.value.at + U64.size
        return shown(str(self.data[begin : min(pair.end, begin + MOST_TEXT_BYTES)], "utf-8", "replace"))


def kv_token_bytes(header: Header, architecture: str) -> int | None:
    """Of all layers that compute a token; those that predict further ones are not used."""
    layers = header.number(f"{architecture}.block_count")
    heads = header.numbers(f"{architecture}.attention.head_count_kv") or header.numbers(
        f"{architecture}.attention.head_count"
    )
    width = head_widths(header, architecture)
    if layers is None or heads is None or width is None:
        return None
    layers -= header.number(f"{architecture}.nextn_predict_layers") or 0
    kv_heads = sum(heads[:layers]) if len(heads) > 1 else heads[0] * layers
    return kv_heads * width * KV_VALUE_BYTES


def head_widths(header: Header, architecture: str) -> int | None:
    """Of one head's K and V together; where the header does not say it, an even share of the embedding."""
    given = [header.number(f"{architecture}.attention.{part}_length") for part in ("key", "value")]
    embedding = header.number(f"{architecture}.embedding_length")
    query_heads = header.numbers(f"{architecture}.attention.head_count")
    if None in given and not (embedding and query_heads and query_heads[0]):
        return None
    even = embedding // query_heads[0] if embedding and query_heads and query_heads[0] else 0
    return sum(even if width is None else width for width in given)
