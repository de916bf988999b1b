"""Bundles and names made by an attacker cost one fact or one escaped string, never the agent."""
import json
import os
import subprocess

import lab
import pytest

from lab.containers import V2

HUGE = 6 << 20


def fields(finding):
    return finding["output_fields"]


def huge(path):
    path.write_text('{"ociVersion": "1.0.2", "hostname": "' + "x" * HUGE + '"}')


def deep(path):
    path.write_text("[" * 200000)


def cyclic(path):
    os.symlink(path.name, path)


def outside(path):
    os.symlink("/etc/shadow", path)


def fifo(path):
    os.mkfifo(path)


def invalid(path):
    path.write_bytes(b'{"process": {"args": ["\xff\xfe\x00')


def wrong_types(path):
    path.write_text(json.dumps({"ociVersion": [], "process": 3, "mounts": {"a": 1}, "annotations": [1], "root": "x", "linux": None}))


def many_labels(path):
    path.write_text(json.dumps({"ociVersion": "1.0.2", "annotations": {f"bulkhead.io/label.k{i}": "v" * 100 for i in range(20000)}}))


def folder(path):
    path.mkdir()


@pytest.mark.kernel
@pytest.mark.parametrize("make", [huge, deep, cyclic, outside, fifo, invalid, wrong_types, many_labels, folder], ids=lambda f: f.__name__)
def test_a_hostile_bundle_costs_one_fact(ws, agent, make):
    bundle = ws.folder("bundle")
    make(bundle / "config.json")
    cgroup = V2 / f"{ws.name}-hostile"
    try:
        # What a runtime does: a process whose working directory is the bundle makes the cgroup, enters it, and runs the
        # program in a mount namespace of its own (until then it is the runtime on its way in).
        program = "until [ -e over ]; do cat /etc/shadow; sleep 0.05; done"
        script = f'mkdir "{cgroup}" && echo $$ >"{cgroup}/cgroup.procs" && exec unshare --mount sh -c "{program}"'
        inside = subprocess.Popen(["sh", "-c", script], cwd=bundle, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            agent.wait_finding("shadow", 20)
            (bundle / "over").touch()
            assert inside.wait(lab.patience(20)) == 0
        finally:
            if inside.poll() is None:
                inside.kill()
                inside.wait()
    finally:
        if cgroup.exists():
            lab.wait_for(lambda: rmdir(cgroup), 10, "the cgroup to be empty")
    container = ws.container("after", args=["cat", "/etc/shadow"], annotations={"bulkhead.io/image": "example/after:1"})
    assert container.run()[0] == 0
    finding = agent.wait_finding(lambda f: f["rule"] == "shadow" and fields(f)["container.name"] == container.name, 20)
    assert fields(finding)["container.image"] == "example/after:1"
    assert "Sanitizer" not in agent.talk()


def rmdir(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


HOSTILE_NAMES = ["\x1b[31mred\x1b]0;title\x07", "new\nline", '"quoted" \\ back', "\u202eright-to-left", "tab\tand\rreturn", "%s%n%p"]


@pytest.mark.kernel
def test_hostile_names_are_escaped_on_every_sink(ws, rules):
    agent = lab.Agent(ws, rules).start()
    container = ws.container("names", annotations={"bulkhead.io/image": HOSTILE_NAMES[0], "bulkhead.io/workload": HOSTILE_NAMES[1]}).start()
    since = len(agent.findings())
    for name in HOSTILE_NAMES:
        assert container.exec("echo", name)[0] == 0
    lab.wait_for(lambda: sum("echo" in str(fields(f).get("proc.cmdline")) for f in agent.findings()[since:]) >= len(HOSTILE_NAMES), 15,
                 "a finding for each name")
    raw = agent.out.read_bytes()
    assert b"\x1b" not in raw and b"\x07" not in raw
    for line in raw.splitlines():
        json.loads(line)
    for arguments in (["ps"], ["incidents"], ["why", container.name], ["ps", "--format", "json"], ["incidents", "--format", "json"]):
        done = agent(*arguments)
        assert "\x1b" not in done.stdout and "\x07" not in done.stdout, arguments
        assert "\u202e" not in done.stdout, arguments
