"""What watches the program reads figures that the program has."""

import re
import shutil
import subprocess

import pytest
import yaml

from tests.deploy.files import ROOT
from tests.docs.pages import REFERENCE, first_cells, text_of

FOLDER = ROOT / "deploy" / "prometheus"
GUIDE = ROOT / "docs" / "guides" / "monitor.md"


def alerts():
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_figure_that_an_alert_reads_is_one_that_we_give():
    """`metrics.md` has them all: tests/docs compares it with the code."""
    known = re.findall(r"`(fta_\w+)`", text_of(REFERENCE / "metrics.md"))
    asked = {name for rule in alerts() for name in re.findall(r"fta_\w+", rule["expr"])}

    assert len(asked) > 5
    assert {name.removesuffix("_bucket") for name in asked} <= set(known)


def test_every_alert_is_tried_and_says_what_to_do():
    names = [rule["alert"] for rule in alerts()]
    tried = (FOLDER / "alerts.test.yml").read_text(encoding="utf-8")

    assert first_cells(GUIDE) == names
    for name in names:
        assert re.search(rf"alertname: {name}\n", tried), name


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_rules_and_they_ring_when_they_should():
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run(
            ["promtool", *command], cwd=FOLDER, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
