"""Logs: one set-up for our own words and the libraries', for people or for programs."""

import logging
import sys
from typing import Final, Literal, TypeAlias

import structlog
from structlog.typing import EventDict, Processor

__all__ = ["LogFormat", "set_up_logging"]

LogFormat: TypeAlias = Literal["auto", "pretty", "json"]

_COMMON: Final[list[Processor]] = [
    # The ids of the request, the person and the run that a line is about.
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.StackInfoRenderer(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_LONGEST: Final = 2_000
_LONGEST_TRACE: Final = 20_000
"""Characters."""
_TRACES: Final = frozenset({"exception", "stack"})


def set_up_logging(level: str, log_format: LogFormat = "auto") -> None:
    """Log to stderr from `level` (DEBUG, INFO, WARNING or ERROR) on; libraries from WARNING on.

    `auto` is `pretty` on a terminal, else `json`: an object a line.
    """
    number = logging.getLevelNamesMapping()[level]
    pretty = log_format == "pretty" or (log_format == "auto" and sys.stderr.isatty())
    rendering = _for_people() if pretty else _for_programs()
    handler = logging.StreamHandler(sys.stderr)
    # Not at a logger: there it would miss what comes from the loggers below it.
    handler.addFilter(_without_query)
    handler.setFormatter(_formatter(rendering))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler])
    # Its DEBUG is that of WebSockets: all headers and messages, with the tokens in them.
    logging.getLogger("uvicorn").setLevel(max(number, logging.INFO))
    structlog.configure(
        processors=[*_COMMON, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _for_people() -> list[Processor]:
    # The default formatter prints the locals of each frame, keys and all, and takes seconds for it.
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return [structlog.processors.format_exc_info, _bounded, _visible, renderer]


def _for_programs() -> list[Processor]:
    return [structlog.processors.format_exc_info, _bounded, structlog.processors.JSONRenderer()]


def _formatter(rendering: list[Processor]) -> logging.Formatter:
    """What makes lines like ours of those of the libraries."""
    own: list[Processor] = [*_COMMON, structlog.stdlib.add_logger_name]
    told: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering]
    return structlog.stdlib.ProcessorFormatter(processors=told, foreign_pre_chain=own)


def _bounded(_: object, __: str, line: EventDict) -> EventDict:
    """Leave out the middle of what is very long: it may come from a stranger."""
    for name, value in line.items():
        most = _LONGEST_TRACE if name in _TRACES else _LONGEST
        if isinstance(value, str) and len(value) > most:
            line[name] = f"{value[: most // 2]} … {value[-most // 2 :]}"
    return line


def _visible(_: object, __: str, line: EventDict) -> EventDict:
    """Spell what a terminal would obey, or would not show, and let nothing look like a line of its own."""
    for name, value in line.items():
        if isinstance(value, str):
            if name in _TRACES:
                line[name] = "\n".join(f"  {_spelled(each)}" for each in value.rstrip().split("\n"))
            else:
                line[name] = _spelled(value.rstrip("\n"))
    return line


def _spelled(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query off each path that is logged: it may have a token."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            each.partition("?")[0] if isinstance(each, str) and each.startswith("/") else each
            for each in record.args
        )
    return True
