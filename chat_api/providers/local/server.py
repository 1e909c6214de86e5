"""The child process that holds the model: `python -m chat_api.providers.local.server MODEL.gguf`.

It reads an API key from the first line of stdin, writes its address to stdout once it serves, and ends
when stdin does: with the process that started it, however that one ended.
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any, Final

from chat_api.providers.local.model import CONTEXT_TOKENS, MAX_TOKENS, MODEL_NAME, STOP, TEMPERATURE, template

__all__ = ["main"]

_ERRORS_AND_WARNINGS: Final = 2
_PROMPT_CACHE_MIB: Final = 512


def main() -> None:
    # Ctrl-C in a terminal reaches the whole group; the parent is the one that answers to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    key = sys.stdin.readline().strip()
    orphaned = Thread(target=_end_with_stdin, daemon=True)
    orphaned.start()
    try:
        server = _serve(Path(sys.argv[1]), key)
    except (OSError, RuntimeError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
    print(server.listening_address, flush=True)  # noqa: T201
    orphaned.join()


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def _serve(gguf: Path, key: str) -> Any:
    """Load the model and serve it on a free loopback port. The library has no types: it stays in here."""
    library: Any = import_module("xllamacpp")
    params = library.CommonParams()
    params.model.path = str(gguf)
    params.model_alias = {MODEL_NAME}
    params.use_jinja = True
    if _is_qwen_coder(gguf):
        params.chat_template = template()
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cache_prompt = True
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.n_predict = MAX_TOKENS
    params.antiprompt = list(STOP)
    params.sampling.temp = TEMPERATURE
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = _ERRORS_AND_WARNINGS
    return library.Server(params)


def _is_qwen_coder(gguf: Path) -> bool:
    """Whether our template fits; every other model brings its own."""
    with gguf.open("rb") as file:
        return b"Qwen2.5 Coder" in file.read(4096)


if __name__ == "__main__":
    main()
