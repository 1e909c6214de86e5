"""`turnlog up` and `turnlog web` start the page."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.programs import free_port, run, running
from web_ui.keeping import Keeping


def test_up_starts_the_page_lets_its_local_user_in_and_ends_it(tmp_path: Path) -> None:
    port, web_port = free_port(), free_port()
    web = f"http://127.0.0.1:{web_port}"
    settings: dict[str, Any] = {"data_dir": tmp_path, "api_port": port, "web_port": web_port}
    with running(f"{web}/signin", "turnlog", "up", "--no-local-model", **settings) as server:
        with httpx2.Client(base_url=web, headers={"Origin": web}, trust_env=False, timeout=60) as http:
            assert "Continue as the local user" in http.get("/signin").text
            entered = http.post("/local")
            assert (entered.status_code, "turnlog_session" in entered.cookies) == (303, True)
            kept = Keeping(tmp_path / "web", f"http://127.0.0.1:{port}").load(http.cookies["turnlog_session"])
            assert kept is not None
            assert (kept["user"]["user_id"], kept["user"]["role"]) == ("local", "admin")
        code, said = server.stop()
    assert code == 0, said
    assert f"Web        {web}" in said
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(web, trust_env=False)


def test_web_serves_the_page_of_an_api_elsewhere_without_a_local_user(api: str, tmp_path: Path) -> None:
    web = f"http://127.0.0.1:{(port := free_port())}"
    with running(
        f"{web}/signin", "turnlog", "web", "--api", api, data_dir=tmp_path, web_port=port
    ) as program:
        signin = httpx2.get(f"{web}/signin", trust_env=False).text
        assert "Sign in" in signin
        assert "local user" not in signin
        code, _ = program.stop()
        assert code in {0, -2, 130}


def test_a_name_of_the_page_that_is_no_host_name_is_refused_at_the_start(tmp_path: Path) -> None:
    refused = run("turnlog", "web", data_dir=tmp_path, web_public_hosts="a.example, https://b.example")
    assert refused.returncode == 2
    assert "WEB_PUBLIC_HOSTS: " in refused.stderr
    assert "host names alone" in refused.stderr
