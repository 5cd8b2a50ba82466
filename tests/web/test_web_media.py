"""Pictures of stories may be cached; the pages may not."""

from pathlib import Path

from make import only_sqlite
from starlette.testclient import TestClient

from mailer import web
from mailer.context import App


@only_sqlite
def test_pictures_may_be_kept_and_carry_the_headers_of_every_page(app: App, tmp_path: Path) -> None:
    (tmp_path / "media" / "pictures").mkdir(parents=True)
    (tmp_path / "media" / "pictures" / "a-hero.jpg").write_bytes(b"picture")
    (tmp_path / "media" / "other.txt").write_bytes(b"text")
    client = TestClient(web.create(app))
    answer = client.get("/media/pictures/a-hero.jpg")
    assert (answer.status_code, answer.content) == (200, b"picture")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/media/other.txt").headers["cache-control"] == "no-store"
    assert client.get("/media/pictures/none.jpg").status_code == 404
    assert client.get("/media/../secret.key").status_code == 404
