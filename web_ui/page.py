"""The script that Streamlit runs for each browser tab, anew at everything that is clicked."""

import streamlit as st

from web_ui.callers import FOUND
from web_ui.serving import serving
from web_ui.shell import show_page

show_page(serving().logins.find(st.context.headers.get(FOUND)))
