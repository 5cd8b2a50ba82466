"""The pages while the database does not answer."""

import shutil
from pathlib import Path

import make
from starlette.testclient import TestClient

from mailer import tokens, web
from mailer.store.database import Store
from mailer.tokens import Purpose
from mailer.web.guard import CSP


def test_the_database_is_away(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    app = make.app(Store(f"sqlite:///{folder / 'subscribers.db'}"), tmp_path, make.Clock())
    shutil.rmtree(folder)
    with TestClient(web.create(app), raise_server_exceptions=False) as client:
        ready = client.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "the database does not answer")
        archive = client.get("/archive")
        # After a 503 a mail program tries again; a 200 would be wrong, and after a 404 it would give up.
        token = tokens.make(make.KEYS, Purpose.UNSUBSCRIBE, 1)
        leaving = client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})
    assert leaving.status_code == 503
    assert archive.status_code == 503
    assert "gone" not in archive.text, "where the database is concerns nobody"
    assert archive.headers["content-security-policy"] == CSP
    app.store.close()
