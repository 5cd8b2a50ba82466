"""The pages while the database is away."""

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
        # A mail program that is told 503 tries again; 200 would be a lie and 404 the end of it.
        token = tokens.make(make.KEYS, Purpose.UNSUBSCRIBE, 1)
        leaving = client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})
    assert leaving.status_code == 503
    assert archive.status_code == 503
    assert "gone" not in archive.text, "where the database is concerns nobody"
    assert archive.headers["content-security-policy"] == CSP
    app.store.close()
