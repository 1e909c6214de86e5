"""What is still written for somebody after they were erased does not stay."""

import os
import time
from functools import partial
from pathlib import Path
from uuid import uuid4

from chat_api.holdings.erase import sweep
from kit.postgres import Db
from mcp_server.leaving import remove_files
from tests.chat_api.replica import execute
from tests.chat_api.rows import all_rows, of


async def test_what_comes_too_late_is_swept_and_ids_are_forgotten_when_no_token_is_good(
    db: Db, database_url: str, tmp_path: Path
) -> None:
    late, long_gone, other = (str(uuid4()) for _ in range(3))
    for user, minutes in ((late, 15), (long_gone, 61)):
        gone = "INSERT INTO erased_users VALUES (CAST(%s AS uuid), now() - %s * interval '1 minute')"
        execute(database_url, gone, user, minutes)
    for user in (late, other):
        execute(
            database_url,
            "INSERT INTO users (id, issuer, subject, created_at) VALUES (%s, 'turnlog', %s, now())",
            *(user, user),
        )
        todo = "INSERT INTO todos SELECT %s, %s, 'x', NULL, NULL, 'low', '{}', NULL, now(), now()"
        execute(database_url, todo, uuid4(), user)
    await sweep(db, partial(remove_files, tmp_path))
    rows = all_rows(database_url)
    assert set(of(rows, late)) == {"erased_users"}
    assert of(rows, long_gone) == {}
    assert set(of(rows, other)) == {"users", "todos"}


async def test_what_comes_too_late_of_somebody_from_outside_is_swept_and_what_comes_anew_is_not(
    db: Db, database_url: str, tmp_path: Path
) -> None:
    gone, back = str(uuid4()), str(uuid4())
    for user, seconds in ((gone, 9), (back, 11)):
        erased = "INSERT INTO erased_users VALUES (CAST(%s AS uuid), now() - interval '1 minute', true)"
        execute(database_url, erased, user)
        todo = """
            INSERT INTO todos SELECT gen_random_uuid(), CAST(%s AS uuid), 'x', NULL, NULL, 'low', '{}', NULL,
                now() - interval '1 minute' + CAST(%s AS integer) * interval '1 second', now()
        """
        execute(database_url, todo, user, seconds)
        written = tmp_path / user / "notes" / "x.txt"
        written.parent.mkdir(parents=True)
        written.write_text("x")
        for path in (written, written.parent):
            os.utime(path, (time.time(), time.time() - 60 + seconds))
    execute(
        database_url, "INSERT INTO users (id, issuer, subject, created_at) VALUES (%s, 'i', 's', now())", back
    )
    await sweep(db, partial(remove_files, tmp_path))
    rows = all_rows(database_url)
    assert set(of(rows, gone)) == {"erased_users"}
    assert not (tmp_path / gone).exists()
    assert set(of(rows, back)) == {"erased_users", "users", "todos"}
    assert (tmp_path / back / "notes" / "x.txt").exists()


async def test_whose_files_cannot_be_swept_is_remembered_until_they_can(
    db: Db, database_url: str, tmp_path: Path
) -> None:
    gone = str(uuid4())
    execute(
        database_url, "INSERT INTO erased_users VALUES (CAST(%s AS uuid), now() - interval '2 hours')", gone
    )
    folder = tmp_path / gone
    folder.write_text("in the way")
    await sweep(db, partial(remove_files, tmp_path))
    assert set(of(all_rows(database_url), gone)) == {"erased_users"}
    folder.unlink()
    folder.mkdir()
    (folder / "late.txt").write_text("Late")
    await sweep(db, partial(remove_files, tmp_path))
    assert not folder.exists()
    assert of(all_rows(database_url), gone) == {}
