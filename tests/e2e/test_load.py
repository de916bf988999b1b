"""Under load: a flood in one container loses nothing of another's, and a reload under load loses nothing at all."""
import pathlib
import signal
import time

import lab
import pytest

from lab.containers import helper

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"


def fields(finding):
    return finding["output_fields"]


def shadows(agent, container):
    return [f for f in agent.findings() if f["rule"] == "shadow" and fields(f)["container.name"] == container.name]


@pytest.mark.kernel
@pytest.mark.vm
def test_a_flood_in_one_container_loses_nothing_of_anothers(ws, agent):
    ws.add_to_image(helper(DEMO / "src" / "flood.c"), "/usr/bin/flood")
    quiet, noisy = ws.container("quiet").start(), ws.container("noisy").start()
    attacks = 5 if lab.in_vm() else 30
    flooder = noisy.spawn("flood", str(int(lab.patience(60))))

    def flooded():
        status = agent.json("status")
        return status["held_back"] + status["events"] > 10000

    try:
        for _ in range(attacks):
            assert quiet.exec("cat", "/etc/shadow")[0] == 0
        lab.wait_for(flooded, 20, "a flood: ten thousand events, taken or counted", step=0.5)
        assert flooder.poll() is None, "the flood was over before the attacks"
    finally:
        noisy.remove()
        flooder.wait(lab.patience(60))
    lab.wait_for(lambda: len(shadows(agent, quiet)) >= attacks, 20, lambda: f"{attacks} findings, {len(shadows(agent, quiet))} came")
    assert len(shadows(agent, quiet)) == attacks
    assert not [f for f in shadows(agent, quiet) if fields(f)["container.lossy"] in (True, "true")]


@pytest.mark.kernel
def test_a_reload_under_load_loses_nothing(ws, agent):
    container, attacks = ws.container("busy").start(), 60
    loop = container.spawn("sh", "-c", f"for i in $(seq {attacks}); do cat /etc/shadow; done")
    reloads = 0
    while loop.poll() is None:
        agent.process.send_signal(signal.SIGHUP)
        reloads += 1
        time.sleep(0.01)  # the pace of the reloads, not a wait for anything
    assert loop.returncode == 0 and reloads > 1
    lab.wait_for(lambda: len(shadows(agent, container)) >= attacks, 20, lambda: f"{attacks} findings, {len(shadows(agent, container))} came")
    assert agent.json("status")["generation"] > 1
    assert agent.json("status")["lost"] == 0
