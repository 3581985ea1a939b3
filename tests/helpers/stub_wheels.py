"""Small wheels made on the spot, and an index of them on the loopback."""

from __future__ import annotations

import base64
import functools
import hashlib
import threading
import zipfile
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def make_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str] | None = None, git: str | None = None
) -> Path:
    """A wheel of one package of this name, with further files; ``version.py`` tells its commit."""
    module = name.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    info = f"{module}-{version}.dist-info"
    content = {
        f"{module}/__init__.py": f"VERSION = {version!r}\n",
        **({f"{module}/version.py": f"git_version = {git!r}\n"} if git else {}),
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},{_digest(text)},{len(text.encode())}\n" for file, text in content.items())
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(file, text)
    return path


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


def write_index(root: Path, wheels: list[Path]) -> None:
    """Pages as PEP 503 wants them, with the hash of each wheel."""
    by_name: dict[str, list[Path]] = {}
    for wheel in wheels:
        by_name.setdefault(wheel.name.split("-")[0].replace("_", "-"), []).append(wheel)
    for name, files in by_name.items():
        page = root / name
        page.mkdir(parents=True, exist_ok=True)
        links = []
        for file in files:
            data = file.read_bytes()
            (page / file.name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            links.append(f'<a href="{file.name}#sha256={digest}">{file.name}</a>')
        (page / "index.html").write_text(
            "<!DOCTYPE html><html><body>\n" + "\n".join(links) + "</body></html>"
        )


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(root: Path) -> Iterator[str]:
    """The folder on the loopback; its address."""
    handler = functools.partial(_Quiet, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
