"""Waiting for a condition with a deadline, never for a time."""
import os
import time

SLOW = 8.0 if os.environ.get("VMRUN") else 1.0  # emulation runs programs five to ten times slower
LEAST_STEP = 0.05 if SLOW > 1 else 0  # there, looking each millisecond takes a processor from what is waited for


class Timeout(AssertionError):
    pass


def patience(seconds):
    """A deadline that is fair to this machine: longer in a virtual machine without KVM."""
    return seconds * SLOW


def wait_for(condition, seconds, what, step=0.005):
    """Returns condition()'s first true value; raises Timeout saying what did not come after patience(seconds)."""
    end = time.monotonic() + patience(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f"{what() if callable(what) else what}: not within {patience(seconds):.0f} s")
        time.sleep(max(step, LEAST_STEP))
