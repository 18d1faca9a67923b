"""A server that tells what of a request arrived: a stand-in for a gateway's port and for Authelia's. `python -m tests.echo PORT`

    GET .../slow         a byte, and another one two seconds later; like every stream without a length
    Upgrade: websocket   101, and every byte comes back
    /api/authz/...       as Authelia: 200 with the cookie `authelia=ok`, else the way to its portal
"""

import asyncio
import json
import sys
import time
from asyncio import StreamReader, StreamWriter

PORTAL = "https://auth.example.org/"


async def serve(reader: StreamReader, writer: StreamWriter) -> None:
    """One connection, one request at a time."""
    try:
        while await _answer(reader, writer):
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _answer(reader: StreamReader, writer: StreamWriter) -> bool:
    """Whether the connection stays."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = lines[0].split(" ")
    headers = [line.split(": ", 1) for line in lines[1:] if line]
    one = {name.lower(): value for name, value in headers}
    if one.get("upgrade") == "websocket":
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        return False
    first, size = await _body(reader, one)
    status, location = "200 OK", ""
    if path.startswith("/api/authz/") and "authelia=ok" not in one.get("cookie", ""):
        status, location = ("302 Found" if "forward-auth" in path else "401 Unauthorized"), f"Location: {PORTAL}\r\n"
    if path.endswith("/slow"):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n")
        await writer.drain()
        await asyncio.sleep(2)
        writer.write(b"1\r\n.\r\n0\r\n\r\n")
        return True
    text = json.dumps({"method": method, "path": path, "headers": headers, "first": first, "size": size}).encode()
    if path.startswith("/api/authz/"):
        print(text.decode(), flush=True)
    head = f"HTTP/1.1 {status}\r\n{location}Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    writer.write(head.encode() + text)
    return True


async def _body(reader: StreamReader, headers: dict[str, str]) -> tuple[float, int]:
    """When its first part came, and its length."""
    if headers.get("transfer-encoding") == "chunked":
        first, total = 0.0, 0
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
            first, total = first or time.monotonic(), total + size
        await reader.readline()
        return first, total
    left = total = int(headers.get("content-length", 0))
    first = 0.0
    while left:
        if not (part := await reader.read(min(left, 1 << 20))):
            raise asyncio.IncompleteReadError(b"", left)
        first, left = first or time.monotonic(), left - len(part)
    return first, total


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), limit=1 << 20)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
