"""Profiles: a real container is learned, what it never did becomes a finding that joins the incident."""
import lab
import pytest

LEARNED = "while true; do cat /etc/hostname >/dev/null; echo x >/tmp/log; sleep 0.1; done"


QUICK = "window: 200ms, period: 3s, bound: 0.25"


def document(ws, name="quick", spec=QUICK):
    path = ws.folder("profiles") / f"{name}.yaml"
    path.write_text("apiVersion: bulkhead.io/v1\nkind: Agent\nmetadata: {name: agent}\nspec: {tickInterval: 100ms}\n---\n"
                    f"apiVersion: bulkhead.io/v1\nkind: Profile\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
    return path


@pytest.fixture
def rules(ws):
    """One rule that speaks only when it is meant to: an incident keeps a container from being learned."""
    path = ws.folder("rules") / "rules.yaml"
    path.write_text("- rule: shadow\n  desc: read\n  condition: evt.type in (open, openat) and container.id != host and fd.name = /etc/shadow\n"
                    "  output: shadow read\n  priority: WARNING\n")
    return [path]


def fields(finding):
    return finding["output_fields"]


def shop(ws, label="shop", **more):
    container = ws.container(label, args=("sh", "-c", LEARNED), annotations={"bulkhead.io/workload": "shop", "bulkhead.io/image": "example/shop:1"}, **more)
    container.usual_root = True  # so that an agent that starts later finds out what it is
    return container


def dimension(profile, name):
    return next(d for d in profile["dimensions"] if d["dimension"] == name)


def learned(agent, workload="shop@example/shop:1", dimensions=("programs", "files")):
    def look():
        if agent("profile", "show", workload).returncode:
            return None
        profile = agent.json("profile", "show", workload)
        return profile if all(dimension(profile, d)["state"] == "watch" for d in dimensions) else None

    return lab.wait_for(look, 30, "the workload to be learned", step=0.2)


@pytest.mark.kernel
def test_learned_then_new(ws, rules):
    agent = lab.Agent(ws, rules, [document(ws)]).start()
    container = shop(ws).start()
    profile = learned(agent)
    known = [i["item"] for i in dimension(profile, "programs")["known"]]
    assert "/bin/busybox as cat by /bin/busybox" in known, known
    before = len(agent.findings())
    assert container.exec("nc", "-h")[0] in (0, 1)
    finding = agent.wait_finding(lambda f: f["rule"] == "Program new to the workload" and "nc" in fields(f)["profile.item"], since=before)
    assert fields(finding)["container.name"] == container.name
    assert fields(finding)["profile.workload"] == "shop@example/shop:1"
    shown = agent("profile", "show", "shop")
    assert shown.returncode == 0 and "busybox as nc by runtime" in shown.stdout, shown.stdout + shown.stderr
    incidents = agent.json("incidents")["incidents"]
    assert any("Program new to the workload" in str(i) for i in incidents), incidents
    assert agent("profile", "list").returncode == 0
    assert agent("profile", "show", "no-such").returncode == 1


def export(agent, workload="shop"):
    done = agent("profile", "export", workload)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.kernel
def test_a_profile_is_a_document_and_a_document_a_profile(ws, rules):
    """export → load → export is the same text; a line taken out by hand is new from then on; a wrong edit changes nothing."""
    agent = lab.Agent(ws, rules, [document(ws)], label="first").start()
    container = shop(ws).start()
    learned(agent)
    text = export(agent)
    assert "as: \"cat\"" in text and "mode: watch" in text, text
    assert agent.stop() == 0
    kept = ws.folder("kept") / "shop.yaml"
    kept.write_text(text)
    second = lab.Agent(ws, rules, [document(ws)], arguments=["--profiles", kept.parent], label="second", state=ws.folder("other")).start()
    lab.wait_for(lambda: second("profile", "show", "shop").returncode == 0, 10, "the container to be known")
    assert export(second) == text
    assert dimension(second.json("profile", "show", "shop"), "programs")["source"] == "document"
    kept.write_text("\n".join(line for line in text.split("\n") if 'as: "cat"' not in line))
    before = len(second.findings())
    assert second("reload").returncode == 0
    finding = second.wait_finding(lambda f: "as cat" in fields(f).get("profile.item", ""), since=before)
    assert fields(finding)["container.name"] == container.name
    diff = second("profile", "diff", "shop")
    assert diff.returncode == 0 and '+ programs: - {path: "/bin/busybox", as: "cat"' in diff.stdout, diff.stdout
    kept.write_text(text.replace("programs:", "programms:"))
    refused = second("reload")
    assert refused.returncode != 0 and "shop.yaml:" in refused.stderr and "did you mean 'programs'" in refused.stderr, refused.stderr
    assert dimension(second.json("profile", "show", "shop"), "programs")["source"] == "document"


@pytest.mark.kernel
def test_what_was_learned_outlives_the_agent(ws, rules):
    first = lab.Agent(ws, rules, [document(ws)], label="first").start()
    shop(ws).start()
    learned(first)
    text = export(first)
    assert first.stop() == 0
    files = list((first.state / "profiles").glob("*.profile"))
    assert len(files) == 1, files
    second = lab.Agent(ws, rules, [document(ws)], label="second", state=first.state).start()
    assert export(second) == text
    assert dimension(second.json("profile", "show", "shop"), "programs")["state"] == "watch"
    assert second.stop() == 0
    broken = bytearray(files[0].read_bytes())
    broken[len(broken) // 2] ^= 1
    files[0].write_bytes(broken)
    third = lab.Agent(ws, rules, [document(ws)], label="third", state=first.state).start()
    assert "is left out: it is broken" in third.talk()
    lab.wait_for(lambda: third("profile", "show", "shop").returncode == 0, 10, "the container to be known")
    assert dimension(third.json("profile", "show", "shop"), "programs")["state"] == "learn"
