"""What providers are called."""

from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import Field

__all__ = ["BUILT_IN", "BuiltInName", "Kind", "ProviderName"]

ProviderName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]

BuiltInName: TypeAlias = Literal["ollama", "lmstudio", "openai", "local"]
BUILT_IN: Final[frozenset[str]] = frozenset(get_args(BuiltInName))
"""Those of the settings; nobody else's provider may be called so."""

Kind: TypeAlias = Literal["ollama", "lmstudio", "openai"]
"""How its models are listed; `openai`: whatever is compatible with the OpenAI API."""
