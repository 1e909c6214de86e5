"""What others may have written, wherever it comes from, to harm who looks at the page."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, cast

from typing_extensions import override

__all__ = ["CORPUS", "Canary", "name_with", "texts_with"]

# `@` is the address of the canary. What runs sets window.hacked.
CORPUS: Final = (
    "![a picture](@/image.png)",
    "![a picture][of]\n\n[of]: @/reference.png",
    '<img src="@/tag.png" onerror="window.hacked = 1">',
    "<script>window.hacked = 1</script>",
    '<svg onload="window.hacked = 1"><image href="@/svg.png"/></svg>',
    '<iframe src="@/frame"></iframe><object data="@/object"></object><embed src="@/embed">',
    '<link rel="stylesheet" href="@/style.css"><style>@import "@/import.css"</style>',
    "<style>body { background: url(@/background.png) }</style>",
    '<video src="@/video.mp4" poster="@/poster.png" autoplay></video>',
    '<audio src="@/audio.mp3" autoplay></audio>',
    "[a link](javascript:window.hacked=1)",
    "[a link](data:text/html,<script>window.hacked=1</script>)",
    '<a href="javascript:window.hacked=1" autofocus onfocus="window.hacked=1">x</a>',
    "`code` ![not ` code](@/ticks.png) `",
    "```\n![in code](@/fence.png)\n````x\n![after](@/after.png)",
    "~~~\n``` \n~~~\n![after](@/tildes.png)",
    "    indented\n\n![after](@/indent.png)",
    "a \\![escaped](@/escaped.png) b",
    "$\\href{javascript:window.hacked=1}{x} \\includegraphics{@/tex.png}$",
    "$$\\htmlData{x=1}{\\url{@/tex2}}$$",
    ":red[![coloured](@/coloured.png)] :material/home: :small[<b>]",
    "[![linked](@/linked.png)](@/)",
    "| a |\n|---|\n| ![cell](@/cell.png) |",
    "<details open ontoggle='window.hacked=1'><summary>x</summary></details>",
    "!![marked](@/marks.png)",
    "\\`![escaped ticks](@/escape.png)\\`",
    "`\n- ![in a list](@/list.png) `",
    "<base href='@/'><form action='@/form'><input autofocus onfocus='window.hacked=1'></form>",
)
# What is as wide or as tall as its writer likes.
_LARGE: Final = (
    "W" * 500,
    "$\\rule{900em}{900em}$",
    "$$\\rule{900em}{900em}$$",
    "$\\kern{-90em}\\rule{9em}{9em}$ and $\\raisebox{90em}{\\rule{9em}{9em}}$",
    "|" + " W |" * 60 + "\n|" + "---|" * 60,
    "# " + "W" * 500,
    "- " * 40 + "deep",
    "> " * 60 + "deep",
    "```\n" + "W" * 500 + "\n```",
    "`" + "W" * 500 + "`",
)


class Canary(ThreadingHTTPServer):
    """Remembers what it is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Ear)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.heard: list[str] = []
        self.was_asked = threading.Event()


class _Ear(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        canary = cast("Canary", self.server)
        canary.heard.append(self.path)
        canary.was_asked.set()
        self.send_response(204)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


def name_with(url: str, longest: int = 255) -> str:
    """A name of all kinds of Markdown, and of one long word. In small letters, which tags have."""
    marks = (
        f"![n]({url}/n) <img src={url}/i onerror=window.hacked=1> [n](javascript:window.hacked=1) :red[n] "
    )
    return (f"{marks}**n** `n` $n$ " + "w" * longest)[:longest]


def texts_with(url: str) -> list[str]:
    """Texts that may be Markdown: some of the corpus, and what is large."""
    return [each.replace("@", url) for each in (*CORPUS[::4], *_LARGE)]
