"""Models that are worth naming before they are here: what each needs, and which command pulls it. PURE, data.

Shown where the hub cannot be asked; needs.py reads the headers of the files otherwise. Sizes are those of published
files, each from the page that is named beside it. The KV cache is computed from the architecture, as in facts.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from noghost.weights.facts import KV_VALUE_BYTES

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Published:
    """One quantisation of it."""

    quant: str
    size_bytes: int
    repository: str
    noted_from: str  # what states the size, rounded

    @property
    def spec(self) -> str:
        """What `noghost models pull` takes."""
        return f"hf:{self.repository}:{self.quant}"


@dataclass(frozen=True, slots=True)
class Known:
    """One model."""

    names: tuple[str, ...]  # lower case, the first is shown
    architecture: str
    parameters: int
    context_tokens: int
    licence: str
    layers: int
    kv_heads: int
    head_width: int  # of K and of V
    published: tuple[Published, ...]  # smallest first
    advised: str  # the quantisation that the last line names

    def kv_bytes(self, tokens: int) -> int:
        """The KV cache of a context of so many tokens."""
        return tokens * self.layers * self.kv_heads * 2 * self.head_width * KV_VALUE_BYTES


# Architecture: https://huggingface.co/zai-org/GLM-4.7 (config.json, glm4_moe). The last of its 93 blocks predicts
# further tokens and computes none, as `nextn_predict_layers` says in the GGUF.
# Sizes: AesSedai's from a table, in GiB there; unsloth's "134GB", and "approximately 205 GB" at AMD's.
AESSEDAI = "https://huggingface.co/AesSedai/GLM-4.7-GGUF"
UNSLOTH = "https://docs.unsloth.ai"
AMD = "AMD's Ryzen AI Halo playbook"
GLM_4_7 = Known(
    names=("z-ai/glm-4.7", "zai-org/glm-4.7", "glm-4.7"),
    architecture="glm4moe",
    parameters=358_000_000_000,
    context_tokens=202_752,
    licence="mit",
    layers=92,
    kv_heads=8,
    head_width=128,
    published=(
        Published("IQ2_M", int(107.12 * GIB), "AesSedai/GLM-4.7-GGUF", noted_from=AESSEDAI),
        Published("UD-Q2_K_XL", 134_000_000_000, "unsloth/GLM-4.7-GGUF", noted_from=UNSLOTH),
        Published("IQ4_XS", int(165.28 * GIB), "AesSedai/GLM-4.7-GGUF", noted_from=AESSEDAI),
        Published("UD-Q4_K_XL", 205_000_000_000, "unsloth/GLM-4.7-GGUF", noted_from=AMD),
        Published("Q4_K_M", int(209.77 * GIB), "AesSedai/GLM-4.7-GGUF", noted_from=AESSEDAI),
        Published("Q5_K_M", int(250.15 * GIB), "AesSedai/GLM-4.7-GGUF", noted_from=AESSEDAI),
        Published("Q8_0", int(354.79 * GIB), "AesSedai/GLM-4.7-GGUF", noted_from=AESSEDAI),
    ),
    advised="UD-Q4_K_XL",
)
KNOWN = (GLM_4_7,)


def known(name: str) -> Known | None:
    """The model that is called so, upper or lower case."""
    return next((one for one in KNOWN if name.lower() in one.names), None)
