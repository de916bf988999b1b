"""The agent's processes: what each gave up, and what happens when one of them, or a second agent, gets in the way."""
import os
import pathlib
import signal
import socket
import subprocess

import lab
import pytest

CANNOT = 3


def fields(finding):
    return finding["output_fields"]


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


@pytest.mark.kernel
@pytest.mark.vm
def test_the_worker_has_no_rights_left(ws, agent):
    worker = agent.json("status")["processes_of_ours"]["worker"]
    status = status_of(worker)
    for group in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        assert int(status[group], 16) == 0, group
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1"
    assert "0" not in status["Uid"].split(), "the worker runs as root"
    assert os.listdir(f"/proc/{worker}/root/") == [], "the worker's root is not empty"
    for name in os.listdir(f"/proc/{worker}/fd"):
        target = os.readlink(f"/proc/{worker}/fd/{name}")
        assert "bpf" not in target and str(ws.path / "state") not in target, f"the worker holds {target}"


@pytest.mark.kernel
def test_the_api_process_has_no_rights_left(ws, agent):
    api = agent.json("status")["processes_of_ours"]["api"]
    status = status_of(api)
    assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"


@pytest.mark.kernel
@pytest.mark.parametrize("which", ["worker", "api", "guardian"])
def test_a_process_that_dies_is_started_again(ws, agent, which):
    before = agent.json("status")["processes_of_ours"][which]
    os.kill(before, signal.SIGKILL)

    def again():
        try:
            now = agent.json("status")["processes_of_ours"][which]
        except (AssertionError, subprocess.SubprocessError):
            return False
        ws.container("after", args=["true"]).run()  # something new is what makes it notice
        return now not in (0, before)

    lab.wait_for(again, 20, f"another {which}", step=0.2)
    container = ws.container("later", args=["cat", "/etc/shadow"], annotations={"bulkhead.io/image": "example/later:1"})
    assert container.run()[0] == 0
    finding = agent.wait_finding(lambda f: f["rule"] == "shadow" and fields(f)["container.name"] == container.name, 15)
    assert fields(finding)["container.image"] == "example/later:1"


@pytest.mark.kernel
@pytest.mark.parametrize("which", ["api", "guardian"])
def test_a_process_that_dies_again_at_once_is_started_again_too(ws, agent, which):
    def other_than(before):
        try:
            now = agent.json("status")["processes_of_ours"][which]
        except (AssertionError, subprocess.SubprocessError):
            return None
        return now if now not in (0, before) else None

    pid = agent.json("status")["processes_of_ours"][which]
    for _ in range(3):
        os.kill(pid, signal.SIGKILL)
        pid = lab.wait_for(lambda: other_than(pid), 30, f"another {which}", step=0.1)
    assert agent.stop() == 0


@pytest.mark.kernel
@pytest.mark.vm
def test_a_second_agent_says_so_and_disturbs_nothing(ws, rules, agent):
    second = lab.Agent(ws, rules, label="second")
    second.start(ready=False)
    assert second.process.wait(lab.patience(30)) == CANNOT
    told = second.talk().strip().splitlines()
    assert len(told) == 1 and str(agent.process.pid) in told[0], told
    container = ws.container("after", args=["cat", "/etc/shadow"])
    container.run()
    agent.wait_finding(lambda f: f["rule"] == "shadow" and fields(f)["container.name"] == container.name, 15)


@pytest.mark.kernel
def test_a_stale_socket_and_lock_are_no_hindrance(ws, rules):
    run = ws.folder("run")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(run / "api.sock"))
    stale.close()
    (run / "lock").write_text("999999\n")
    agent = lab.Agent(ws, rules).start()
    assert agent.json("status")["pid"] == agent.process.pid
    mode = (run / "api.sock").stat()
    assert mode.st_mode & 0o777 == 0o600 and mode.st_uid == 0


@pytest.mark.kernel
def test_a_read_only_state_folder_is_said_in_one_sentence(ws, rules):
    state = ws.folder("read-only")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", ws.name, str(state)], check=True)
    ws.defer(subprocess.run, ["umount", str(state)])
    agent = lab.Agent(ws, rules, state=state).start(ready=False)
    assert agent.process.wait(lab.patience(30)) == CANNOT
    told = agent.talk().strip().splitlines()
    assert len(told) == 1 and str(state) in told[0], told


@pytest.mark.kernel
@pytest.mark.parametrize("which", ["state", "runtime_dir"])
@pytest.mark.parametrize("how", ["writable", "somebody_else"])
def test_a_folder_that_others_can_write_is_refused(ws, rules, which, how):
    folder = ws.folder("shared")
    folder.chmod(0o777 if how == "writable" else 0o700)
    os.chown(folder, 0 if how == "writable" else 65534, -1)
    agent = lab.Agent(ws, rules, **{which: folder}).start(ready=False)
    assert agent.process.wait(lab.patience(30)) == CANNOT
    told = agent.talk().strip().splitlines()
    assert len(told) == 1 and str(folder) in told[0] and "others" in told[0], told
    assert os.listdir(folder) == [], "nothing was written into it"


@pytest.mark.kernel
@pytest.mark.parametrize("what", ["fifo", "folder", "device"])
def test_a_capture_is_written_into_files_only(ws, rules, what):
    path = ws.path / "capture"
    if what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path = "/dev/full"
    agent = lab.Agent(ws, rules, verb=("record", str(path)), arguments=["--for", "1s"]).start(ready=False)
    assert agent.process.wait(lab.patience(30)) == CANNOT
    told = agent.talk().strip().splitlines()
    assert len(told) == 1 and str(path) in told[0], told


@pytest.mark.kernel
def test_a_replay_with_rules_that_cannot_be_read_names_them(ws, rules):
    capture = ws.path / "capture"
    agent = lab.Agent(ws, rules, verb=("record", str(capture)), arguments=["--for", "1s"]).start()
    assert agent.process.wait(lab.patience(30)) == 0
    done = agent("replay", capture, "--rules", "/no/such/rules.yaml")
    assert done.returncode == 1, done.stderr
    assert "/no/such/rules.yaml" in done.stderr and "Success" not in done.stderr, done.stderr


@pytest.mark.kernel
def test_pins_outside_a_bpf_file_system_are_a_problem_that_is_said(ws, rules):
    pins = ws.folder("pins")
    agent = lab.Agent(ws, rules, arguments=["--pins", pins]).start()
    assert str(pins) in agent.talk()
    assert any("rows end with the agent" in p for p in agent.json("status")["problems"])
    assert agent.stop() == 0


@pytest.mark.kernel
def test_a_full_state_folder_loses_nothing_that_a_checkpoint_covers(ws, rules):
    state = ws.folder("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=384k,mode=0700", ws.name, str(state)], check=True)
    ws.defer(subprocess.run, ["umount", str(state)])
    agent = lab.Agent(ws, rules, state=state).start()
    container = ws.container("busy").start()

    def full():
        container.exec("sh", "-c", "for i in $(seq 100); do cat /etc/shadow >/dev/null; done")
        return "ledger" in agent.talk() or agent.json("status")["problems"]

    lab.wait_for(full, 60, "the agent to say that its folder is full", step=0.05)
    assert agent.process.poll() is None, "it should go on watching"
    since = len(agent.findings())
    container.exec("cat", "/etc/shadow")
    agent.wait_finding("shadow", 15, since)
    agent.stop()
    done = agent("ledger", "verify", "--state", state)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.kernel
def test_curl_can_ask_the_socket(ws, agent):
    done = subprocess.run(["curl", "-sS", "--unix-socket", str(agent.runtime_dir / "api.sock"), "http://localhost/v1/status"],
                          capture_output=True, text=True, timeout=lab.patience(20))
    assert done.returncode == 0 and '"version"' in done.stdout, done.stderr


@pytest.mark.kernel
@pytest.mark.parametrize("request_bytes", [b"\r\n\r\n", b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n", b"\x00" * 5000,
                                           b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
                                           b"GET /v1/incidents/99999999999999999999999 HTTP/1.1\r\nHost: x\r\n\r\n",
                                           b"DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"],
                         ids=["empty", "endless path", "zeros", "huge body", "huge number", "wrong method"])
def test_hostile_requests_get_an_answer_or_are_dropped(ws, agent, request_bytes):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(lab.patience(60))  # a head that never ends is cut off by the server
    s.connect(str(agent.runtime_dir / "api.sock"))
    try:
        s.sendall(request_bytes)
        s.shutdown(socket.SHUT_WR)
        answer = s.recv(65536)
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
    s.close()
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert agent.json("status")["pid"] == agent.process.pid


@pytest.mark.kernel
def test_an_orderly_end_detaches_everything(ws, rules):
    from lab.leftovers import bpf_programs
    before = set(bpf_programs())
    agent = lab.Agent(ws, rules).start()
    mine = set(bpf_programs()) - before
    assert mine, "no program was loaded?"
    assert agent.stop() == 0
    lab.wait_for(lambda: not mine & set(bpf_programs()), 10, "the programs to be unloaded")


@pytest.mark.kernel
def test_it_ends_by_itself_when_asked_to(ws, rules):
    agent = lab.Agent(ws, rules, arguments=["--for", "1s"]).start()
    assert agent.process.wait(lab.patience(20)) == 0
