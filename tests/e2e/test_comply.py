"""Controls of compliance: of a bundle before it runs, of a running container, and where the two disagree."""
import json
import pathlib

import lab
import pytest

CHECKS = pathlib.Path(__file__).resolve().parents[2] / "checks"
CAPABILITIES = ["CAP_" + n for n in (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ").split()]
SECCOMP = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"],
           "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}]}


def grantable():
    """What this machine can give away at all: a sandbox may have lost some."""
    bounding = next(int(line.split()[1], 16) for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    return [name for number, name in enumerate(CAPABILITIES) if bounding >> number & 1]


def privileged(spec):
    """As engines make it; where this machine cannot give every capability, it is the engine's own word that says so."""
    for name in ("bounding", "effective", "permitted"):
        spec["process"]["capabilities"][name] = grantable()
    spec.setdefault("annotations", {})["io.podman.annotations.privileged"] = "TRUE"
    spec["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
    spec["linux"].pop("seccomp", None)


def tight(spec):
    """Passes every control."""
    spec["process"]["user"] = {"uid": 1000, "gid": 1000}
    spec["process"]["noNewPrivileges"] = True
    for name in spec["process"]["capabilities"]:
        spec["process"]["capabilities"][name] = []
    spec["root"]["readonly"] = True
    spec["linux"]["seccomp"] = SECCOMP


@pytest.fixture
def comply_agent(ws, rules):
    return lab.Agent(ws, rules=rules, arguments=["--checks", CHECKS]).start()


def results(cli, container):
    reply = cli.json("comply", "status", container.name, "--all")
    assert [c["id"] for c in reply["containers"]] == [container.name]
    return {r["control"]: r for r in reply["containers"][0]["results"]}


def wait_result(cli, container, control, result):
    def look():
        return results(cli, container)[control]["result"] == result
    lab.wait_for(look, 15, lambda: f"{control} to be {result}; it is {results(cli, container)[control]}")
    return results(cli, container)[control]


def comply_finding(agent, container, title):
    return agent.wait_finding(lambda f: f["rule"] == title and f["output_fields"]["container.id"] == container.name, 15)


# ── before it runs ───────────────────────────────────────────────────────────────────────────

def test_a_bundle_is_judged_before_it_runs(ws, cli):
    loose, good = ws.container("loose", edit=privileged), ws.container("good", edit=tight)
    done = cli("comply", "check", loose.bundle, "--checks", CHECKS)
    assert done.returncode == 1
    assert [line.split()[2:4] for line in done.stdout.splitlines() if " privileged " in line] == [["privileged", "fail"]]
    done = cli("comply", "check", good.bundle, "--checks", CHECKS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 fail, 0 unknown" in done.stdout
    both = cli.json("comply", "check", good.bundle.parent, "--checks", CHECKS)
    assert [c["name"] for c in both["containers"]] == sorted([loose.name, good.name])
    assert both["summary"]["fail"] > 0


def test_no_value_of_a_secret_is_told(ws, cli):
    secret = "hunter2-is-not-told"
    c = ws.container("env", edit=lambda s: s["process"]["env"].append(f"DB_PASSWORD={secret}"))
    done = cli("comply", "check", c.bundle, "--checks", CHECKS, "--format", "json")
    assert done.returncode == 1 and secret not in done.stdout + done.stderr
    control = next(r for r in json.loads(done.stdout)["containers"][0]["results"] if r["control"] == "environment-secrets")
    assert control["result"] == "fail" and control["facts"][0]["value"] == ["DB_PASSWORD"]


def test_what_cannot_be_judged_is_said(ws, cli):
    folder = ws.folder("odd")
    done = cli("comply", "check", folder, "--checks", CHECKS)
    assert done.returncode == 1 and "no config.json" in done.stderr
    (folder / "config.json").write_text("{")
    done = cli("comply", "check", folder, "--checks", CHECKS)
    assert done.returncode == 1 and "not valid JSON" in done.stderr
    (folder / "config.json").write_text('{"ociVersion":"1.0.2"}')
    done = cli("comply", "check", folder, "--checks", CHECKS)
    assert done.returncode == 1 and "unknown" in done.stdout and " 0 unknown" not in done.stdout


def test_a_wrong_control_is_an_error_with_its_place(ws, cli):
    bad = ws.folder("checks") / "bad.yaml"
    bad.write_text("apiVersion: bulkhead.io/v1\nkind: Control\nmetadata: {name: x}\nspec:\n  title: t\n  remediation: r\n"
                   "  bundle: bundle.priviledged = false\n")
    done = cli("comply", "check", ws.container("c").bundle, "--checks", bad)
    assert done.returncode == 1
    assert f"{bad}:7:11: error: there is no fact 'bundle.priviledged' [BH230]" in done.stderr
    assert "did you mean 'bundle.privileged'?" in done.stderr


# ── while it runs ────────────────────────────────────────────────────────────────────────────

@pytest.mark.kernel
@pytest.mark.vm
def test_a_privileged_container_fails_its_control_live(ws, comply_agent):
    c = ws.container("loose", edit=privileged).start()
    f = comply_finding(comply_agent, c, "Containers are not privileged")
    assert "bundle.privileged=true" in f["output"] and "comply" in f["tags"] and "cis-docker-5.5" in f["tags"]
    told = wait_result(comply_agent, c, "privileged", "fail")
    assert told["bundle"] == "fail"
    live = "fail" if len(grantable()) == len(CAPABILITIES) else "pass"
    lab.wait_for(lambda: results(comply_agent, c)["privileged"]["live"] == live, 10, f"the running container's half to {live}")
    assert wait_result(comply_agent, c, "added-capabilities", "fail")["live"] == "fail"
    assert comply_agent.json("incidents")["incidents"] == [] or all(
        "privileged" not in i["title"] for i in comply_agent.json("incidents")["incidents"])
    shown = comply_agent("comply", "status", c.name)
    assert shown.returncode == 0 and "privileged" in shown.stdout and "added-capabilities" in shown.stdout


@pytest.mark.kernel
@pytest.mark.vm
def test_a_tight_container_passes_what_can_be_known(ws, comply_agent):
    c = ws.container("good", edit=tight).start()
    for control in ("privileged", "host-namespaces", "runtime-socket", "seccomp", "added-capabilities", "root-user",
                    "writable-root", "executable-not-in-image", "mount-added", "environment-secrets"):
        wait_result(comply_agent, c, control, "pass")
