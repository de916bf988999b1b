"""Colours only on a terminal that may have them; `incidents --since`; what was decided stands in the story."""
import json
import os
import pty
import select
import subprocess

import lab
import pytest

ESCAPE = b"\x1b["


def on_a_terminal(cli, *arguments, env=None):
    """Runs a verb with a terminal as standard output; returns what the terminal was sent."""
    leader, follower = pty.openpty()
    environment = {k: v for k, v in cli.environ().items() if k not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen([str(lab.agent.BULKHEAD), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=follower,
                               stderr=subprocess.PIPE, env={**environment, "TERM": "xterm", **(env or {})})
    os.close(follower)
    shown = b""
    try:
        while select.select([leader], [], [], lab.patience(30))[0]:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # EIO: the last one left the terminal
                break
            if not piece:
                break
            shown += piece
        assert process.wait(lab.patience(30)) == 0, process.stderr.read()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stderr.close()
        os.close(leader)
    return shown


@pytest.fixture
def capture(ws, rules):
    """A capture of a finding, made by a live agent."""
    path = ws.path / "capture"
    agent = lab.Agent(ws, rules, verb=("record", str(path))).start()
    container = ws.container().start()
    assert container.exec("cat", "/etc/shadow")[0] == 0
    agent.wait_finding(lambda f: f["rule"] == "shadow", 15)
    assert agent.stop() == 0, agent.talk()
    return path


@pytest.mark.kernel
def test_findings_are_coloured_on_a_terminal_alone(capture, cli):
    plain = cli("replay", capture, env={"NO_COLOR": "", "TERM": "xterm"})
    assert "shadow" in plain.stdout and "\x1b[" not in plain.stdout, "a pipe is no terminal"
    shown = on_a_terminal(cli, "replay", capture)
    assert b"\x1b[33mWarning\x1b[0m shadow" in shown, shown[:400]
    for arguments, env in ((["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"}), (["--format", "json"], {})):
        shown = on_a_terminal(cli, "replay", capture, *arguments, env=env)
        assert b"shadow" in shown and ESCAPE not in shown, (arguments, env, shown[:400])
    assert b"\x1b[33m" in on_a_terminal(cli, "replay", capture, env={"NO_COLOR": ""}), "an empty NO_COLOR says nothing"


@pytest.mark.kernel
def test_run_is_coloured_on_a_terminal(ws, rules):
    agent = lab.Agent(ws, rules)
    leader, follower = pty.openpty()
    argv = [a for a in agent.argv if a not in ("--format", "json")]
    with agent.err.open("wb") as talk:
        agent.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=follower, stderr=talk, cwd="/",
                                         env={k: v for k, v in {**agent.environ(), "TERM": "xterm"}.items() if k != "NO_COLOR"})
    os.close(follower)
    agent._begun = 0
    ws.defer(agent.end)
    shown = b""

    def heard():
        nonlocal shown
        if select.select([leader], [], [], 0)[0]:
            shown += os.read(leader, 65536)
        return b"\x1b[33mWarning\x1b[0m " in shown  # of any rule: a terminal that nobody reads loses lines

    try:
        agent.wait_ready()
        assert ws.container().start().exec("cat", "/etc/shadow")[0] == 0
        lab.wait_for(heard, 15, lambda: f"a coloured finding: {shown[-400:]!r}")
        assert agent.stop() == 0, agent.talk()
    finally:
        os.close(leader)


@pytest.mark.kernel
def test_incidents_since_and_their_decisions(ws, agent):
    container = ws.container().start()
    assert container.exec("cat", "/etc/shadow")[0] == 0
    agent.wait_finding(lambda f: f["rule"] == "shadow", 15)
    number = lab.wait_for(lambda: [i["number"] for i in agent.json("incidents")["incidents"] if container.name in str(i)], 10, "an incident")[0]
    assert container.name[:12] in agent("incidents", "--since", "1h").stdout
    assert number in [i["number"] for i in agent.json("incidents", "--since", "1h")["incidents"]]
    lab.wait_for(lambda: not agent.json("incidents", "--since", "1ms")["incidents"], 10, "a moment in which nothing went on")
    assert container.name[:12] not in agent("incidents", "--since", "1ms").stdout
    assert json.loads(agent("incidents", "--format", "json").stdout)["incidents"], "without it all are there"
    assert agent("incidents", "--since", "yesterday").returncode == 2

    story = agent("incident", number).stdout
    decided = agent.json("incident", number)["decisions"]
    assert decided and story.count("What was done") == 1
    for decision in decided:
        assert story.count(decision["reason"]) == 1, (decision, story)
