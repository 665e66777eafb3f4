# SPDX-License-Identifier: MIT
"""Draws the figures of `report` as an SVG: a row for each server, a column of bars for each figure."""

import math
from xml.sax.saxutils import escape

ROW, TOP, LABELS, PANEL, GAP, BOTTOM = 26, 74, 170, 170, 56, 16
INK, FAINT, COLOURS = "#333333", "#d8d8d8", ("#3b6ea5", "#d08c2e")

# Title, what is good, the figures (a bar each) with the word beside their colour.
PANELS = (
    ("first byte, no process yet", "ms, less is better", (("cold_ms", ""),)),
    ("first byte, running", "µs, less is better", (("warm_us", ""),)),
    ("questions a second", "more is better", (("visits", "a connection each"), ("stays", "clients that stay"))),
    ("memory, {clients} clients", "MB, less is better", (("memory_mb", ""),)),
)


class Scale:
    """Logarithmic, over whole decades that hold all values."""

    def __init__(self, values):
        positive = [value for value in values if value > 0] or [1]
        self.low = math.floor(math.log10(min(positive)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(positive))))

    def width(self, value):
        if value <= 0:
            return 0
        return max(1.0, PANEL * (math.log10(value) - self.low) / (self.high - self.low))

    def decades(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def number(value):
    """Short: 0.3, 12, 4.5k, 120k."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    if value >= 1e4:
        return f"{value / 1e3:.0f}k"
    if value >= 1e3:
        return f"{value / 1e3:.1f}k"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def text(x, y, words, size=12, anchor="start", colour=INK, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def rectangle(x, y, width, height, colour, title):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}">'
            f"<title>{escape(title)}</title></rect>")


def draw_grid(x, scale, bottom):
    parts = []
    for decade in scale.decades():
        at = x + (scale.width(decade) if decade != scale.decades()[0] else 0)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="{FAINT}"/>')
        parts.append(text(at, TOP - 10, number(decade), 9, "middle", "#777777"))
    return parts


def draw_legend(x, bars):
    parts = []
    for place, (_, words) in enumerate(bars):
        if words:
            at = x + place * 108
            parts.append(rectangle(at, 41, 8, 8, COLOURS[place], words))
            parts.append(text(at + 12, 49, words, 10))
    return parts


def draw_panel(x, panel, figures, clients):
    title, unit, bars = panel
    scale = Scale([one[key] for one in figures.values() for key, _ in bars])
    height = (ROW - 8) / len(bars)
    parts = [text(x, 18, title.format(clients=clients), 13, weight="bold"), text(x, 34, unit, 10, colour="#777777")]
    parts += draw_legend(x, bars) + draw_grid(x, scale, TOP + ROW * len(figures))
    for row, (name, one) in enumerate(figures.items()):
        for place, (key, words) in enumerate(bars):
            y = TOP + row * ROW + 4 + place * height
            width = scale.width(one[key])
            parts.append(rectangle(x, y, width, height - 1, COLOURS[place], f"{name} {words} {number(one[key])}"))
            parts.append(text(x + width + 3, y + height / 2 + 3, number(one[key]), min(10, height + 1)))
    return parts


def draw(figures, clients):
    """The whole picture, as text."""
    width = LABELS + len(PANELS) * (PANEL + GAP)
    height = TOP + ROW * len(figures) + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif">',
             "<title>What each zen server costs under superd; logarithmic scales</title>",
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for row, name in enumerate(figures):
        if row % 2 == 0:
            parts.append(f'<rect x="0" y="{TOP + row * ROW}" width="{width}" height="{ROW}" fill="#f6f6f6"/>')
        parts.append(text(8, TOP + row * ROW + ROW / 2 + 4, name.removeprefix("zen-")))
    for place, panel in enumerate(PANELS):
        parts += draw_panel(LABELS + place * (PANEL + GAP), panel, figures, clients)
    return "\n".join([*parts, "</svg>", ""])
