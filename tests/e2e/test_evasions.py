"""Ways to do it unseen, tried against the rules that come with the product: each is seen as what it is."""
import os
import pathlib

import lab
import pytest

from lab.containers import V2, helper

HERE = pathlib.Path(__file__).resolve().parent
SHIPPED = HERE.parents[1] / "rules"
SECRET, DROPPED, MEMORY = "Secret file opened", "Program run that is not in the image", "Program run from memory"
LEFT = "Process moved out of its container"

READS = {
    "plainly": ["cat", "/etc/shadow"],
    "symbolic link": ["sh", "-c", "ln -sf /etc/shadow /tmp/l; cat /tmp/l"],
    "link to the folder": ["sh", "-c", "ln -sfn /etc /tmp/d; cat /tmp/d/../etc/./shadow"],
    "/proc/self/root": ["cat", "/proc/self/root/etc/shadow"],
    "/proc/1/root twice": ["cat", "/proc/1/root/proc/self/root/etc/shadow"],
    "/proc/self/cwd": ["sh", "-c", "cd /etc; cat /proc/self/cwd/shadow"],
    "openat2 in a root of its own": ["evade", "openat2"],
    "relative to a descriptor": ["evade", "directory"],
    "a descriptor opened again": ["evade", "path-descriptor"],
    "chroot": ["evade", "chroot", "/etc", "/shadow"],
    "a child whose parent is gone": ["evade", "child-of-a-child"],
    "another thread": ["evade", "thread"],
    "a path changed meanwhile": ["evade", "race"],
    "a name set by prctl": ["evade", "name", "su"],
    "a link with an excepted name": ["sh", "-c", "ln -sf /usr/bin/evade /tmp/su; /tmp/su read /etc/shadow"],
    "an excepted argv[0]": ["sh", "-c", "(exec -a su evade read /etc/shadow)"],
    "behind 6,000 bytes": ["evade", "long-argument"],
    "behind 2,000 arguments": ["evade", "many-arguments"],
    "a script": ["sh", "-c", "printf '#!/bin/sh\\ncat /etc/shadow\\n' >/tmp/s; chmod +x /tmp/s; /tmp/s"],
}
RUNS = {
    "a copy": (DROPPED, ["sh", "-c", "cp /bin/busybox /tmp/true; /tmp/true"]),
    "a copy, renamed": (DROPPED, ["sh", "-c", "cp /bin/busybox /tmp/a; mv /tmp/a /tmp/true; /tmp/true"]),
    "a hard link to a copy": (DROPPED, ["sh", "-c", "cp /bin/busybox /tmp/b; ln /tmp/b /var/true; /var/true"]),
    "a parent with an excepted name": (DROPPED, ["sh", "-c", "cp /bin/busybox /tmp/true; ln -sf /bin/busybox /tmp/apk; (exec -a sh /tmp/apk -c '/tmp/true; true')"]),
    "a file without a name": (DROPPED, ["evade", "nameless-file", "/bin/busybox"]),
    "a program of the image, written over": (DROPPED, ["evade", "overwriting", "/bin/busybox", "/usr/bin/true"]),
    "chroot": (DROPPED, ["sh", "-c", "mkdir -p /tmp/in/bin; cp /bin/busybox /tmp/in/bin/true; evade chroot-exec /tmp/in /bin/true"]),
    "memfd": (MEMORY, ["evade", "memfd", "x", "/bin/busybox"]),
    "memfd with an excepted name": (MEMORY, ["evade", "memfd", "apk", "/bin/busybox"]),
    "memfd by /proc/self/fd": (MEMORY, ["evade", "memfd-in-proc", "/bin/busybox"]),
}


def fields(finding):
    return finding["output_fields"]


def as_docker(spec):
    """Of Docker's default capabilities the one that these need."""
    for held in spec["process"]["capabilities"].values():
        held.append("CAP_SYS_CHROOT")


@pytest.fixture(scope="module")
def scene():
    with lab.Workspace("evasions") as ws:
        ws.add_to_image(helper(HERE / "evasions" / "evade.c"), "/usr/bin/evade")
        ws.add_to_image("/bin/busybox", "/usr/bin/true")
        agent = lab.Agent(ws, [SHIPPED]).start()
        yield ws, agent, ws.container("victim", edit=as_docker).start()
    assert not lab.leftovers(ws)


def act(scene, argv):
    _, agent, container = scene
    since = len(agent.findings())
    container.exec(*argv)

    def seen(rule, more=lambda f: True):
        return agent.wait_finding(lambda f: f["rule"] == rule and fields(f)["container.id"] in container.name and more(f), 15, since)

    return seen


@pytest.mark.kernel
@pytest.mark.vm
@pytest.mark.parametrize("how", READS)
def test_a_secret_file_is_read(scene, how):
    seen = act(scene, READS[how])
    assert fields(seen(SECRET))["fd.name"] == "/etc/shadow"


@pytest.mark.kernel
@pytest.mark.parametrize("how", RUNS)
def test_a_program_that_is_not_of_the_image_is_run(scene, how):
    rule, argv = RUNS[how]
    seen = act(scene, argv)
    path = fields(seen(rule, lambda f: "evade" not in fields(f)["proc.exepath"]))["proc.exepath"]
    if how == "chroot":
        assert path == "/tmp/in/bin/true", "the path is the container's, not the chroot's"


@pytest.mark.kernel
def test_a_process_leaves_its_container(ws):
    ws.add_to_image(helper(HERE / "evasions" / "evade.c"), "/usr/bin/evade")
    other = V2 / f"{ws.name}-other"

    def cgroups(spec):
        spec["mounts"] = [m for m in spec["mounts"] if m["destination"] != "/sys/fs/cgroup"]
        spec["mounts"].append({"destination": "/cgroups", "type": "bind", "source": str(V2), "options": ["rbind", "rw"]})

    agent = lab.Agent(ws, [SHIPPED]).start()
    container = ws.container("leaves", edit=cgroups).start()
    os.mkdir(other)
    try:
        code, text = container.exec("evade", "leaving", f"/cgroups/{other.name}")
        assert code == 0, text
        finding = agent.wait_finding(LEFT, 15)
        assert fields(finding)["container.name"] == container.name
        assert fields(finding)["evt.arg.path"] == f"/{other.name}"
    finally:
        lab.wait_for(lambda: not (other / "cgroup.procs").read_text(), 10, "the cgroup to be empty")
        os.rmdir(other)
