"""Where answers come from: models behind OpenAI-compatible addresses."""
