"""Logs: one set-up for our own words and the libraries', for people or for programs."""

import logging
import sys
from typing import Final, Literal, TypeAlias

import structlog
from structlog.typing import Processor

__all__ = ["LogFormat", "set_up_logging"]

LogFormat: TypeAlias = Literal["auto", "pretty", "json"]

_COMMON: Final[list[Processor]] = [
    # The ids of the request, the person and the run that a line is about.
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.StackInfoRenderer(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def set_up_logging(level: str, log_format: LogFormat = "auto") -> None:
    """Log to stderr from `level` (DEBUG, INFO, WARNING or ERROR) on; libraries from WARNING on.

    `auto` is `pretty` on a terminal, else `json`: an object a line.
    """
    number = logging.getLevelNamesMapping()[level]
    pretty = log_format == "pretty" or (log_format == "auto" and sys.stderr.isatty())
    renderer = _pretty() if pretty else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    # Not at a logger: there it would miss what comes from the loggers below it.
    handler.addFilter(_without_query)
    handler.setFormatter(_formatter(renderer, pretty=pretty))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler])
    # Its DEBUG is that of WebSockets: all headers and messages, with the tokens in them.
    logging.getLogger("uvicorn").setLevel(max(number, logging.INFO))
    structlog.configure(
        processors=[*_COMMON, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _pretty() -> Processor:
    # The default prints the locals of each frame, keys and all, and takes seconds for it.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _formatter(renderer: Processor, *, pretty: bool) -> logging.Formatter:
    """What makes lines like ours of those of the libraries."""
    told: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    if not pretty:
        told.insert(1, structlog.processors.format_exc_info)
    own: list[Processor] = [*_COMMON, structlog.stdlib.add_logger_name]
    return structlog.stdlib.ProcessorFormatter(processors=told, foreign_pre_chain=own)


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query off each path that is logged: it may have a token."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            each.partition("?")[0] if isinstance(each, str) and each.startswith("/") else each
            for each in record.args
        )
    return True
