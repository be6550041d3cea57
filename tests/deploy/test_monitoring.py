"""What watches the program reads figures that the program has."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tests.deploy.files import ROOT
from tests.docs.pages import REFERENCE, first_cells, text_of

FOLDER = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
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


def panels():
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions():
    """Return what the dashboard asks, with Grafana's variables filled in."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [expr.replace("$job", "fintech").replace("$__rate_interval", "1m") for expr in found]


def test_every_figure_on_the_dashboard_is_one_that_we_give():
    known = re.findall(r"`((?:fta|process)_\w+)`", text_of(REFERENCE / "metrics.md"))
    shown = {name for expr in expressions() for name in re.findall(r"(?:fta|process)_\w+", expr)}

    assert {name.removesuffix("_bucket") for name in shown} <= set(known)
    assert {name for name in known if name.startswith("fta_")} <= {
        name.removesuffix("_bucket") for name in shown
    }


def test_figures_that_each_process_repeats_are_never_added_up():
    """Each web process gives what stands in the database: their sum would be a multiple."""
    for expr in expressions():
        if re.search(r"fta_(items|accounts|sync)", expr):
            assert expr.startswith("max"), expr


def test_the_panels_of_the_dashboard_do_not_overlap():
    places = [
        (x, y)
        for panel in panels()
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(places) == len(set(places)) > 0
    assert max(x for x, _ in places) < 24


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_understands_what_the_dashboard_asks(tmp_path):
    rules = [{"record": f"panel:{n}", "expr": expr} for n, expr in enumerate(expressions())]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
