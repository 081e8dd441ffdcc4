"""Tiny models of other kinds: one that fills gaps, one that embeds texts and answers none. Random weights."""

from __future__ import annotations

from dataclasses import replace

from fuzz.tiny_gguf import BOOL, F32, I32, KINDS, STRING, TENSORS, TOKENS, U32, WIDTH, Pair, Tensor, Tiny

GAP_TOKENS = [b"<|fim_prefix|>", b"<|fim_suffix|>", b"<|fim_middle|>"]
WORDS = [b"[PAD]", b"[UNK]", b"[CLS]", b"[SEP]", *(b"\xe2\x96\x81" + word for word in (b"the", b"cat", b"sat", b"on"))]
CONTEXT = 64


def filling() -> Tiny:
    """Fill-in-the-middle tokens at the end of its vocabulary."""
    tokens = [*TOKENS, *GAP_TOKENS]
    model = replace(Tiny(), seed=1).with_tensor(0, Tensor(TENSORS[0].name, (WIDTH, len(tokens))))
    model = model.with_pair(b"tokenizer.ggml.tokens", STRING, tokens, array=True)
    model = model.with_pair(b"tokenizer.ggml.token_type", I32, [*KINDS, 3, 3, 3], array=True)
    model = model.with_pair(b"llama.vocab_size", U32, len(tokens))
    return sized(model)


def embedding(pooling: int, *, width: int = WIDTH) -> Tiny:
    """BERT of one layer: no token comes after another, and `pooling` is what llama.h calls so."""
    square, line = (width, width), (width,)
    shapes = {
        "token_embd.weight": (width, len(WORDS)),
        "token_types.weight": (width, 2),
        "position_embd.weight": (width, CONTEXT),
        "token_embd_norm": line,
        **{f"blk.0.attn_{part}": square for part in ("q", "k", "v", "output")},
        "blk.0.attn_output_norm": line,
        "blk.0.ffn_up": square,
        "blk.0.ffn_down": square,
        "blk.0.layer_output_norm": line,
    }
    tensors = [
        Tensor(name.encode(), one) for name, shape in shapes.items() for name, one in with_bias(name, shape, line)
    ]
    pairs = (
        Pair(b"general.architecture", STRING, b"bert"),
        Pair(b"general.license", STRING, b"mit"),
        Pair(b"bert.block_count", U32, 1),
        Pair(b"bert.context_length", U32, CONTEXT),
        Pair(b"bert.embedding_length", U32, width),
        Pair(b"bert.feed_forward_length", U32, width),
        Pair(b"bert.attention.head_count", U32, 2),
        Pair(b"bert.attention.layer_norm_epsilon", F32, 1e-12),
        Pair(b"bert.attention.causal", BOOL, 0),
        Pair(b"bert.pooling_type", U32, pooling),
        Pair(b"tokenizer.ggml.model", STRING, b"bert"),
        Pair(b"tokenizer.ggml.token_type_count", U32, 2),
        Pair(b"tokenizer.ggml.tokens", STRING, WORDS, array=True),
        Pair(b"tokenizer.ggml.token_type", I32, [3] * 4 + [1] * (len(WORDS) - 4), array=True),
        *(
            Pair(b"tokenizer.ggml.%s_token_id" % name, U32, token)
            for name, token in ((b"padding", 0), (b"unknown", 1), (b"bos", 2), (b"cls", 2), (b"seperator", 3))
        ),
    )
    return sized(Tiny(pairs, tuple(tensors), seed=2))


def with_bias(name: str, shape: tuple[int, ...], line: tuple[int]) -> list[tuple[str, tuple[int, ...]]]:
    """An embedding has none."""
    return [(name, shape)] if name.endswith(".weight") else [(f"{name}.weight", shape), (f"{name}.bias", line)]


def sized(model: Tiny) -> Tiny:
    """With as much data as its tensors take; each is a multiple of the alignment here."""
    return replace(model, data_bytes=sum(tensor.size_bytes for tensor in model.tensors))
