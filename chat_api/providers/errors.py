"""What can be wrong with a provider."""

from kit.errors import Problem


class NoProvider(Problem):
    status = 503
    code = "no_provider"

    def __init__(self) -> None:
        super().__init__(
            "No model is there to answer: start Ollama (ollama serve) or LM Studio, "
            "set OPENAI_API_KEY or OPENAI_BASE_URL, or run turnlog model fetch and start Turnlog again.",
            headers={"Retry-After": "5"},
        )


class ProviderUnreachable(Problem):
    status = 502
    code = "provider_unreachable"


class ProviderFailed(Problem):
    status = 502
    code = "provider_failed"


class ProviderTimeout(Problem):
    status = 504
    code = "provider_timeout"
