"""The agent under test: started with folders of its own, waited for, asked over its command line, stopped."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from .wait import Timeout, patience, wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
BULKHEAD = pathlib.Path(os.environ.get("BULKHEAD_BINARY") or TOP / "build" / "bulkhead")
READY = "bulkhead: ready"


class Cli:
    """Verbs of the command line, with the folders of one agent."""

    def __init__(self, ws, state=None, runtime_dir=None):
        self.ws = ws
        self.state = state or ws.folder("state")
        self.runtime_dir = runtime_dir or ws.folder("run")

    def environ(self, more=None):
        return {**os.environ, "BULKHEAD_LAB": self.ws.name, "BULKHEAD_STATE": str(self.state),
                "BULKHEAD_RUNTIME_DIR": str(self.runtime_dir), "NO_COLOR": "1", **(more or {})}

    def pin_dir(self):
        return pathlib.Path("/sys/fs/bpf") / self.ws.name

    def __call__(self, *arguments, seconds=60, env=None, stdin=subprocess.DEVNULL, **more):
        """Runs a verb to its end; returns the finished process with text."""
        return subprocess.run([str(BULKHEAD), *map(str, arguments)], stdin=stdin, capture_output=True, text=True,
                              errors="surrogateescape", timeout=patience(seconds), env=self.environ(env), **more)

    def json(self, *arguments, **more):
        done = self(*arguments, "--format", "json", **more)
        if done.returncode not in (0, 1):
            raise AssertionError(f"bulkhead {' '.join(map(str, arguments))}: {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)


class Agent(Cli):
    """`bulkhead run`. Findings are read from its standard output as JSON lines."""

    def __init__(self, ws, rules=(), policies=(), arguments=(), state=None, runtime_dir=None, label="agent", verb=("run",), env=None):
        super().__init__(ws, state, runtime_dir)
        self.argv = [str(BULKHEAD), *verb, "--state", str(self.state), "--runtime-dir", str(self.runtime_dir), "--pins", str(self.pin_dir()),
                     "--format", "json"]
        for flag, paths in (("--rules", rules), ("--policies", policies)):
            for path in paths:
                self.argv += [flag, str(path)]
        self.argv += [str(a) for a in arguments]
        self.out, self.err = ws.folder("logs") / f"{label}.out", ws.folder("logs") / f"{label}.err"
        self.env = env
        self.process, self._read, self._rest, self._findings = None, 0, b"", []
        self._lock, self._watcher = threading.Lock(), None

    def start(self, ready=True):
        out, err = self.out.open("ab"), self.err.open("ab")
        self._begun = err.tell()  # an earlier agent of this label has said "ready" too
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.environ(self.env),
                                        cwd="/", start_new_session=True)
        out.close()
        err.close()
        self.ws.defer(self.end)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        def look():
            if READY in self.talk(self._begun):
                return True
            if self.process.poll() is not None:
                raise AssertionError(f"the agent ended with {self.process.returncode} before it was ready: {self.talk()[-1500:]}")
            return False

        wait_for(look, seconds, lambda: f"the ready line (the agent said: {self.talk()[-1500:]!r})")

    def talk(self, since=0):
        return self.err.read_bytes()[since:].decode(errors="replace") if self.err.exists() else ""

    def watch(self):
        """Looks at the output all the time from here on, so that `_seen` is when a line came and not when one asked."""
        def look():
            while self.process and self.process.poll() is None:
                self.findings()
                time.sleep(0.001)

        self._watcher = threading.Thread(target=look, daemon=True)
        self._watcher.start()

    def findings(self):
        """All findings so far, each with `_seen`: monotonic seconds at which its line was first seen."""
        with self._lock:
            return self._take()

    def _take(self):
        with self.out.open("rb") as f:
            f.seek(self._read)
            piece = f.read()
        if piece:
            self._read += len(piece)
            *lines, self._rest = (self._rest + piece).split(b"\n")
            now = time.monotonic()
            for line in lines:
                if line.strip():
                    finding = json.loads(line)
                    finding["_seen"] = now
                    self._findings.append(finding)
        return self._findings

    def wait_finding(self, wanted, seconds=10, since=0, what=None):
        """The first finding from number `since` on for which wanted(finding) holds; `wanted` may be a rule's name."""
        test = (lambda f: f.get("rule") == wanted) if isinstance(wanted, str) else wanted

        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"the agent ended with {self.process.returncode}: {self.talk()[-1500:]}")
            return next((f for f in self.findings()[since:] if test(f)), None)

        try:
            return wait_for(look, seconds, what or f"a finding of {wanted}", step=0.001)
        except Timeout as e:
            heard = [f"{f.get('rule')}: {f.get('output', '')[:120]}" for f in self.findings()[since:]][-8:]
            raise Timeout(f"{e}; instead: {heard}; the agent said: {self.talk()[-600:]!r}") from None

    def stop(self, sig=signal.SIGTERM, seconds=30):
        """Asks it to end; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(patience(seconds))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """For taking down: whatever state it is in, it and its processes are gone after this, and its pins too."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience(20))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        remove_pins(self.pin_dir())

    def children(self):
        """{name: pid} of its processes, by what they call themselves."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                    parent = int(stat.rsplit(")", 1)[1].split()[1])
                    if parent == self.process.pid:
                        found[(entry / "comm").read_text().strip()] = int(entry.name)
                except OSError:
                    continue
        return found


def remove_pins(folder):
    if folder.is_dir():
        for root, folders, files in os.walk(folder, topdown=False):
            for name in files:
                os.unlink(os.path.join(root, name))
            for name in folders:
                os.rmdir(os.path.join(root, name))
        folder.rmdir()
