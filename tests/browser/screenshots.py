"""Screenshots for the pages, as small files: PNG with a palette of 256 colours.

`make screenshots` sets SCREENSHOTS, and they replace those in `docs/assets/console`. An ordinary run makes them, too,
and throws them away: the steps that lead to them stay tested.
"""

from __future__ import annotations

import base64
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

TARGET = Path(__file__).parents[2] / "docs" / "assets" / "console"
LIMIT_BYTES = 120_000

# Text in a picture of a page has a few hundred shades: the 256 most frequent stay, the rest become the nearest of them.
_PALETTE = """async (picture) => {
  const bitmap = await createImageBitmap(await (await fetch('data:image/png;base64,' + picture)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  const counts = new Map();
  const keys = new Uint32Array(pixels.length / 4);
  for (let at = 0; at < keys.length; at++) {
    keys[at] = (pixels[4 * at] << 16) | (pixels[4 * at + 1] << 8) | pixels[4 * at + 2];
    counts.set(keys[at], (counts.get(keys[at]) ?? 0) + 1);
  }
  const byCount = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const palette = byCount.slice(0, 256);
  const index = new Map(palette.map((colour, at) => [colour, at]));
  const distance = (a, b) => [16, 8, 0].reduce((sum, by) => sum + (((a >> by) & 255) - ((b >> by) & 255)) ** 2, 0);
  for (const colour of byCount.slice(256)) {
    let best = 0;
    palette.forEach((other, at) => { if (distance(colour, other) < distance(colour, palette[best])) best = at; });
    index.set(colour, best);
  }
  let indexed = '';
  for (let row = 0; row < bitmap.height; row++) {
    const line = keys.subarray(row * bitmap.width, (row + 1) * bitmap.width);
    indexed += String.fromCharCode(0, ...Array.from(line, (key) => index.get(key)));
  }
  return { width: bitmap.width, height: bitmap.height, palette, indexed: btoa(indexed) };
}"""


def shoot(page: Page, name: str, directory: Path, *, full_page: bool = False) -> Path:
    """Write `name.png`; the animations of the page have ended."""
    picture = page.screenshot(full_page=full_page, animations="disabled", caret="hide")
    blank = page.context.browser.new_page()  # the tab's own policy refuses data: addresses
    try:
        indexed = blank.evaluate(_PALETTE, base64.b64encode(picture).decode())
    finally:
        blank.close()
    target = (TARGET if os.environ.get("SCREENSHOTS") else directory) / f"{name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_png(**indexed))
    assert target.stat().st_size < LIMIT_BYTES, f"{target.name} is too large for a page"
    return target


def _png(*, width: int, height: int, palette: list[int], indexed: str) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = b"".join(colour.to_bytes(3, "big") for colour in palette)
    pixels = zlib.compress(base64.b64decode(indexed), 9)
    parts = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)
