"""Network policies on real containers: what is allowed passes, what is not is refused where it starts or arrives, and only there."""
import signal

import lab
import pytest

SERVE = ("sh", "-c", "while true; do echo served | nc -l -p 80; done")
WEB, DB, CLIENT = {"app": "web"}, {"app": "db"}, {"app": "client"}


def selector(**labels):
    return {"matchLabels": labels}


def allow_from(port=80, **labels):
    return [{"from": [{"podSelector": selector(**labels)}], "ports": [{"port": port}]}]


def write(ws, *documents):
    path = ws.folder("policies") / "network.yaml"
    path.write_text("\n---\n".join(documents))
    return path


def reaches(client, server, port=80, address=None):
    """Whether a TCP connection carries data; a refused one ends at once, a dropped one after a second."""
    code, text = client.exec("sh", "-c", f"nc -w 1 {address or server.address} {port} </dev/null")
    return code == 0 and "served" in text


def verdict(finding, effect, name):
    fields = finding["output_fields"]
    return fields.get("verdict.effect") == effect and fields.get("container.name") == name


@pytest.fixture
def net(ws):
    return lab.Network(ws)


@pytest.mark.kernel
@pytest.mark.vm
def test_only_who_is_allowed_comes_in(ws, rules, net):
    path = write(ws, lab.policy("db-from-web", podSelector=selector(**DB), ingress=allow_from(**WEB)))
    agent = lab.Agent(ws, rules, [path]).start()
    db = net.container("db", DB, args=SERVE).start()
    web, client, other = (net.container(n, l).start() for n, l in (("web", WEB), ("client", CLIENT), ("other", {})))
    open_door = net.container("open", {}, args=SERVE).start()
    assert reaches(web, db)
    assert reaches(web, db, address=db.address6)
    assert not reaches(client, db)
    assert not reaches(other, db)
    assert reaches(client, open_door), "a container that no policy selects was cut off"
    finding = agent.wait_finding(lambda f: verdict(f, "refused", db.name))
    assert "db-from-web" in finding["output"] and "network.yaml:1" in finding["output"], finding
    assert client.name in finding["output_fields"]["network.peer"], finding


@pytest.mark.kernel
@pytest.mark.vm
def test_only_where_it_may_goes_out(ws, rules, net):
    path = write(ws, lab.policy("web-to-db", podSelector=selector(**WEB), policyTypes=["Egress"],
                                egress=[{"to": [{"podSelector": selector(**DB)}], "ports": [{"port": 80}]}]))
    agent = lab.Agent(ws, rules, [path]).start()
    db, other = net.container("db", DB, args=SERVE).start(), net.container("other", {}, args=SERVE).start()
    web = net.container("web", WEB).start()
    assert reaches(web, db)
    assert not reaches(web, other)
    finding = agent.wait_finding(lambda f: verdict(f, "refused", web.name))
    assert finding["output_fields"]["proc.pid"] > 0 and other.name in finding["output"], finding
    assert reaches(other, db)
    asked = agent("net", "try", web.name, other.name, "80/tcp")
    assert asked.returncode == 1 and "refused at egress" in asked.stdout and "default/web-to-db" in agent("rows").stdout, asked.stdout + asked.stderr
    asked = agent.json("net", "try", web.name, db.address, "80")
    assert asked["verdict"] == "allowed" and asked["allowed_by"][0]["where"].endswith("network.yaml:1"), asked
    flows = agent.json("net", "flows")["flows"]
    mine = {f["peer"]["name"]: f for f in flows if f["container"]["name"] == web.name and f["direction"] == "egress"}
    assert mine[db.name]["allowed"] >= 1 and mine[db.name]["refused"] == 0, flows
    assert mine[other.name]["refused"] >= 1 and mine[other.name]["allowed"] == 0 and mine[other.name]["address"] == other.address, flows
    why = agent("why", web.name)
    assert "web-to-db" in why.stdout and "egress" in why.stdout, why.stdout


@pytest.mark.kernel
def test_never_to_the_host_or_the_cloud(ws, rules, net):
    path = write(ws, "apiVersion: bulkhead.io/v1\nkind: Policy\nmetadata: {name: never}\n"
                 "spec: {mode: enforce, reason: no business there, network: {deny: [{metadata: true}, {cidr: 10.213.7.1/32}]}}\n")
    agent = lab.Agent(ws, rules, [path]).start()
    web, db = net.container("web", WEB).start(), net.container("db", DB, args=SERVE).start()
    assert reaches(web, db)
    code, text = web.exec("nc", "-w", "2", "169.254.169.254", "80")
    assert code and "permitted" in text, text
    finding = agent.wait_finding(lambda f: verdict(f, "refused", web.name))
    assert "no business there" in finding["output"] and "169.254.169.254" in finding["output"], finding
    code, text = web.exec("ping", "-c", "1", "-W", "2", "10.213.7.1")
    assert code, text


@pytest.mark.kernel
def test_audit_says_and_lets_pass(ws, rules, net):
    path = write(ws, lab.policy("nobody", mode="audit", podSelector={}, policyTypes=["Ingress"]))
    agent = lab.Agent(ws, rules, [path]).start()
    db, web = net.container("db", DB, args=SERVE).start(), net.container("web", WEB).start()
    assert reaches(web, db)
    agent.wait_finding(lambda f: verdict(f, "would-refuse", db.name))


@pytest.mark.kernel
def test_a_reload_changes_what_is_allowed(ws, rules, net):
    path = write(ws, lab.policy("p", podSelector=selector(**DB), ingress=allow_from(**WEB)))
    agent = lab.Agent(ws, rules, [path]).start()
    db, web = net.container("db", DB, args=SERVE).start(), net.container("web", WEB).start()
    assert reaches(web, db)
    write(ws, lab.policy("p", podSelector=selector(**DB), ingress=[]))
    agent.process.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: not reaches(web, db), 10, "the policy to refuse", step=0.1)
    write(ws)
    agent.process.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: reaches(web, db), 10, "the policy to be gone", step=0.1)
