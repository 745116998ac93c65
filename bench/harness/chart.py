"""A bar for each row: how many times the peer's figure, on a logarithmic scale; a mark where the target is."""

import html
import math

from .report import number
from .rows import PEER, ROWS

LEFT, WIDTH, RIGHT, BAR, STEP, TOP = 430, 420, 70, 16, 26, 44

STYLE = """
text { font: 13px sans-serif; fill: #222 } .bar { fill: #2f6f9f } .grid { stroke: #ccc } .mark { stroke: #c2410c }
.small { font-size: 11px }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .bar { fill: #6aa9d8 } .grid { stroke: #444 } .mark { stroke: #fb923c }
}"""


def svg(results, names):
    ratios = {name: results.ratio(name) for name in names}
    ratios = {name: ratio for name, ratio in ratios.items() if ratio}
    # From 1, or less where a bar needs it, to the next power of ten.
    low = min([0, *(math.floor(math.log10(ratio)) for ratio in ratios.values())])
    high = max([2, *(math.ceil(math.log10(ratio)) for ratio in ratios.values())])

    def x(ratio):
        return LEFT + WIDTH * (math.log10(ratio) - low) / (high - low)

    height = TOP + STEP * len(ratios) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img">',
             "<title>Mailstead as a multiple of Postfix with Dovecot</title>", f"<style>{STYLE}</style>",
             f'<text x="{LEFT}" y="14">Times Postfix + Dovecot (more is better; the mark is the target)</text>']
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f'<line class="grid" stroke-width="{2 if power == 0 else 1}" x1="{at:.1f}" y1="{TOP - 8}" '
                     f'x2="{at:.1f}" y2="{height - 6}"/>')
        parts.append(f'<text class="small" x="{at:.1f}" y="{TOP - 14}" text-anchor="middle">{10.0**power:,g}</text>')
    for index, (name, ratio) in enumerate(ratios.items()):
        parts += bar(name, ratio, TOP + STEP * index, x)
    return "\n".join([*parts, "</svg>", ""])


def bar(name, ratio, y, x):
    """From 1, the peer, to the ratio: to the left when Mailstead is behind."""
    begin, end = sorted((x(1), x(ratio)))
    yield f'<text x="{LEFT - 10}" y="{y + 13}" text-anchor="end">{html.escape(short_text(ROWS[name].text))}</text>'
    yield f'<rect class="bar" x="{begin:.1f}" y="{y}" width="{max(1, end - begin):.1f}" height="{BAR}"/>'
    for target in ROWS[name].targets:
        if target.of == PEER:
            at = x(target.factor)
            yield f'<line class="mark" stroke-width="3" x1="{at:.1f}" y1="{y - 3}" x2="{at:.1f}" y2="{y + BAR + 3}"/>'
            end = max(end, at)
    yield f'<text class="small" x="{end + 6:.1f}" y="{y + 12}">{number(ratio)}</text>'


def short_text(text, most=58):
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0].rstrip(",") + " ..."
