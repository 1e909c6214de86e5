"""Settings: who one is, one's password, one's data, and the way out."""

from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

import streamlit as st

from web_ui.api import Api, ApiError, NotSignedIn
from web_ui.logins import Login
from web_ui.markdown import inline, safe
from web_ui.place import tell
from web_ui.serving import serving

__all__ = ["show_account"]

_ME: Final = "/api/v1/auth/me"
_LONGEST_NAME: Final = 255
_LONGEST_PASSWORD: Final = 256
_RULES: Final = (
    "8 to 256 characters; not one that many people have, and not your e-mail address. "
    "You stay signed in here, and are signed out everywhere else."
)
_REVOKING: Final = (
    "For when somebody else may have been in your account. Your scripts and MCP clients need new keys then."
)
_TAKEN: Final = (
    "All that you have here in one file, a line of JSON for each thing. "
    "Passwords, keys and other secrets are not in it."
)
_ERASING: Final = (
    "This deletes your conversations, agents, todos, files, keys and settings, and ends your logins. "
    "There is no way back, so download your data first."
)


def show_account(api: Api, login: Login) -> None:
    """Raises NotSignedIn."""
    st.title("Account", anchor=False)
    try:
        login.know(api.get(_ME))
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(str(error)))
        st.button("Try again", key="once-more", icon=":material/refresh:")
        return
    if login.has_password:
        st.text(f"{login.user['email']} · {login.user['role']}")
        _show_person(api, login)
        _show_password(api, login)
    else:
        st.text(f"You are the local user of this machine: {login.user['user_id']}")
    _show_elsewhere(api, login)
    _show_data()
    _show_end(api, login)


def _show_person(api: Api, login: Login) -> None:
    user = login.user
    zones = [None, *_zones()]
    before = user["timezone"] if user["timezone"] in zones else None
    with st.form("person", border=False):
        name = st.text_input("Name", user["name"] or "", max_chars=_LONGEST_NAME, autocomplete="name")
        zone = st.selectbox(
            "Time zone",
            zones,
            zones.index(before),
            format_func=lambda zone: zone or "That of the server",
            help="Where it is tomorrow at five when you say so",
        )
        if not st.form_submit_button("Save", type="primary"):
            return
    try:
        login.know(api.patch(_ME, {"name": name.strip() or None, "timezone": zone}))
        # The tools know the zone from the token.
        login.renew()
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(_words(error)))
        return
    tell("Your name and time zone are kept.")
    st.rerun()


@cache
def _zones() -> tuple[str, ...]:
    return tuple(sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC"))


def _show_password(api: Api, login: Login) -> None:
    st.subheader("Password", anchor=False)
    if login.user["change_password"]:
        st.warning("Your password is good for a short time only. Choose another one now.")
    st.caption(_RULES)
    # Other keys empty the fields.
    time = st.session_state.setdefault("passwords_changed", 0)
    with st.form("password", border=False):
        current = _secret("Current password", "current-password", f"current-{time}")
        new = _secret("New password", "new-password", f"new-{time}")
        again = _secret("New password, once more", "new-password", f"again-{time}")
        revoke = st.checkbox("Revoke all my API keys, too", key=f"revoke-{time}", help=_REVOKING)
        if not st.form_submit_button("Change password"):
            return
    if not current or not new or new != again:
        st.error(
            "Fill in all three." if not (current and new and again) else "The new ones are not the same."
        )
        return
    try:
        body = {"current_password": current, "new_password": new, "revoke_api_keys": revoke}
        api.post("/api/v1/auth/change-password", body)
    except NotSignedIn:
        raise
    except ApiError as error:
        st.error(safe(_words(error)))
        return
    serving().logins.forget(login, others=True)
    st.session_state.passwords_changed = time + 1
    keys = " Your API keys are revoked." if revoke else ""
    tell(f"The password is changed. You are signed out everywhere else.{keys}")
    st.rerun()


def _secret(label: str, autocomplete: str, key: str) -> str:
    return st.text_input(
        label, type="password", autocomplete=autocomplete, key=key, max_chars=_LONGEST_PASSWORD
    )


def _show_elsewhere(api: Api, login: Login) -> None:
    with st.popover("Sign out everywhere", icon=":material/logout:", key="elsewhere"):
        st.markdown("You are signed out here and in all other browsers. API keys stay good.")
        if not st.button("Sign out everywhere now", key="everywhere"):
            return
        try:
            # The local user's logins are known here alone.
            if login.has_password:
                api.post("/api/v1/auth/logout-all")
        except NotSignedIn:
            raise
        except ApiError as error:
            st.error(safe(str(error)))
            return
    _leave(login)


def _show_data() -> None:
    st.subheader("Your data", anchor=False)
    st.caption(_TAKEN)
    # A constant of ours; Streamlit's own button would hold all of it in memory.
    st.html('<a href="/export" style="color: inherit">Download all my data</a>')


def _show_end(api: Api, login: Login) -> None:
    whose, what = login.user["user_id"], "user name"
    if login.has_password:
        whose, what = login.user["email"], "e-mail address"
    with st.expander("Erase my account", icon=":material/delete_forever:", key="erase"):
        st.markdown(_ERASING)
        with st.form("erasing", border=False):
            named = st.text_input(f"Your {what}, to go on", key="erase-named", autocomplete="off")
            secret = _secret("Password", "current-password", "erase-password") if login.has_password else None
            if not st.form_submit_button("Erase everything"):
                return
        if named.strip().lower() != whose.lower():
            st.error(f"Write your {what} as it is above, so that nobody does this by accident.")
            return
        try:
            _erase(api, login, secret)
        except NotSignedIn:
            raise
        except ApiError as error:
            st.error(safe(_words(error)))
            return
    _leave(login)


def _erase(api: Api, login: Login, password: str | None) -> None:
    if password is None:
        # Who has none shows by a token of this moment that it is them.
        login.renew()
    body: dict[str, Any] = {"user_id": login.user["user_id"]}
    api.delete(_ME, body if password is None else {**body, "password": password})
    # Also what was typed, which is kept at the end of other logins.
    st.session_state.clear()
    serving().unsent.forget(login.user["user_id"])


def _leave(login: Login) -> None:
    serving().logins.forget(login)
    raise NotSignedIn


def _words(error: ApiError) -> str:
    """What it says, with what it names."""
    told = list(error.fields.values())
    if error.code == "still_shared":
        told += [f"{inline(each['name'])} ({each['kind']})" for each in error.details["shared"]]
    return " ".join([str(error), *(f"{each}." for each in told)])
