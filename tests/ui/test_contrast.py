"""Every pair of colours that the components use is readable: WCAG 2.2 AA, in both themes."""

import itertools
import math
import re
from pathlib import Path

import pytest

CSS = Path("app/ui/static/css")
TEXT, LARGE_OR_MARK = 4.5, 3.0
SURFACES = ("canvas", "surface", "surface-raised", "surface-sunken", "hover", "selected")


def tokens() -> dict[str, tuple[str, str]]:
    text = (CSS / "tokens.css").read_text()
    pattern = r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);"
    return {name: (light, dark) for name, light, dark in re.findall(pattern, text)}


TOKENS = tokens()

PAIRS = [
    *((ink, surface, TEXT) for ink in ("ink", "ink-2") for surface in SURFACES),
    *(("ink-3", surface, TEXT) for surface in SURFACES),
    *(("accent", surface, TEXT) for surface in (*SURFACES, "accent-soft")),
    *(("in", surface, TEXT) for surface in (*SURFACES, "in-soft")),
    *(("pending", surface, TEXT) for surface in (*SURFACES, "pending-soft")),
    *(("warning", surface, TEXT) for surface in ("surface", "surface-raised", "warning-soft")),
    *(("danger", surface, TEXT) for surface in ("surface", "surface-raised", "danger-soft")),
    *(("ink", f"{kind}-soft", TEXT) for kind in ("accent", "in", "warning", "danger")),
    ("on-ink", "ink", TEXT),
    ("on-ink", "ink-hover", TEXT),
    ("on-danger", "danger-fill", TEXT),
    ("accent", "accent-soft", TEXT),
    *(("control-line", surface, LARGE_OR_MARK) for surface in ("surface", "surface-raised")),
    *(("accent-fill", surface, LARGE_OR_MARK) for surface in SURFACES),
]


def luminance(red: float, green: float, blue: float) -> float:
    """Return relative luminance of linear components; W3C WCAG 2.2, definition."""
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def of_hex(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return luminance(*(p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts))


def of_oklch(lightness: float, chroma: float, hue: float) -> float:
    """Return the luminance of an OKLCH colour; matrices by Björn Ottosson (2020)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return luminance(*(min(max(part, 0.0), 1.0) for part in (red, green, blue)))


def contrast(one: float, other: float) -> float:
    light, dark = max(one, other), min(one, other)
    return (light + 0.05) / (dark + 0.05)


def test_the_computation_knows_black_on_white():
    assert contrast(of_hex("#000000"), of_hex("#ffffff")) == pytest.approx(21)
    assert of_oklch(1, 0, 0) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_a_pair_of_colours_is_readable(front, back, least, theme):
    ratio = contrast(of_hex(TOKENS[front][theme]), of_hex(TOKENS[back][theme]))
    assert ratio >= least, f"{front} on {back}: {ratio:.2f}"


def test_initials_are_readable_in_all_twelve_colours():
    rule = re.search(r"\.avatar \{(.*?)\}", (CSS / "components.css").read_text(), re.DOTALL)
    colours = re.findall(r"oklch\(([\d.]+) ([\d.]+) ", rule.group(1))
    hues = [int(hue) for hue in re.findall(r"--hue: (\d+)", (CSS / "tokens.css").read_text())]
    assert len(colours) == 4
    assert len(hues) == 12
    light_back, dark_back, light_front, dark_front = (
        (float(lightness), float(chroma)) for lightness, chroma in colours
    )
    pairs = ((light_front, light_back), (dark_front, dark_back))
    for hue, (front, back) in itertools.product(hues, pairs):
        assert contrast(of_oklch(*front, hue), of_oklch(*back, hue)) >= TEXT, (hue, front)


def test_every_token_that_is_used_exists():
    text = "\n".join(path.read_text() for path in CSS.glob("*.css"))
    declared = set(re.findall(r"(--[\w-]+):", text))
    assert set(re.findall(r"var\((--[\w-]+)", text)) <= declared
