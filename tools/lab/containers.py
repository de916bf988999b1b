"""Containers from busybox alone: an OCI bundle whose root is an overlay of a read-only image and a writable layer.

runc starts them, or crun where the cgroup tree is v2 alone (runc's lower limit is the same, crun refuses hybrids).
"""
import json
import os
import pathlib
import pty
import re
import secrets
import select
import shutil
import subprocess
import tempfile
import time

from .wait import patience, wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
BUNDLE = TOP / "tools" / "bundle"
HELPERS = TOP / "build" / "lab"
V2 = next((p for p in map(pathlib.Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if (p / "cgroup.procs").exists()), None)


PROMPT = re.compile(rb"# ?(?:\x1b\[6n)?$")  # busybox asks the terminal where its cursor is


def in_vm():
    return bool(os.environ.get("VMRUN"))


def helper(source):
    """Compiles a small static C program once; containers have no libraries. Returns its path."""
    source = pathlib.Path(source)
    HELPERS.mkdir(parents=True, exist_ok=True)
    program = HELPERS / source.stem
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        made = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-O2", "-Wall", "-static", "-s", "-o", str(made), str(source)], check=True)
        made.rename(program)
    return program


def quiet(*argv, check=True, **more):
    """Runs a command; its output is only in the exception."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done


class Workspace:
    """A tmpfs for one run. Closing it takes down all that was made in it, last first."""

    def __init__(self, label="lab"):
        self.name = f"bh-{label}-{os.getpid()}-{secrets.token_hex(3)}"
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}."))
        self.undo = []
        quiet("mount", "-t", "tmpfs", "-o", "mode=755", self.name, self.path)
        self.defer(self._unmount)
        self.runtime = os.environ.get("BULKHEAD_LAB_RUNTIME") or ("crun" if in_vm() else "runc")
        self.image = None
        self.count = 0

    def defer(self, function, *arguments):
        self.undo.append((function, arguments))

    def _unmount(self):
        for flags in ([], [], ["-l"]):
            if quiet("umount", *flags, self.path, check=False).returncode == 0:
                break
            time.sleep(0.2)
        self.path.rmdir()

    def close(self):
        problems = []
        while self.undo:
            function, arguments = self.undo.pop()
            try:
                function(*arguments)
            except Exception as e:  # the rest must be undone all the same
                problems.append(f"{getattr(function, '__qualname__', function)}: {e}")
        if problems:
            raise RuntimeError("could not take down: " + "; ".join(problems))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def folder(self, name):
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def base_image(self):
        """The read-only lower layer, made once: busybox with its applets, a few files in etc/."""
        if self.image is None:
            made = self.path / "image"
            quiet(BUNDLE, made)
            self.image = made / "rootfs"
            self.spec = json.loads((made / "config.json").read_text())
        return self.image

    def add_to_image(self, program, at):
        """Puts a file into the image. Only before the first container starts."""
        target = self.base_image() / at.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, target)
        target.chmod(0o755)

    def container(self, label="c", **options):
        self.count += 1
        return Container(self, f"{self.name}-{self.count}-{label}", **options)


class Container:
    """One container. `args`: its program; `annotations`; `lower`: the image, if not busybox (such as "/", this machine's own
    root); `edit(spec)` changes the bundle's config.json before it is written."""

    def __init__(self, ws, name, args=("sleep", "100000"), annotations=None, lower=None, edit=None):
        self.ws, self.name = ws, name
        self.bundle = ws.folder(f"bundles/{name}")
        self.log = self.bundle / "log"
        image, self.rootfs = ws.base_image(), ws.folder(f"bundles/{name}/rootfs")
        lower = lower or image
        self.layers = ws.folder(f"layers/{name}")
        (self.layers / "upper").mkdir()
        (self.layers / "work").mkdir()
        quiet("mount", "-t", "overlay", name, "-o",
              f"lowerdir={lower},upperdir={self.layers}/upper,workdir={self.layers}/work", self.rootfs)
        ws.defer(self._unmount)
        spec = json.loads(json.dumps(ws.spec))
        spec["process"].update(args=list(args), terminal=False)
        spec["root"] = {"path": "rootfs", "readonly": False}
        spec["hostname"] = "demo"
        spec.setdefault("annotations", {}).update(annotations or {})
        if edit:
            edit(spec)
        (self.bundle / "config.json").write_text(json.dumps(spec, indent=1))
        self.pid = None

    usual_root = False  # True: the runtime keeps its state where it does by itself (/run/runc), for all to find

    def _runtime(self, *arguments):
        root = [] if self.usual_root else ["--root", str(self.ws.folder("runtime"))]
        return [self.ws.runtime, *root, *map(str, arguments)]

    def _unmount(self):
        quiet("umount", self.rootfs, check=False)

    def start(self, wait=True):
        pid_file = self.bundle / "pid"
        self.ws.defer(self.remove)
        with self.log.open("ab") as log:
            done = subprocess.run(self._runtime("run", "--detach", "--pid-file", pid_file, "--bundle", self.bundle, self.name),
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.bundle)
        if done.returncode:
            raise RuntimeError(f"{self.ws.runtime} run {self.name}: {self.log.read_text()[-400:]}")
        if wait:
            self.pid = int(wait_for(lambda: pid_file.exists() and pid_file.read_text(), 10, "the container's pid file"))
        return self

    def run(self, seconds=30):
        """Runs it in the foreground to its end; returns (exit status, output)."""
        self.ws.defer(self.remove)
        done = subprocess.run(self._runtime("run", "--bundle", self.bundle, self.name), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=patience(seconds), cwd=self.bundle)
        return done.returncode, done.stdout + done.stderr

    def exec(self, *args, seconds=30, env=()):
        """Runs a program in it; returns (exit status, output). A signal's number n comes as 128 + n."""
        done = subprocess.run(self._runtime("exec", *(x for e in env for x in ("--env", e)), self.name, *args),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=patience(seconds))
        return done.returncode, done.stdout + done.stderr

    def spawn(self, *args):
        """Starts a program in it and returns the runtime's process."""
        return subprocess.Popen(self._runtime("exec", self.name, *args), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def shell(self, *lines, seconds=30):
        """Types lines into an interactive shell with a terminal; returns (exit status, what the terminal showed)."""
        leader, follower = pty.openpty()
        process = subprocess.Popen(self._runtime("exec", "-t", self.name, "sh", "-i"), stdin=follower, stdout=follower,
                                   stderr=follower, start_new_session=True)
        os.close(follower)
        shown, end = b"", time.monotonic() + patience(seconds)
        todo = [*lines, "exit"]
        try:
            while time.monotonic() < end:
                if todo and PROMPT.search(shown):
                    os.write(leader, todo.pop(0).encode() + b"\n")
                    shown += b"\n"
                if select.select([leader], [], [], 0.05)[0]:
                    try:
                        piece = os.read(leader, 4096)
                    except OSError:  # EIO: the last one left the terminal
                        break
                    if not piece:
                        break
                    shown += piece
                elif process.poll() is not None:
                    break
            return process.wait(max(1, end - time.monotonic())), shown.decode(errors="replace")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(leader)

    def write(self, path, program, mode=0o755):
        """Copies a file of the host in from inside the container's root, as a download would: into the writable layer."""
        target = self.rootfs / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, target)
        target.chmod(mode)

    def cgroup(self):
        """Its folder in the v2 tree."""
        for line in pathlib.Path(f"/proc/{self.pid}/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return V2 / line[3:].lstrip("/")
        raise RuntimeError(f"{self.name} has no v2 cgroup")

    def remove(self):
        quiet(*self._runtime("delete", "--force", self.name), check=False)
        self.pid = None
