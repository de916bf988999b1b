"""Rows that refuse an exec: refused, only in the containers that are meant, explained, undone, and safe with a dead core."""
import json
import os
import pathlib
import shutil
import signal

import lab
import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
DEMO = TOP / "demo"
SHOP = {"bulkhead.io/workload": "shop"}
DROP = "cp /bin/busybox /tmp/touch && exec /tmp/touch /tmp/ran"  # busybox is what it is called
KILLED, NOT_PERMITTED = 137, 126


def fields(finding):
    return finding["output_fields"]


def attack(container):
    """Drops a program and runs it; says whether it ran."""
    marker = container.rootfs / "tmp/ran"
    marker.unlink(missing_ok=True)
    code, text = container.exec("sh", "-c", DROP)
    assert marker.exists() == (code == 0), (code, text)
    return marker.exists()


def policy(ws, mode="enforce", deny="- notInImage: true", selector="workload: shop"):
    path = ws.folder("policies") / "policy.yaml"
    text = (DEMO / "policy.yaml").read_text()
    text = text.replace("mode: enforce", f"mode: {mode}").replace("- notInImage: true", deny).replace("workload: shop", selector)
    path.write_text(text)
    return path


def verdict(f):
    return fields(f).get("verdict.effect")


@pytest.mark.kernel
@pytest.mark.vm
def test_refused_here_and_only_here(ws, rules):
    agent = lab.Agent(ws, rules, [policy(ws)]).start()
    shop, other = ws.container("shop", annotations=SHOP).start(), ws.container("other").start()
    assert not attack(shop)
    finding = agent.wait_finding(lambda f: verdict(f) in ("refused", "killed-before") and fields(f)["container.name"] == shop.name)
    assert verdict(finding) == ("refused" if lab.in_vm() else verdict(finding)), "where LSM loads, it refuses before"
    assert attack(other), "a container that no policy selects was refused something"
    assert shop.exec("true")[0] == 0, "a program of the image was refused"
    why = agent("why", shop.name)
    assert why.returncode == 0 and "only-the-image-runs" in why.stdout and "policy.yaml:" in why.stdout, why.stdout + why.stderr
    status = agent.json("status")
    assert status["tier"] == ("lsm" if lab.in_vm() else status["tier"])


@pytest.mark.kernel
@pytest.mark.vm
def test_every_containers_runtime_is_spared_and_what_is_dropped_is_not(ws, rules):
    """The shipped policies for any container, enforced. On its way in runc executes a copy of itself from a memfd: no file
    of the image, and yet not the container's program. It enters the container's cgroup while it makes that copy."""
    runtime = ws.path / "runc"
    shutil.copy(shutil.which("runc"), runtime)
    os.truncate(runtime, 96 << 20)  # a copy that takes long: the rows are in force when it is executed
    ws.runtime = str(runtime)
    path = ws.folder("policies") / "any.yaml"
    path.write_text((TOP / "policies/containers.yaml").read_text().replace("mode: audit", "mode: enforce"))
    agent = lab.Agent(ws, rules, [path], ["--streams", ws.folder("streams")]).start()

    def stream(name):
        lines = (ws.path / "streams" / f"{name}.jsonl").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    for _ in range(5):
        container = ws.container("any").start()  # it would fail were its runtime killed
        assert container.exec("true")[0] == 0
        agent.wait_finding(lambda f: f["rule"] == "exec" and fields(f)["proc.cmdline"] == "true")
        assert not [f for f in agent.findings() if verdict(f)]
        lab.wait_for(lambda: any(f["rule"] == "memfd exec" for f in stream("findings")), 10, "the runtime's exec in the stream")
        number = next(f for f in reversed(stream("findings")) if f["rule"] == "memfd exec")["container"]["number"]
        copied = [f["boot_ns"] for f in stream("findings") if f["rule"] == "memfd exec" and f["container"]["number"] == number]
        denied = [r["boot_ns"] for r in stream("rows") if r["change"] == "added" and r["kind"] == "exec"
                  and r["container"]["number"] == number and r["object"]["type"] == "memfd"]
        if denied and max(copied) > min(denied):
            break
    else:
        raise AssertionError("no exec of a runtime came after the rows: nothing was spared")
    assert not attack(container)
    finding = agent.wait_finding(lambda f: verdict(f) and fields(f)["container.name"] == container.name)
    assert verdict(finding) in ("refused", "killed-before") and fields(finding)["proc.exepath"] == "/tmp/touch"
    assert container.exec("true")[0] == 0


@pytest.mark.kernel
def test_audit_says_what_it_would_have_refused(ws, rules):
    agent = lab.Agent(ws, rules, [policy(ws, mode="audit")]).start()
    shop = ws.container("shop", annotations=SHOP).start()
    assert attack(shop)
    agent.wait_finding(lambda f: verdict(f) == "would-refuse" and fields(f)["container.name"] == shop.name)


@pytest.mark.kernel
def test_a_path_is_refused_whatever_it_is_called_by(ws, rules):
    agent = lab.Agent(ws, rules, [policy(ws, deny="- path: /usr/wrong/id")]).start()
    ws.add_to_image("/bin/busybox", "/usr/wrong/id")
    shop = ws.container("shop", annotations=SHOP).start()
    code, _ = shop.exec("sh", "-c", "ln -s /usr/wrong/id /tmp/id; exec /tmp/id")
    assert code in (KILLED, NOT_PERMITTED)
    agent.wait_finding(lambda f: verdict(f) in ("refused", "killed-before"))
    assert shop.exec("id")[0] == 0


@pytest.mark.kernel
def test_a_reload_takes_rows_away_and_brings_them_back(ws, rules):
    path = policy(ws)
    agent = lab.Agent(ws, rules, [path]).start()
    shop = ws.container("shop", annotations=SHOP).start()
    assert not attack(shop)
    policy(ws, selector="workload: another")
    agent.process.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: attack(shop), 10, "the row to be gone", step=0.2)
    policy(ws)
    agent.process.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: not attack(shop), 10, "the row to be back", step=0.2)


@pytest.mark.kernel
def test_a_wrong_reload_changes_nothing(ws, rules):
    path = policy(ws)
    agent = lab.Agent(ws, rules, [path]).start()
    shop = ws.container("shop", annotations=SHOP).start()
    path.write_text("apiVersion: bulkhead.io/v1\nkind: Policy\nmetadata: {name: x}\nspec: {mode: enfroce}\n")
    agent.process.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: "enfroce" in agent.talk() or "refused" in agent.talk(), 10, "the agent to say that it refuses")
    assert not attack(shop)
    assert agent.json("status")["generation"] == 1


@pytest.mark.kernel
@pytest.mark.vm
def test_a_killed_core_leaves_no_gap_and_no_mess(ws, rules):
    agent = lab.Agent(ws, rules, [policy(ws)], label="first").start()
    shop = ws.container("shop", annotations=SHOP).start()
    assert not attack(shop)
    children = agent.json("status")["processes_of_ours"]
    agent.kill()
    assert not attack(shop), "a dead agent's row refused nothing"
    lab.wait_for(lambda: not any(alive(pid) for name, pid in children.items() if name != "core"), 15,
                 "the agent's other processes to end")
    second = lab.Agent(ws, rules, [policy(ws)], label="second").start()
    assert not attack(shop)
    second.wait_finding(lambda f: verdict(f) in ("refused", "killed-before"))
    assert second("ledger", "verify", "--state", second.state).returncode == 0
    assert second.stop() == 0


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.kernel
@pytest.mark.vm
def test_doctor_proves_what_it_claims(ws, cli):
    done = cli("doctor", "--prove")
    assert done.returncode == 0, done.stdout + done.stderr
    answer = cli.json("doctor", "--prove")
    assert "proven" in str(answer) or "prove" in str(answer), answer
