"""What can be wrong with a provider, and with what is said of one."""

from kit.errors import Problem

__all__ = [
    "CutShort",
    "NoProvider",
    "ProviderChanged",
    "ProviderFailed",
    "ProviderInvalid",
    "ProviderKeyNeeded",
    "ProviderNameTaken",
    "ProviderNotFound",
    "ProviderTimeout",
    "ProviderUnreachable",
    "TooManyProviders",
]


class NoProvider(Problem):
    status = 503
    code = "no_provider"

    def __init__(self, named: str | None = None) -> None:
        """`named` is the provider that was wanted and does not exist, where one was."""
        wanted = f"There is no provider of the name {named}. " if named else ""
        super().__init__(
            f"{wanted}No model is there to answer: start Ollama (ollama serve) or LM Studio, "
            "set OPENAI_API_KEY or OPENAI_BASE_URL, or run turnlog model fetch and start Turnlog again.",
            headers={"Retry-After": "5"},
        )


class ProviderUnreachable(Problem):
    status = 502
    code = "provider_unreachable"


class ProviderFailed(Problem):
    status = 502
    code = "provider_failed"


class CutShort(ProviderFailed):
    """What was asked for left no room for an answer; the provider is well."""

    def __init__(self) -> None:
        super().__init__(
            "The model reached max_tokens before it said anything.", details={"provider_status": 200}
        )


class ProviderTimeout(Problem):
    status = 504
    code = "provider_timeout"


class ProviderNotFound(Problem):
    status = 404
    code = "provider_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such provider.")


class ProviderNameTaken(Problem):
    status = 409
    code = "provider_name_taken"

    def __init__(self) -> None:
        super().__init__("There is a provider of this name already; take another name.")


class TooManyProviders(Problem):
    status = 409
    code = "too_many_providers"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} providers, which is the most; delete one first.")


class ProviderChanged(Problem):
    status = 412
    code = "provider_changed"

    def __init__(self, version: int) -> None:
        super().__init__(
            "The provider was changed meanwhile; read it again and make your change anew.",
            details={"version": version},
        )


class ProviderInvalid(Problem):
    status = 422
    code = "provider_invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, details=[{"field": field, "message": message}])


class ProviderKeyNeeded(Problem):
    status = 422
    code = "provider_key_needed"

    def __init__(self) -> None:
        super().__init__("A key is for one host; send it again with the new one, or null to drop it.")
