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


GLM_WORDS = [
    *(b"<think>", b"</think>", b"<tool_call>", b"</tool_call>", b"<tool_response>", b"</tool_response>"),
    *(b"<arg_key>", b"</arg_key>", b"<arg_value>", b"</arg_value>"),
]
GLM_CONTROLS = [
    b"[gMASK]",
    b"<sop>",
    b"<|system|>",
    b"<|user|>",
    b"<|assistant|>",
    b"<|observation|>",
    b"<|endoftext|>",
]
USER_DEFINED, CONTROL = 4, 3  # llama.h


def glm(template: bytes, *, experts: int = 8, context: int = 4096) -> Tiny:
    """glm4moe of two layers, one dense and one of experts; `template` is a chat template of GLM's. The tokens of
    reasoning and calls are text, as in the models' own vocabulary."""
    tokens = [*TOKENS[:256], *TOKENS[-2:], *GLM_WORDS, *GLM_CONTROLS]
    kinds = [1] * 258 + [USER_DEFINED] * len(GLM_WORDS) + [CONTROL] * len(GLM_CONTROLS)
    square, line = (WIDTH, WIDTH), (WIDTH,)
    shapes = {"token_embd": (WIDTH, len(tokens)), "output_norm": line, "output": (WIDTH, len(tokens))}
    for block in ("blk.0", "blk.1"):
        shapes |= {f"{block}.attn_norm": line, f"{block}.post_attention_norm": line}
        shapes |= {f"{block}.attn_{part}": square for part in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{part}": square for part in ("gate", "up", "down")}
    shapes |= {"blk.1.ffn_gate_inp": (WIDTH, experts)}
    shapes |= {f"blk.1.ffn_{part}_exps": (WIDTH, WIDTH, experts) for part in ("gate", "up", "down")}
    shapes |= {f"blk.1.ffn_{part}_shexp": square for part in ("gate", "up", "down")}
    tensors = [Tensor(f"{name}.weight".encode(), shape) for name, shape in shapes.items()]
    tensors.append(Tensor(b"blk.1.exp_probs_b.bias", (experts,)))
    numbers = {
        "block_count": 2,
        "context_length": context,
        "embedding_length": WIDTH,
        "feed_forward_length": WIDTH,
        "attention.head_count": 1,
        "attention.head_count_kv": 1,
        "rope.dimension_count": WIDTH // 2,
        "vocab_size": len(tokens),
        "expert_count": experts,
        "expert_used_count": 2,
        "expert_feed_forward_length": WIDTH,
        "expert_shared_count": 1,
        "leading_dense_block_count": 1,
        "expert_gating_func": 2,  # sigmoid
        "nextn_predict_layers": 0,
    }
    pairs = (
        Pair(b"general.architecture", STRING, b"glm4moe"),
        Pair(b"general.name", STRING, b"tiny GLM"),
        *(Pair(f"glm4moe.{name}".encode(), U32, value) for name, value in numbers.items()),
        Pair(b"glm4moe.attention.layer_norm_rms_epsilon", F32, 1e-5),
        Pair(b"glm4moe.rope.freq_base", F32, 1_000_000.0),
        Pair(b"tokenizer.ggml.model", STRING, b"gpt2"),
        Pair(b"tokenizer.ggml.pre", STRING, b"glm4"),
        Pair(b"tokenizer.ggml.tokens", STRING, tokens, array=True),
        Pair(b"tokenizer.ggml.token_type", I32, kinds, array=True),
        Pair(b"tokenizer.ggml.merges", STRING, [b"a b", b"ab c"], array=True),
        Pair(b"tokenizer.ggml.eos_token_id", U32, tokens.index(b"<|endoftext|>")),
        Pair(b"tokenizer.ggml.add_bos_token", BOOL, 0),
        Pair(b"tokenizer.chat_template", STRING, template),
    )
    return sized(Tiny(pairs, tuple(tensors), seed=3))


def with_bias(name: str, shape: tuple[int, ...], line: tuple[int]) -> list[tuple[str, tuple[int, ...]]]:
    """An embedding has none."""
    return [(name, shape)] if name.endswith(".weight") else [(f"{name}.weight", shape), (f"{name}.bias", line)]


def sized(model: Tiny) -> Tiny:
    """With as much data as its tensors take; each is a multiple of the alignment here."""
    return replace(model, data_bytes=sum(tensor.size_bytes for tensor in model.tensors))
