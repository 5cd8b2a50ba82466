"""An SMTP server in a process of its own that outlives the kills of a test: `python recorder.py FILE [--deaf]`.

It appends a line «recipient TAB Message-ID» to FILE before it answers 250, so that a mail is in the file whenever the
sender can know it as taken. `--deaf`: it never answers after the dot. Its port is the first line of its output.
"""

import argparse
import asyncio
import re
from pathlib import Path
from typing import IO

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)
_PATH = re.compile(rb"<([^>]*)>")


class Recorder:
    def __init__(self, out: IO[str], *, deaf: bool, delay_s: float) -> None:
        self.out, self.deaf, self.delay_s = out, deaf, delay_s

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 recorder.example ESMTP\r\n")
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the sender was killed
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipient = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                await self._keep(recipient, content)
                writer.write(b"250 2.0.0 kept\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                return
            elif verb == b"EHLO":
                writer.write(b"250-recorder.example\r\n250 PIPELINING\r\n")
            else:
                if verb == b"RCPT" and (found := _PATH.search(line)):
                    recipient = found[1].decode()
                writer.write(b"250 ok\r\n")

    async def _keep(self, recipient: str, content: bytes) -> None:
        found = _MESSAGE_ID.search(content)
        self.out.write(f"{recipient}\t{found[1].decode() if found else ''}\n")
        self.out.flush()
        # A kill in this moment leaves a mail unknown: it is accepted, and the sender has not read the reply.
        await asyncio.sleep(3600 if self.deaf else self.delay_s)


async def main(file: Path, *, deaf: bool, delay_s: float) -> None:
    with file.open("a", encoding="utf-8") as out:
        recorder = Recorder(out, deaf=deaf, delay_s=delay_s)
        server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - its only output
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--delay", type=float, default=0.002)
    given = parser.parse_args()
    asyncio.run(main(given.file, deaf=given.deaf, delay_s=given.delay))
