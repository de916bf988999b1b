"""What all of the Python tests share: tools/ on the path, and the marks' meaning."""
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
sys.dont_write_bytecode = True


def interrupted(*_):
    raise KeyboardInterrupt


# A suite past its ceiling is ended by SIGTERM: fixtures must take down what they made then too.
signal.signal(signal.SIGTERM, interrupted)


def full():
    return os.environ.get("BULKHEAD_TEST_FULL") == "1"


def pytest_collection_modifyitems(items):
    for item in items:
        if os.environ.get("VMRUN") and item.get_closest_marker("count"):
            item.add_marker(pytest.mark.skip(reason="counts of 100 and more stay on a native kernel (tests/e2e there)"))
