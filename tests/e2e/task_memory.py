"""Rewrites what the kernel side remembers of a task, so that its real credentials or namespaces are other than they were
without any call: what an exploit of the kernel leaves behind, which no test may make."""
import contextlib
import ctypes
import os
import pathlib
import struct

BPF = 321 if os.uname().machine == "x86_64" else 280  # the system call's number
LOOKUP, UPDATE, FD_BY_ID = 1, 2, 14
TASK_STORAGE = 29
CREDS, NSES = 0, 64  # offsets in a value: struct bh_creds, then struct bh_nses (bpf/abi/abi.h)


def _bpf(command, attributes):
    libc = ctypes.CDLL(None, use_errno=True)
    space = ctypes.create_string_buffer(attributes.ljust(128, b"\0"))
    r = libc.syscall(BPF, command, space, len(space))
    if r < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return r


def _map_of(agent_pid):
    """The agent's own map: other agents may run on this machine."""
    for info in pathlib.Path(f"/proc/{agent_pid}/fdinfo").iterdir():
        try:
            lines = dict(line.split(":\t", 1) for line in info.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if int(lines.get("map_type", "-1")) == TASK_STORAGE:
            return int(lines["map_id"])
    raise AssertionError("the agent has no task storage")


@contextlib.contextmanager
def _closing(fd):
    try:
        yield fd
    finally:
        os.close(fd)


def rewrite(agent_pid, pid, offset, values):
    """Puts 32-bit numbers at `offset` of what is remembered of `pid`."""
    with _closing(_bpf(FD_BY_ID, struct.pack("=I", _map_of(agent_pid)))) as fd, _closing(os.pidfd_open(pid)) as task:
        key, value = ctypes.c_int(task), ctypes.create_string_buffer(256)
        where = struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
        _bpf(LOOKUP, where)
        struct.pack_into(f"={len(values)}I", value, offset, *values)
        _bpf(UPDATE, where)
