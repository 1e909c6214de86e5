"""Logs: one set-up for our own words and the libraries'."""

import logging
import sys

import structlog

__all__ = ["set_up_logging"]


def set_up_logging(level: str) -> None:
    """Log to stderr from `level` (DEBUG, INFO, WARNING or ERROR) on; libraries from WARNING on."""
    number = logging.getLevelNamesMapping()[level]
    handler = logging.StreamHandler(sys.stderr)
    # Not at a logger: there it would miss what comes from the loggers below it.
    handler.addFilter(_without_query)
    logging.basicConfig(
        level=max(number, logging.WARNING),
        handlers=[handler],
        format="%(levelname)s %(name)s: %(message)s",
    )
    # Its DEBUG is that of WebSockets: all headers and messages, with the tokens in them.
    logging.getLogger("uvicorn").setLevel(max(number, logging.INFO))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # The default prints the locals of each frame, keys and all, and takes seconds for it.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query off each path that is logged: it may have a token."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            each.partition("?")[0] if isinstance(each, str) and each.startswith("/") else each
            for each in record.args
        )
    return True
