"""Each attack of the demo, seen by the tests' own rules, and played again from its capture: the streams of findings,
incidents, decisions and rows of a live run and of its replay are equal byte for byte, times included."""
import filecmp
import pathlib
import subprocess

import lab
import pytest

from lab.containers import helper

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"
STREAMS = ("findings.jsonl", "incidents.jsonl", "decisions.jsonl", "rows.jsonl")
SHOP = {"bulkhead.io/workload": "shop", "bulkhead.io/image": "example/shop:1"}


def fields(finding):
    return finding["output_fields"]


def shell(container, heard):
    code, shown = container.shell("id")
    assert "uid=0" in shown, (code, shown)
    finding = heard(lambda f: f["rule"] == "exec" and fields(f)["proc.cmdline"].startswith("sh") and fields(f)["proc.tty"] not in (0, "0", None))
    assert fields(finding)["container.image"] == "example/shop:1"


def symlink(container, heard):
    code, text = container.exec("sh", "-c", "ln -s /etc/shadow /tmp/notes && cat /tmp/notes")
    assert code == 0 and text.startswith("root:")
    finding = heard("shadow")
    assert fields(finding)["fd.name"] == "/etc/shadow"
    assert fields(finding)["fd.nameraw"] == "/tmp/notes"


def dropped(container, heard):
    code, text = container.exec("sh", "-c", "cp /bin/busybox /tmp/touch && exec /tmp/touch /tmp/mined")
    assert not (container.rootfs / "tmp/mined").exists(), "the dropped program ran"
    assert code in (126, 137), (code, text)
    heard(lambda f: fields(f).get("verdict.effect") in ("refused", "killed-before"))


def memfd(container, heard):
    code, text = container.exec("memfd", "/bin/busybox", "id")
    assert "uid=0" in text, (code, text)
    heard("memfd exec")


def reverse_shell(container, heard):
    listener = container.spawn("revshell", "-l", "4444", "id")
    code, text = container.exec("revshell", "4444")
    assert (listener.wait(lab.patience(30)), code) == (0, 0), text
    heard("socket on stdio")
    assert fields(heard("connect"))["fd.sport"] in (4444, "4444")
    heard("accept")


def namespaces(container, heard):
    code, text = container.exec("nsgame")
    assert code == 0 and "mounted" in text, text
    assert "mnt" in fields(heard(lambda f: f["rule"] == "namespace" and "nsgame" in fields(f)["proc.cmdline"]))["ns.changed"]
    heard(lambda f: f["rule"] == "mount" and fields(f)["fs.path.target"] == "/home")


def flood(container, heard):
    flooder = container.spawn("flood", "2")
    code, text = container.exec("cat", "/etc/passwd")
    assert code == 0 and flooder.wait(lab.patience(60)) == 0
    heard(lambda f: f["rule"] == "exec" and "cat /etc/passwd" in fields(f)["proc.cmdline"])


SCENES = [shell, symlink, dropped, memfd, reverse_shell, namespaces, flood]
IN_VM = [(symlink, 1), (dropped, 2)]  # what LSM does otherwise, and both numbers of shards: a boot has six minutes for all
CASES = [pytest.param(scene, shards, id=f"{scene.__name__}-{shards}", marks=[pytest.mark.vm] if (scene, shards) in IN_VM else [])
         for scene in SCENES for shards in (1, 2)]


@pytest.mark.kernel
@pytest.mark.parametrize("scene, shards", CASES)
def test_scene_is_seen_and_replays_equal(ws, rules, scene, shards):
    for name in ("memfd", "revshell", "nsgame", "flood"):
        ws.add_to_image(helper(DEMO / "src" / f"{name}.c"), f"/usr/bin/{name}")
    live, capture = ws.folder("live"), ws.path / "capture"
    agent = lab.Agent(ws, rules, [DEMO / "policy.yaml"], ["--streams", live, "--shards", shards], verb=("record", str(capture))).start()
    container = ws.container(scene.__name__, annotations=SHOP if scene in (shell, dropped) else {}).start()

    def heard(wanted):
        test = (lambda f: f["rule"] == wanted) if isinstance(wanted, str) else wanted
        return agent.wait_finding(lambda f: fields(f).get("container.name") == container.name and test(f), 15)

    scene(container, heard)
    container.remove()
    assert agent.stop() == 0, agent.talk()
    again = ws.folder("again")
    done = agent("replay", capture, "--streams", again, seconds=120)
    assert done.returncode == 0, done.stderr
    assert (live / "findings.jsonl").stat().st_size > 0
    for name in STREAMS:
        assert filecmp.cmp(live / name, again / name, shallow=False), difference(live / name, again / name)
    assert agent("ledger", "verify", "--state", agent.state).returncode == 0


def difference(one, other):
    return subprocess.run(["diff", "-u", str(one), str(other)], capture_output=True, text=True).stdout[:3000]


@pytest.mark.kernel
def test_an_attack_over_two_containers_is_one_incident_and_two_attacks_are_two(ws, agent):
    shared = ws.folder("shared")

    def mounted(spec):
        spec["mounts"].append({"destination": "/shared", "type": "bind", "source": str(shared), "options": ["rbind", "rw"]})

    first, second, other = (ws.container(n, edit=mounted if n != "other" else None).start() for n in ("first", "second", "other"))
    since = len(agent.findings())
    assert first.exec("sh", "-c", "cat /etc/shadow >/dev/null; cp /bin/busybox /shared/busybox; /shared/busybox id")[0] == 0
    assert second.exec("sh", "-c", "/shared/busybox cat /etc/shadow >/dev/null; true")[0] == 0
    assert other.exec("cat", "/etc/shadow")[0] == 0
    for container in (first, second, other):
        agent.wait_finding(lambda f: f["rule"] == "shadow" and fields(f)["container.name"] == container.name, 15, since)

    def told():
        listed = agent.json("incidents")
        return listed if isinstance(listed, list) else listed["incidents"]

    def joined():
        return any(first.name in str(i) and second.name in str(i) and other.name not in str(i) for i in told())

    lab.wait_for(joined, 10, lambda: f"one incident of both containers: {told()}")
    assert any(other.name in str(i) and first.name not in str(i) for i in told()), told()
