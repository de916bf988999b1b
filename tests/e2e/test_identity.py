"""A container is known, with its name, image and labels, before its first instruction."""
import concurrent.futures
import os

import lab
import pytest

MISSES_ALLOWED = 0.001  # 999 of 1,000


def fields(finding):
    return finding["output_fields"]


def start_many(ws, n, at_once=4):
    containers = [ws.container("many", args=["cat", "/etc/shadow"], annotations={
        "bulkhead.io/image": f"example/app:{i}", "bulkhead.io/label.tier": f"t{i}"}) for i in range(n)]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for code, text in pool.map(lambda c: c.run(60), containers):
            assert code == 0 and text.startswith("root:"), text
    return containers


def check_known(ws, agent, n):
    containers = start_many(ws, n)
    names = {c.name for c in containers}
    lab.wait_for(lambda: sum(f["rule"] == "shadow" for f in agent.findings()) >= n, 30,
                 lambda: f"{n} findings (there are {sum(f['rule'] == 'shadow' for f in agent.findings())})")
    firsts = {}
    for f in agent.findings():
        if f["rule"] == "exec" and fields(f)["proc.cmdline"] == "cat /etc/shadow":
            firsts[fields(f)["container.name"]] = f
    unknown = [name for i, name in enumerate(c.name for c in containers)
               if name not in firsts or fields(firsts[name])["container.image"] != f"example/app:{i}"
               or fields(firsts[name])["container.label[tier]"] != f"t{i}"]
    assert len(unknown) <= n * MISSES_ALLOWED, f"{len(unknown)} of {n} were not known at their first exec: {unknown[:5]}"
    read = {fields(f)["container.name"] for f in agent.findings() if f["rule"] == "shadow"}
    assert names <= read
    assert not [f for f in agent.findings() if fields(f).get("container.lossy") in (True, "true")]


@pytest.mark.kernel
@pytest.mark.vm
def test_known_before_its_first_instruction(ws, agent):
    check_known(ws, agent, 6 if lab.in_vm() else 50)


@pytest.mark.kernel
@pytest.mark.count
@pytest.mark.full
def test_known_before_its_first_instruction_in_999_of_1000(ws, agent):
    check_known(ws, agent, 1000)


@pytest.mark.kernel
@pytest.mark.vm
def test_what_was_there_before_the_agent_is_known_too(ws, rules):
    container = ws.container("early", annotations={"bulkhead.io/image": "example/early:1"})
    container.usual_root = True  # its bundle is found by the state that the runtime keeps there
    container.start()
    agent = lab.Agent(ws, rules).start()
    assert container.exec("cat", "/etc/shadow")[0] == 0
    finding = agent.wait_finding(lambda f: f["rule"] == "shadow" and fields(f)["container.name"] == container.name, 15)
    assert fields(finding)["container.image"] == "example/early:1"


@pytest.mark.kernel
def test_cgroups_made_inside_a_container_stay_it(ws, agent):
    container = ws.container("nest").start()
    inner = container.cgroup() / "inner"
    inner.mkdir()
    try:
        child = container.spawn("sh", "-c", "sleep 2; cat /etc/shadow")
        lab.wait_for(lambda: move(container, inner, b"sleep"), 10, "the process to move")
        child.wait(lab.patience(20))
        agent.wait_finding(lambda f: f["rule"] == "shadow" and fields(f)["container.name"] == container.name, 15)
    finally:
        container.remove()
        if inner.exists():
            lab.wait_for(lambda: remove(inner), 10, "the inner cgroup to be empty")


def move(container, inner, comm):
    """Moves the container's shell (the parent of its `comm`) into the inner cgroup."""
    for pid in (container.cgroup() / "cgroup.procs").read_text().split():
        try:
            if open(f"/proc/{pid}/comm", "rb").read().strip() == comm and pid != str(container.pid):
                parent = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]
                for one in (parent, pid):
                    (inner / "cgroup.procs").write_text(one)
                return True
        except OSError:
            continue
    return False


def remove(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


@pytest.mark.kernel
@pytest.mark.vm
def test_ps_shows_containers_and_their_processes(ws, agent):
    container = ws.container("shown", annotations={"bulkhead.io/image": "example/shown:1"}).start()

    def shown():
        answer = agent.json("ps")
        listed = answer if isinstance(answer, list) else answer["containers"]
        return next((c for c in listed if c.get("name") == container.name), None)

    found = lab.wait_for(shown, 10, "the container in ps")
    assert found["image"] == "example/shown:1"
    assert any("sleep" in str(p.get("args")) for p in found["processes"])
    assert container.name in agent("ps").stdout
