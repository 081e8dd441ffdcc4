"""The examples at the end of each command's `--help`, in one table, so that a test can parse every one of them.

A command without a line here has no example, which a test finds. A group shows the first example of each of its
commands, unless it has lines of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

ROOT = ""
EXAMPLES: dict[str, tuple[str, ...]] = {
    ROOT: ('noghost ask "What is the capital of France?"', "noghost serve", "noghost doctor"),
    "ask": (
        'noghost ask "What is the capital of France?"',
        'noghost ask "Summarise this:" < letter.txt',
        'noghost ask --json --seed 7 --threads 1 "Tell me a joke."',
        'noghost ask --fresh 5 "What are you?"',
        'noghost ask --url https://box.example --sealed "What is the capital of France?"',
        "noghost ask --fresh 3 --questions questions.txt --transcripts answers --json",
    ),
    "serve": (
        "noghost serve",
        "noghost serve --model ./model.gguf --context 16384 --limit request_s=10",
        "noghost serve --host 0.0.0.0 --tls-cert certificate.pem --tls-key key.pem",
        "noghost serve --unix /run/user/1000/noghost.sock --idle-exit 60",
        "noghost serve --model default --on-demand ./large.gguf",
        "noghost serve --config noghost.toml --metrics 127.0.0.1:9464",
    ),
    "map": (
        "noghost map requests.jsonl --out answers.jsonl",
        "noghost map requests.jsonl --out answers.jsonl --resume",
        "noghost map requests.jsonl --out answers.jsonl --ray auto",
        "noghost map requests.jsonl --out answers.jsonl --url https://a.example:8462 --url https://b.example:8462",
    ),
    "wyoming": ("noghost wyoming", "noghost wyoming --host 192.168.1.10 --insecure"),
    "config show": ("noghost config show", "noghost config show --config noghost.toml --seats 2 --json"),
    "config check": ("noghost config check noghost.toml",),
    "chat": (
        "noghost chat",
        "noghost chat notes.md",
        "noghost chat --url https://box.example --sealed",
        'noghost chat --url https://box.example:8462 --system "Answer in one sentence."',
    ),
    "talk": (
        "noghost talk",
        "noghost talk evening.md --hands-free",
        "noghost talk --devices",
        "noghost talk --input 2 --output headphones --speed 1.2",
    ),
    "transcript convert": (
        "noghost transcript convert conversations.json talks",
        "noghost transcript convert talk.md --to openai > messages.json",
    ),
    "transcript check": ("noghost transcript check talk.md",),
    "transcript show": ("noghost transcript show talk.md",),
    "transcript redact": (
        "noghost transcript redact talk.md --turn 3 --turn 4 > to-show.md",
        "noghost transcript redact talk.md --keys --in-place",
    ),
    "templates add": ("noghost templates add lawyer --system lawyer.txt --tools tools.json",),
    "templates list": ("noghost templates list --json",),
    "templates remove": ("noghost templates remove lawyer",),
    "models ls": ("noghost models ls", "noghost models ls --json"),
    "models show": (
        "noghost models show ./model.gguf",
        "noghost models show z-ai/glm-4.7",
        "noghost models show hf:unsloth/Qwen3-4B-GGUF",
    ),
    "models pull": ("noghost models pull hf:unsloth/Qwen3-4B-GGUF:Q4_K_M",),
    "models add": ("noghost models add ./model.gguf --name mine",),
    "models verify": ("noghost models verify", "noghost models verify mine"),
    "models rm": ("noghost models rm mine",),
    "models prepare": ("noghost models prepare", "noghost models prepare ./model.gguf --type q4_0 --name mine-q4"),
    "keys add": ("noghost keys add laptop", "noghost keys add laptop > laptop.key"),
    "keys list": ("noghost keys list",),
    "keys revoke": ("noghost keys revoke laptop",),
    "hunt": ("noghost hunt", "noghost hunt --url http://127.0.0.1:8080 --pid 4711 --files /tmp"),
    "audit timing": ("noghost audit timing", "noghost audit timing --url http://127.0.0.1:8080 --pairs 100"),
    "bench": (
        "noghost bench --against http://127.0.0.1:8080",
        "noghost bench --against http://127.0.0.1:8080 --url unix:/run/noghost/noghost.sock --rounds 9",
        "noghost bench --against https://api.example/v1 --their-model small --key-env THEIR_KEY --json",
    ),
    "receipts": ("noghost receipts", "noghost receipts show 7f7c1cd0", "noghost receipts verify"),
    "receipts show": ("noghost receipts show 7f7c1cd0 > receipt.txt",),
    "receipts checkpoint": (
        "noghost receipts checkpoint",
        "noghost receipts checkpoint --witness https://witness.example:8463 --witness-key VKEY",
    ),
    "receipts verify": (
        "noghost receipts verify",
        "noghost receipts verify receipt.txt",
        "noghost receipts verify --witness-key VKEY",
        "noghost receipts verify answers.jsonl.receipts",
    ),
    "verify": ("noghost verify conversation.md", "noghost verify conversation.md --replay --json"),
    "gap": ("noghost gap talk.md", "noghost gap --ledger", "noghost gap talk.md --out gaps.svg"),
    "witness": ("noghost witness --log VKEY", "noghost witness --log VKEY --host :: --tls-cert c.pem --tls-key k.pem"),
    "replay": ("noghost replay receipt.txt --request request.json --answer answer.json",),
    "commit": ("noghost commit request.json --key mine.key --new-key",),
    "doctor": ("noghost doctor", "noghost doctor --json"),
    "status": ("noghost status", "noghost status --watch 60"),
}


def epilog(lines: Sequence[str]) -> str:
    """As click prints it unwrapped, after the options."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def with_examples(command: click.Command, path: str) -> click.Command:
    """Put them at the end of the help of a command, and of everything under it."""
    lines: Sequence[str] = EXAMPLES.get(path, ())
    if isinstance(command, click.Group):
        below = {name: f"{path} {name}" for name in command.commands}
        for name, full in below.items():
            with_examples(command.commands[name], full)
        lines = lines or [EXAMPLES[full][0] for full in below.values() if full in EXAMPLES]
    if lines:
        command.epilog = epilog(lines)
    return command
