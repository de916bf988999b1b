"""What is done to a container: by an incident where a Response enforces it, by a person; really so, explained, and undone, also by the
guardian when the core is gone."""
import pathlib
import signal

import lab
import pytest

SHOP = {"bulkhead.io/workload": "shop"}
COUNT = ("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/tmp/n; usleep 2000; done")
ATTACK = ("cat", "/etc/shadow")


def response(ws, text, mode="enforce", name="response.yaml"):
    """A Response that means this workspace's containers only: an agent sees all that run on the machine."""
    path = ws.folder("policies") / name
    path.write_text(f"apiVersion: bulkhead.io/v1\nkind: Response\nmetadata: {{name: shop}}\nspec:\n  selector: {{name: {ws.name}*}}\n"
                    f"  mode: {mode}\n{text}")
    return path


FREEZE = """  rules:
    - rule: shadow
      step: freeze
      expiry: 5m
"""


def counting(ws, label="shop", **more):
    """A container that counts in a file, as fast as one sees whether it goes on."""
    return ws.container(label, args=COUNT, annotations=SHOP, **more).start()


def count(c):
    try:
        return int((c.rootfs / "tmp/n").read_text() or 0)
    except (OSError, ValueError):
        return 0


def goes_on(c):
    before = count(c)
    try:
        lab.wait_for(lambda: count(c) > before, 2, "it to go on")
        return True
    except lab.Timeout:
        return False


def stands_still(c):
    before = count(c)
    try:
        lab.wait_for(lambda: count(c) != before, 0.3, "it to go on")
        return False
    except lab.Timeout:
        return True


def is_frozen(c):
    return "frozen 1" in (c.cgroup() / "cgroup.events").read_text()


def rows(agent, c, kind=None):
    return [r for r in agent.json("rows")["rows"]
            if (r["row"]["container"] or {}).get("id") == c.name and kind in (None, r["row"]["kind"])]


@pytest.mark.kernel
@pytest.mark.vm
def test_an_incident_freezes_and_a_person_thaws(ws, rules):
    path = response(ws, FREEZE)
    agent = lab.Agent(ws, rules, [path]).start()
    shop, other = counting(ws), counting(ws, "other")
    lab.wait_for(lambda: count(shop) and count(other), 10, "both to count")
    shop.spawn(*ATTACK)
    lab.wait_for(lambda: is_frozen(shop), 5, "the attacked container to be frozen")
    assert stands_still(shop) and goes_on(other)
    why = agent("why", shop.name)
    assert "response.yaml:8" in why.stdout and "freeze" in why.stdout and "shadow" in why.stdout, why.stdout + why.stderr
    [row] = rows(agent, shop, "freeze")
    assert row["outcome"]["state"] == "in-force" and row["outcome"]["tier"] == "cgroup2", row
    done = agent("respond", "undo", row["row"]["number"])
    assert done.returncode == 0, done.stderr
    assert goes_on(shop) and not rows(agent, shop, "freeze")
    assert agent.stop() == 0


@pytest.mark.kernel
@pytest.mark.vm
def test_the_guardian_thaws_when_the_core_is_killed(ws, rules):
    agent = lab.Agent(ws, rules, [response(ws, FREEZE)]).start()
    shop = counting(ws)
    lab.wait_for(lambda: count(shop), 10, "it to count")
    done = agent("respond", "freeze", shop.name, "--reason", "to look at it")
    assert done.returncode == 0 and stands_still(shop), done.stdout + done.stderr
    agent.kill()
    lab.wait_for(lambda: not is_frozen(shop), 1, "the guardian to thaw it")
    assert goes_on(shop)
