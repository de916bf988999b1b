"""Feeds: a list of indicators is in force within a second of its change; what containers do is looked up in it; a list
that turned to rubbish, to nothing or to everything is held back."""
import filecmp
import os
import subprocess
import time

import lab
import pytest

STREAMS = ("findings.jsonl", "incidents.jsonl", "decisions.jsonl", "rows.jsonl")
BAD, WORSE = "198.51.100.7", "203.0.113.9"  # networks for documentation: nobody's


def fields(finding):
    return finding["output_fields"]


def write(path, *lines):
    """As careful feeds do: whole, then moved into place."""
    new = path.with_name(f".{path.name}.new")
    new.write_text("".join(f"{line}\n" for line in lines))
    os.replace(new, path)


def reachable(container, *addresses):
    """Addresses that its connections find on its own loopback."""
    def inside(*argv):
        subprocess.run(["nsenter", "-t", str(container.pid), "-n", *argv], check=True, stdin=subprocess.DEVNULL)

    inside("ip", "link", "set", "lo", "up")
    for address in addresses:
        inside("ip", "address", "add", address, "dev", "lo")


def connect(container, address):
    container.exec("nc", "-w", "1", address, "4444")


def feeds(agent):
    return {f["name"]: f for f in agent.json("intel", "stats")["feeds"]}


def wait_feed(agent, name, test, seconds=10):
    return lab.wait_for(lambda: (f := feeds(agent).get(name)) and test(f) and f, seconds, lambda: f"{name}: {feeds(agent)}")


def in_force(n):
    return lambda f: f["state"] == "in-force" and f["indicators"] == n


@pytest.fixture
def folder(ws):
    return ws.folder("feeds.d")


@pytest.mark.kernel
@pytest.mark.parametrize("shards", [1, 2])
def test_a_listed_address_is_found_joins_the_incident_and_replays_equal(ws, rules, folder, shards):
    write(folder / "bad.txt", "# ours", BAD, "198.51.100.128/25")
    live, capture = ws.folder("live"), ws.path / "capture"
    agent = lab.Agent(ws, rules, arguments=["--feeds", folder, "--streams", live, "--shards", shards], verb=("record", str(capture))).start()
    wait_feed(agent, "feeds.d/bad.txt", in_force(2))
    container = ws.container("shop").start()
    reachable(container, BAD)
    since = len(agent.findings())
    container.exec("sh", "-c", f"cat /etc/shadow >/dev/null; nc -w 1 {BAD} 4444; true")
    found = agent.wait_finding(lambda f: f["rule"] == "Known bad address" and fields(f)["container.name"] == container.name, 10, since)
    assert fields(found)["intel.value"] == BAD and fields(found)["intel.feeds"] == "feeds.d/bad.txt"
    assert found["priority"] == "Warning" and "mitre_command_and_control" in found["tags"]

    def joined():
        return [i for i in agent.json("incidents")["incidents"]
                if "Known bad address" in str(i) and "shadow" in str(i)]

    lab.wait_for(joined, 10, lambda: f"one incident of the rule and the indicator: {agent.json('incidents')}")
    container.remove()
    assert agent.stop() == 0, agent.talk()
    again = ws.folder("again")
    done = agent("replay", capture, "--streams", again, seconds=120)
    assert done.returncode == 0, done.stderr
    for name in STREAMS:
        assert filecmp.cmp(live / name, again / name, shallow=False), name


@pytest.mark.kernel
def test_a_change_of_the_list_is_in_force_within_a_second(ws, rules, folder):
    write(folder / "bad.txt", BAD)
    agent = lab.Agent(ws, rules, arguments=["--feeds", folder]).start()
    wait_feed(agent, "feeds.d/bad.txt", in_force(1))
    container = ws.container("shop").start()
    reachable(container, BAD, WORSE)
    for value, known in ((BAD, 1), (WORSE, 0), ("192.0.2.1", 0)):
        assert agent("intel", "lookup", value).returncode == known
    since = len(agent.findings())
    write(folder / "bad.txt", BAD, WORSE)
    changed = time.monotonic()
    lab.wait_for(lambda: agent("intel", "lookup", WORSE).returncode == 1, 5, "the new address", step=0.01)
    assert time.monotonic() - changed < lab.patience(1)
    connect(container, WORSE)
    found = agent.wait_finding("Known bad address", 10, since)
    assert fields(found)["intel.value"] == WORSE
    # A new file counts too, and one that is taken out of the folder no longer.
    write(folder / "more.txt", "192.0.2.1")
    lab.wait_for(lambda: agent("intel", "lookup", "192.0.2.1").returncode == 1, 5, "the new list")
    (folder / "more.txt").unlink()
    lab.wait_for(lambda: agent("intel", "lookup", "192.0.2.1").returncode == 0, 10, "the list's end")


@pytest.mark.kernel
def test_a_feed_gone_wrong_is_held_back_and_the_last_good_one_stays(ws, rules, folder):
    good = [f"198.51.100.{n}" for n in range(1, 101)]
    write(folder / "list.txt", *good)
    agent = lab.Agent(ws, rules, arguments=["--feeds", folder]).start()
    wait_feed(agent, "feeds.d/list.txt", in_force(100))
    wrong = {
        "rubbish": ([*good[:50], *("<html>this is no list</html>" for _ in range(50))], "can't be read"),
        "nothing": ([], "empty"),
        "everything": ([*good, "0.0.0.0/0"], "everything"),
        "shrunk": (good[:3], "shrank"),
        "grown": ([f"203.0.{a}.{b}" for a in range(20) for b in range(1, 101)], "grew"),
    }
    for what, (lines, why) in wrong.items():
        since = len(agent.findings())
        write(folder / "list.txt", *lines)
        held = agent.wait_finding("Feed held back", 10, since, what)
        assert why in held["output"] and "feeds.d/list.txt" in held["output"], (what, held["output"])
        feed = wait_feed(agent, "feeds.d/list.txt", lambda f: f["state"] == "held" and why in f["reason"])
        assert feed["indicators"] == 100
        assert agent("intel", "lookup", good[99]).returncode == 1, what
        assert any("held back" in p for p in agent.json("status")["problems"])
    write(folder / "list.txt", *good[:60])
    wait_feed(agent, "feeds.d/list.txt", in_force(60))
    assert agent("intel", "lookup", good[99]).returncode == 0


@pytest.mark.kernel
def test_a_file_that_is_being_written_waits_for_its_end(ws, rules, folder):
    write(folder / "list.txt", BAD)
    agent = lab.Agent(ws, rules, arguments=["--feeds", folder]).start()
    wait_feed(agent, "feeds.d/list.txt", in_force(1))
    with (folder / "list.txt").open("w") as f:
        for n in range(1, 6):
            print(f"203.0.113.{n}", file=f, flush=True)
            assert agent("intel", "lookup", BAD).returncode == 1
            assert agent("intel", "lookup", "203.0.113.1").returncode == 0, "half a list was taken"
    wait_feed(agent, "feeds.d/list.txt", in_force(5), 3)


@pytest.mark.kernel
def test_documents_say_what_a_feed_is_good_for(ws, rules, folder):
    data, documents = ws.folder("data"), ws.folder("documents")
    write(data / "ours.csv", "what,sure,kind,name", f"{BAD},90,ip,InventedBot", "bad.example,40,domain,Other", "x@y.example,90,email,no")
    write(data / "theirs.txt", BAD, WORSE, "8.8.8.8", "10.1.2.3")
    (documents / "feeds.yaml").write_text(f"""
apiVersion: bulkhead.io/v1
kind: Feed
metadata: {{name: ours}}
spec:
  path: {data}/ours.csv
  format: csv
  columns: {{value: what, confidence: sure, type: kind, label: name}}
  severity: Critical
  tags: [our-team]
---
apiVersion: bulkhead.io/v1
kind: Feed
metadata: {{name: theirs}}
spec: {{path: {data}/theirs.txt, confidence: 50, never: [{WORSE}]}}
""")
    agent = lab.Agent(ws, rules, arguments=["--feeds", documents]).start()
    wait_feed(agent, "ours", lambda f: f["indicators"] == 2)
    wait_feed(agent, "theirs", lambda f: f["indicators"] == 4)
    both = agent.json("intel", "lookup", BAD)
    assert both["known"] and abs(both["confidence"] - 0.95) < 1e-9  # 1 − 0.1 · 0.5
    assert {h["feed"] for h in both["indicators"]} == {"ours", "theirs"}
    for value in (WORSE, "8.8.8.8", "10.1.2.3"):
        never = agent.json("intel", "lookup", value)
        assert never["never"] and not never["known"], value
    container = ws.container("shop").start()
    reachable(container, BAD, WORSE)
    since = len(agent.findings())
    connect(container, WORSE)
    connect(container, BAD)
    found = agent.wait_finding("Known bad address", 10, since)
    assert fields(found)["intel.value"] == BAD and found["priority"] == "Critical"
    assert fields(found)["intel.label"] == "InventedBot" and "our-team" in found["tags"]


@pytest.mark.kernel
def test_an_indicator_ends_when_its_time_is_over(ws, rules, folder):
    data = ws.folder("data")
    (folder / "f.yaml").write_text(f"apiVersion: bulkhead.io/v1\nkind: Feed\nmetadata: {{name: timed}}\nspec: {{path: {data}/list.csv}}\n")
    agent = lab.Agent(ws, rules, arguments=["--feeds", folder]).start()
    write(data / "list.csv", "value,valid_until", f"{BAD},2020-01-01T00:00:00Z", f"{WORSE},{int(time.time()) + 4}")
    wait_feed(agent, "timed", in_force(2))
    assert not agent.json("intel", "lookup", BAD)["known"]
    assert agent.json("intel", "lookup", WORSE)["known"]
    lab.wait_for(lambda: not agent.json("intel", "lookup", WORSE)["known"], 10, "its end")
