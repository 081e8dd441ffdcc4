"""Which file of a repository is meant."""

from __future__ import annotations

import pytest

from noghost.errors import WeightsError
from noghost.weights.published import File, choose


def files(*paths: str) -> list[File]:
    return [File(path, 1_000_000_000, "ab" * 32) for path in paths]


USUAL = files("README.md", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-UD-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf")
BIG = files(*(f"UD-Q2_K_XL/big-UD-Q2_K_XL-0000{n}-of-00003.gguf" for n in (3, 1, 2)), "BF16/big-00001-of-00001.gguf")


@pytest.mark.parametrize(
    ("there", "what", "path", "count"),
    [
        (USUAL, "Q4_K_M", "m-Q4_K_M.gguf", 1),
        (USUAL, "q4_k_s", "m-Q4_K_S.gguf", 1),
        (USUAL, "UD-Q4_K_M", "m-UD-Q4_K_M.gguf", 1),
        (USUAL, "m-Q8_0.gguf", "m-Q8_0.gguf", 1),
        (USUAL, "mmproj-F16.gguf", "mmproj-F16.gguf", 1),
        (BIG, "Q2_K_XL", "UD-Q2_K_XL/big-UD-Q2_K_XL-00001-of-00003.gguf", 3),
        (BIG, "big-UD-Q2_K_XL-00002-of-00003.gguf", "UD-Q2_K_XL/big-UD-Q2_K_XL-00001-of-00003.gguf", 3),
        (BIG, "bf16", "BF16/big-00001-of-00001.gguf", 1),
        (files("x.gguf", "README.md"), None, "x.gguf", 1),
        (files("m.IQ4_XS.gguf"), "IQ4_XS", "m.IQ4_XS.gguf", 1),
        (files("m-mxfp4.gguf", "m-Q8_0.gguf"), "MXFP4", "m-mxfp4.gguf", 1),
    ],
)
def test_what_is_meant(there: list[File], what: str | None, path: str, count: int) -> None:
    chosen = choose(there, what)
    assert (chosen.files[0].path, len(chosen.files)) == (path, count)
    assert chosen.size_bytes == count * 1_000_000_000


@pytest.mark.parametrize(
    ("there", "what", "message", "hint"),
    [
        (
            USUAL,
            None,
            "there are 4 models there",
            "Q4_K_M (1.0 GB), Q4_K_S (1.0 GB), Q8_0 (1.0 GB), UD-Q4_K_M",
        ),
        (USUAL, "Q5_K_M", "there is no model Q5_K_M there", "Q8_0 (1.0 GB)"),
        (USUAL, "Q4_K", "there is no model Q4_K there", ""),
        (files("a-Q8_0.gguf", "b-Q8_0.gguf"), "Q8_0", "Q8_0 means 2 models there", "a-Q8_0.gguf (1.0 GB), b-Q8_0.gguf"),
        (files("a/m.gguf", "b/m.gguf"), "m.gguf", "m.gguf means 2 models there", "a/m.gguf"),
        (files("model.safetensors"), None, "there is no model", "choose a repository with GGUF files"),
        (files("m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf"), "Q8_0", "parts of the model", ""),
        (
            files("m-F16.gguf", "m-F16-00001-of-00002.gguf", "m-F16-00002-of-00002.gguf"),
            "F16",
            "F16 means 2 models",
            "",
        ),
    ],
)
def test_what_means_none_or_several_is_refused_with_a_list(
    there: list[File], what: str | None, message: str, hint: str
) -> None:
    with pytest.raises(WeightsError) as caught:
        choose(there, what)
    assert message in caught.value.message
    assert hint in caught.value.hint
