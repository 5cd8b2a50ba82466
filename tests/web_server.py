"""A small web server on loopback for tests of fetching: it has an answer for each path and records every request."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class WebServer:
    port: int
    pages: dict[str, Answer | Callable[[dict[str, str]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def web_server() -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            known.asked.append((self.path, headers))
            page = known.pages.get(self.path, (404, {}, b""))
            status, answer, body = page(headers) if callable(page) else page
            self.send_response(status)
            for name, value in answer.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the client closed the connection

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = WebServer(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rss(*titles: str, host: str = "https://khabar.example") -> bytes:
    items = "".join(
        f"<item><title>{title}</title><link>{host}/news/{number}</link><guid>{host}/news/{number}</guid>"
        f"<pubDate>Mon, 23 Nov 2026 0{number % 10}:00:00 GMT</pubDate></item>"
        for number, title in enumerate(titles, 1)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>خبر</title>{items}</channel></rss>'.encode()
