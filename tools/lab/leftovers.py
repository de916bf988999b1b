"""What a run left behind on the machine, though it should not have."""
import json
import os
import pathlib
import subprocess

from .agent import BULKHEAD


def _cgroups(name):
    found = []
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        for folder in list(folders):
            if name in folder:
                found.append(os.path.join(root, folder))
                folders.remove(folder)
    return found


def _processes(name):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environ = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z" and (f"BULKHEAD_LAB={name}".encode() in environ or name.encode() in command):
            found.append(f"process {entry.name} ({command.replace(bytes(1), b' ').decode(errors='replace')[:120]})")
    return found


def leftovers(ws):
    """One line for each container, cgroup, mount, process, network interface, pin or file of the workspace that is still there."""
    name = ws.name
    found = [f"cgroup {p}" for p in _cgroups(name)]
    found += [f"mount {line.split()[4]}" for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if name in line]
    found += _processes(name)
    found += [f"interface {p.name}" for p in pathlib.Path("/sys/class/net").iterdir() if name in p.name]
    found += [f"pin {p}" for p in pathlib.Path("/sys/fs/bpf").glob(f"*{name}*")]
    if ws.path.exists():
        found.append(f"folder {ws.path}")
    return found


def bpf_programs():
    """Names of the agent's BPF programs that are loaded now, by id: for tests that ask for a clean detach."""
    done = subprocess.run(["bpftool", "prog", "show", "--json"], capture_output=True, text=True)
    return {p["id"]: p.get("name", "") for p in json.loads(done.stdout or "[]")} if done.returncode == 0 else {}


__all__ = ["BULKHEAD", "bpf_programs", "leftovers"]
