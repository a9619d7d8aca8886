"""Every address and every anchor of a site's pages, and those that lead nowhere."""

import functools
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The addresses and the ids of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("href", "src") and value and not value.startswith("data:"):
                self.addresses.append(value)


@functools.cache
def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def dead_ends(site: Path) -> list[str]:
    """The links to no file of the pages that a reader of the site can come to."""
    page.cache_clear()
    seen: set[Path] = set()
    waiting = [site / "index.html"]
    dead = []
    while waiting:
        path = waiting.pop().resolve()
        if path in seen:
            continue
        seen.add(path)
        if not path.is_file():
            dead.append(str(path.relative_to(site.resolve())))
        elif path.suffix == ".html":
            waiting += [
                path.parent / unquote(urlsplit(address).path) for address in page(path).addresses if address[0] != "#"
            ]
    return dead


def broken(site: Path) -> Iterator[str]:
    """Yield each address that leads to no file or no anchor, or out of the site; and each id that is there twice."""
    page.cache_clear()
    for path in sorted(site.rglob("*.html")):
        where = path.relative_to(site)
        found = page(path)
        yield from (f"{where}: id {name} twice" for name in set(found.ids) if found.ids.count(name) > 1)
        for address in found.addresses:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                yield f"{where}: {address} leads to another host"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_relative_to(site.resolve()) or not target.is_file():
                yield f"{where}: {address} leads to no file"
            elif parts.fragment and "=" not in parts.fragment and unquote(parts.fragment) not in page(target).ids:
                yield f"{where}: {address} leads to no anchor"
