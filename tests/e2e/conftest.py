"""Fixtures: a workspace that must be empty afterwards, an agent in it, containers in it."""
import contextlib
import pathlib
import signal

import lab
import pytest

HERE = pathlib.Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "demo"


@contextlib.contextmanager
def workspace(request):
    """A workspace. The test fails if a container, cgroup, mount, process, interface, pin or file of it is left behind."""
    made = lab.Workspace("test")
    failed_before = request.session.testsfailed
    try:
        yield made
    finally:
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if request.session.testsfailed > failed_before:
                for log in sorted(made.folder("logs").glob("*.err")):
                    print(f"--- {log.name} ---\n{log.read_text(errors='replace')[-3000:]}")
            made.close()
        finally:
            signal.signal(signal.SIGINT, handler)
    left = lab.leftovers(made)
    assert not left, f"left behind: {left}"


@pytest.fixture
def ws(request):
    with workspace(request) as made:
        yield made


@pytest.fixture
def rules():
    return [HERE / "rules.yaml"]


@pytest.fixture
def agent(ws, rules):
    """A running agent with the tests' rules and no policy."""
    return lab.Agent(ws, rules=rules).start()


@pytest.fixture
def cli(ws):
    """The command line with no agent running."""
    return lab.Cli(ws)
