"""The pages before the page: HTML of ours, with what others said escaped."""

from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import quote

from starlette.responses import HTMLResponse

__all__ = ["CSS", "ICON", "register", "signin", "signout"]

ICON: Final = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="8"
fill="#3b6ea8"/>
<path d="M9 11h14M9 16h14M9 21h8" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>"""

CSS: Final = """
:root { color-scheme: light dark; --ground: #fbfbfa; --ink: #1f2328; --soft: #59636e; --line: #d5d9de;
  --field: #fff; --accent: #2f6199; --on-accent: #fff; --bad: #a8261c; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181b; --ink: #e6e8ea; --soft: #a1a9b2;
  --line: #3a4047; --field: #1e2125; --accent: #8ab6e8; --on-accent: #10233a; --bad: #ff9a8f; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { width: min(22rem, calc(100vw - 2rem)); padding: 2rem 0; }
h1 { font-size: 1.5rem; font-weight: 600; margin: .75rem 0 1.25rem; }
img { display: block; width: 40px; height: 40px; }
label { display: block; margin: 0 0 1rem; font-size: .9rem; color: var(--soft); }
input { display: block; width: 100%; margin-top: .25rem; padding: .6rem .7rem; font: inherit;
  color: var(--ink);
  background: var(--field); border: 1px solid var(--line); border-radius: .5rem; }
button { width: 100%; padding: .65rem; font: inherit; font-weight: 600; color: var(--on-accent);
  background: var(--accent); border: 1px solid var(--accent); border-radius: .5rem; cursor: pointer; }
button.second { color: var(--ink); background: transparent; border-color: var(--line); }
input:focus-visible, button:focus-visible, a:focus-visible {
  outline: 3px solid var(--accent); outline-offset: 2px; }
p { color: var(--soft); } p.error { color: var(--bad); } a { color: var(--accent); }
hr { border: 0; border-top: 1px solid var(--line); margin: 1.5rem 0; }
"""

_EMAIL: Final = """<label>E-mail
<input name="email" type="email" autocomplete="username" required maxlength="254"{0}></label>"""


def signin(
    form: Mapping[str, str], error: str | None, status: int, back: str, *, local: bool
) -> HTMLResponse:
    to = f"?to={quote(back, safe='')}" if back != "/" else ""
    own = (
        f'<form method="post" action="/local{to}"><button>Continue as the local user</button></form><hr>'
        if local
        else ""
    )
    second = ' class="second"' if local else ""
    return _page(
        "Sign in",
        f"""{own}<form method="post" action="/signin{to}">{_email(form)}
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<button{second}>Sign in</button></form><p>No account yet? <a href="/register">Register</a></p>""",
        error,
        status,
    )


def register(
    form: Mapping[str, str] | None = None, error: str | None = None, status: int = 200
) -> HTMLResponse:
    form = form or {}
    name = escape(form.get("name", ""))
    return _page(
        "Register",
        f"""<form method="post" action="/register">
<label>Name (may be left out)<input name="name" autocomplete="name" maxlength="255" value="{name}"></label>
{_email(form)}
<label>Password<input name="password" type="password" autocomplete="new-password" required></label>
<button>Register</button></form><p>You have an account? <a href="/signin">Sign in</a></p>""",
        error,
        status,
    )


def signout() -> HTMLResponse:
    return _page(
        "Sign out",
        """<form method="post" action="/signout"><button>Sign out</button></form>
<p><a href="/">Back to the chat</a></p>""",
        None,
        200,
    )


def _email(form: Mapping[str, str]) -> str:
    given = escape(form.get("email", ""))
    return _EMAIL.format(f' value="{given}"' if given else "")


def _page(title: str, body: str, error: str | None, status: int) -> HTMLResponse:
    told = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    html = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Turnlog</title>
<link rel="icon" href="/favicon.png"><link rel="stylesheet" href="/signin.css">
<main><img src="/favicon.png" alt=""><h1>{title}</h1>{told}{body}</main></html>"""
    return HTMLResponse(html, status, {"Cache-Control": "no-store"})
