"""What the command line refuses: one clear sentence and the documented exit status. No kernel is needed."""
import os
import re
import subprocess

import lab
import pytest

from lab.agent import BULKHEAD

USAGE, CANNOT, FOUND = 2, 3, 1
NOBODY = 65534


def sentences(text):
    return [line for line in text.strip().splitlines() if line.strip()]


@pytest.mark.parametrize("arguments", [["rnu"], ["--no-such-option"], ["run", "--no-such-option"], ["run", "--for", "soon"],
                                       ["run", "--shards", "many"], ["run", "--format", "no-such-format"], ["why"],
                                       ["replay"], ["ledger"], ["ledger", "no-such-verb"], ["rules", "explain"],
                                       ["dump", "no-such-table"], ["run", "surplus"], ["run", "--for", "0s"], ["a\nb\nc\nd"], ["x" * 5000],
                                       ["rules", "check", ""], ["ledger", "prove", "twelve"]])
def test_wrong_usage_is_one_sentence_and_status_2(cli, arguments):
    done = cli(*arguments)
    assert done.returncode == USAGE, done.stderr
    assert done.stdout == "", "data belongs on standard output, this is talk"
    assert done.stderr.startswith("bulkhead: "), done.stderr
    assert len(sentences(done.stderr)) == 1 and len(done.stderr) < 400, done.stderr


def test_an_unknown_verb_names_the_nearest_one(cli):
    assert "'status'" in cli("statsu").stderr


def test_help_and_version_are_data(cli):
    for arguments in (["--help"], ["run", "--help"], ["--version"]):
        done = cli(*arguments)
        assert done.returncode == 0 and done.stdout and not done.stderr, arguments
    assert re.search(r"\b\d+\.\d+\.\d+\b", cli("--version").stdout)


def test_every_verb_has_an_example(cli):
    verbs = [row["name"] for row in cli.json("dump", "verbs")]
    assert {"run", "events", "ps", "doctor", "status", "rules check", "rules explain", "incidents", "incident", "why",
            "ledger verify", "ledger prove", "record", "replay", "dump"} <= set(verbs)
    for verb in verbs:
        done = cli(*verb.split(), "--help")
        assert done.returncode == 0 and "bulkhead " + verb in done.stdout, verb


def test_every_table_can_be_dumped_both_ways(cli):
    for row in cli.json("dump", "tables"):
        assert cli.json("dump", row["name"]), row["name"]
        assert cli("dump", row["name"]).returncode == 0


def test_verbs_that_need_an_agent_say_so(cli):
    for arguments in (["ps"], ["status"], ["incidents"], ["incident", "1"], ["why", "1"], ["events"]):
        done = cli(*arguments)
        assert done.returncode == CANNOT, (arguments, done.returncode, done.stderr)
        assert len(sentences(done.stderr)) == 1 and "run" in done.stderr, done.stderr



@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_not_root_is_said_in_one_sentence(ws, rules):
    program = ws.path / "bulkhead"
    program.write_bytes(BULKHEAD.read_bytes())  # the build folder may be closed to others
    program.chmod(0o755)
    rule_file = ws.path / "rules.yaml"
    rule_file.write_bytes(rules[0].read_bytes())
    done = subprocess.run([str(program), "run", "--rules", str(rule_file), "--state", "/nonexistent", "--runtime-dir", "/nonexistent"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, user=NOBODY, group=NOBODY, extra_groups=[],
                          timeout=60, env={"PATH": os.environ["PATH"], "BULKHEAD_LAB": ws.name})
    assert done.returncode == CANNOT, done.stderr
    assert "root" in done.stderr and len(sentences(done.stderr)) == 1, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace")
def test_no_btf_is_said_in_one_sentence(ws, rules):
    script = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", str(BULKHEAD), "run", "--rules", str(rules[0]),
                           "--state", str(ws.folder("state")), "--runtime-dir", str(ws.folder("run"))],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=lab.patience(60),
                          env={**os.environ, "BULKHEAD_LAB": ws.name})
    assert done.returncode == CANNOT, done.stderr
    assert "BTF" in done.stderr and len(sentences(done.stderr)) == 1, done.stderr


@pytest.mark.parametrize("text, hint", [
    ("- rule: x\n  desc: x\n  condition: evt.type = execve and\n  output: x\n  priority: INFO\n", ":3:"),
    ("- rule: x\n  desc: x\n  condition: proc.nmae = sh\n  output: x\n  priority: INFO\n", "proc.name"),
    ("- rule: x\n  desc: [\n", ":"),
    ("\x00\x01\x02", ":"),
    ("&a [*a, *a]\n", ":"),
    ("- rule: x\n" * 3, ":"),
])
def test_wrong_rules_are_all_named_with_their_place(ws, cli, text, hint):
    path = ws.path / "wrong.yaml"
    path.write_text(text)
    done = cli("rules", "check", path)
    assert done.returncode == FOUND, (done.stdout, done.stderr)
    told = done.stdout + done.stderr
    assert f"{path}:" in told and hint in told, told
    ran = cli("run", "--rules", path, "--state", ws.folder("state"), "--runtime-dir", ws.folder("run"), "--for", "1s")
    assert ran.returncode != 0 and f"{path}" in ran.stderr, ran.stderr


def test_all_mistakes_of_a_file_are_reported_at_once(ws, cli):
    path = ws.path / "wrong.yaml"
    path.write_text("".join(f"- rule: r{i}\n  desc: x\n  condition: no.such.field{i} = 1\n  output: x\n  priority: INFO\n" for i in range(5)))
    told = cli("rules", "check", path)
    assert all(f"no.such.field{i}" in told.stdout + told.stderr for i in range(5))


def test_unreadable_paths_are_named(ws, cli):
    fifo = ws.path / "fifo.yaml"
    os.mkfifo(fifo)
    for path in (ws.path / "absent.yaml", fifo, "/dev/zero"):
        done = cli("rules", "check", path, seconds=20)
        assert done.returncode == FOUND and str(path) in done.stdout + done.stderr
        assert "1 error\n" in done.stdout and "memory" not in done.stdout, done.stdout


def test_a_capture_that_is_none_is_refused(ws, cli):
    for content in (b"", b"not a capture", b"BHSEG\r\n\032" + bytes(100), os.urandom(4096)):
        path = ws.path / "capture"
        path.write_bytes(content)
        done = cli("replay", path)
        assert done.returncode in (FOUND, CANNOT) and len(sentences(done.stderr)) >= 1, done.stderr
        assert "Sanitizer" not in done.stderr


def test_the_shipped_rules_and_policies_are_right(cli):
    top = BULKHEAD.parents[1]
    for folder in ("rules", "demo/rules.yaml", "tests/e2e/rules.yaml"):
        done = cli("rules", "check", top / folder)
        assert done.returncode == 0, done.stdout + done.stderr
