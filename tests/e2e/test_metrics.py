# SPDX-License-Identifier: BSD-3-Clause
"""Metrics: OpenMetrics as others read it, a real Prometheus that scrapes them, and what config/ has for it: rules and a dashboard."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from vulab.lab import Lab
from vulab.process import Process, wait_until
from vulab.switch import Switch

RULES = ROOT / "config" / "prometheus" / "vuswitch.rules.yaml"
DASHBOARD = ROOT / "config" / "grafana" / "vuswitch.json"
PLAIN = {"Accept": "text/plain"}


def need(program: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    found = shutil.which(program, path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        pytest.skip(f"no {program}: apt-get install prometheus")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def get(url: str, **headers: str) -> str:
    """The text at a URL."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as reply:
        return str(reply.read().decode())


@pytest.fixture(name="switch")
def _switch(lab: Lab) -> Iterator[tuple[Switch, str]]:
    """A switch with a VM's port and a device, which a mirror copies to, and where its metrics are."""
    port = free_port()
    file = lab.folder / "file.yaml"
    file.write_text("bridges: [{name: br0, mirrors: [{name: watch, ports: vm1, to: n0}]}]\n", encoding="ascii")
    switch = lab.switch(["--config", str(file), "--vhost", f"vm1={lab.folder}/vm1.sock", "--ethdev", "n0=net_null0,no-rx=1",
                         "--metrics", f"{lab.folder}/metrics.sock", "--metrics-listen", str(port)], ["-m", "128"])
    switch.start()
    yield switch, f"127.0.0.1:{port}"


def documented() -> set[str]:
    """The names of docs/metrics.md."""
    return set(re.findall(r"^\| `(vuswitch_\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.M))


def test_others_can_read_it(switch: tuple[Switch, str]) -> None:
    """The reference parser of OpenMetrics takes the text whole; what is in it is in docs/metrics.md, and the other way round."""
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="apt-get install python3-prometheus-client")
    text = get(f"http://{switch[1]}/metrics")
    families = list(parser.text_string_to_metric_families(text))
    names = {sample.name for family in families for sample in family.samples}
    histograms = {family.name for family in families if family.type == "histogram"}
    for name in histograms:
        names = {sample for sample in names if not sample.startswith(name + "_")} | {name}
    assert names == documented()
    up = {sample.labels["port"]: sample.value for family in families if family.name == "vuswitch_port_up"
          for sample in family.samples}
    assert up == {"vm1": 0, "n0": 1}


def test_promtool_finds_no_fault(switch: tuple[Switch, str], tmp_path: Path) -> None:
    """promtool checks the metrics (it reads the format before OpenMetrics only) and the rules, and tries the rules out."""
    promtool = need("promtool")
    text = get(f"http://{switch[1]}/metrics", **PLAIN)
    done = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for path in (RULES, ROOT / "tests" / "e2e" / "vuswitch.rules.test.yaml"):
        shutil.copy(path, tmp_path)
    subprocess.run([promtool, "check", "rules", RULES.name], cwd=tmp_path, timeout=30, check=True)
    subprocess.run([promtool, "test", "rules", "vuswitch.rules.test.yaml"], cwd=tmp_path, timeout=30, check=True)


class Prometheus:
    """A Prometheus that reads one switch each second."""

    def __init__(self, folder: Path, target: str) -> None:
        program = need("prometheus")
        self.address = f"127.0.0.1:{free_port()}"
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{RULES}]\n"
            f"scrape_configs:\n  - job_name: vuswitch\n    static_configs: [{{targets: [\"{target}\"]}}]\n")
        self.process = Process("prometheus", [
            program, f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address={self.address}"], folder / "prometheus.log")

    def api(self, path: str, **values: str) -> Any:
        """What its API answers."""
        reply = json.loads(get(f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(values)}"))
        assert reply["status"] == "success", reply
        return reply["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples that an expression has now."""
        result: list[dict[str, Any]] = self.api("query", query=expression)["result"]
        return result

    def has_read(self, times: int) -> bool:
        """Whether it has read the switch so often."""
        try:
            found = self.query("count_over_time(vuswitch_ports[2m])")
        except OSError:
            return False
        return bool(found) and float(found[0]["value"][1]) >= times


def expressions() -> list[tuple[str, str]]:
    """What the dashboard asks, with its variables filled in as Grafana does: (panel, expression)."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    filled = [(panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$port", ".*"))
              for panel in panels for target in panel["targets"]]
    assert len(filled) > 15 and not any("$" in expression for _, expression in filled)
    return filled


def test_prometheus_reads_it(switch: tuple[Switch, str], tmp_path: Path) -> None:
    """It takes all that is there as OpenMetrics; each panel of the dashboard has something to show; no alert cannot be told."""
    prometheus = Prometheus(tmp_path, switch[1])
    try:
        wait_until(lambda: prometheus.has_read(3), 60, f"Prometheus to read the switch; see {tmp_path}/prometheus.log", 0.5)
        (target,) = prometheus.api("targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        known = prometheus.api("metadata")
        assert known["vuswitch_port_rx_bytes"][0] == {
            "type": "counter", "help": "their bytes, without FCS", "unit": "bytes"}
        for name in ("scrape_slice", "vhost_request", "control_request", "control_turn", "lcore_wake", "lcore_first_frame"):
            assert known[f"vuswitch_{name}_seconds"][0]["type"] == "histogram"
        # Each time that it reads, sleeping lcores are woken up: that is in what it reads then.
        assert float(prometheus.query("sum(vuswitch_lcore_wake_seconds_count)")[0]["value"][1]) > 0
        for panel, expression in expressions():
            assert prometheus.query(expression), f"{panel}: nothing is found by {expression}"
        rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
        wait_until(lambda: all(rule["health"] == "ok" for group in prometheus.api("rules")["groups"]
                               for rule in group["rules"]), 30, "each rule to be evaluated")
        assert len(rules) == 14
        assert not prometheus.query('ALERTS{alertstate="firing"}')
    finally:
        prometheus.process.stop()
