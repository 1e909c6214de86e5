"""The program that turns HTML into its readable text: HTML on stdin, JSON with `title` and `text` on stdout.

It runs apart from the server, which ends it when it takes too long: 2 MB of hostile HTML keep trafilatura
busy for two minutes, and a thread cannot be ended. It imports nothing of ours, to start fast.
"""

import json
import logging
import sys
from typing import Any, cast

from trafilatura import bare_extraction, html2txt, load_html
from trafilatura.settings import Document


def main() -> None:
    logging.disable()
    html = sys.stdin.buffer.read().decode()
    tree = load_html(html)
    if tree is None:  # trafilatura wants whole documents
        tree = load_html(f"<html><body>{html}</body></html>")
    title, text = None, ""
    if tree is not None:
        title = cast("Any", tree).findtext(".//head/title")
        found = bare_extraction(tree, include_comments=False)
        text = (found.text if isinstance(found, Document) else None) or html2txt(tree)
    json.dump({"title": title, "text": text}, sys.stdout)


if __name__ == "__main__":
    main()
