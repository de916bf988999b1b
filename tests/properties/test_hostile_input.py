"""Whatever bytes a stranger gives the binary, it answers with a documented exit code and words, never with a signal."""
import json
import os
import pathlib
import string
import subprocess

from hypothesis import HealthCheck, given, settings, strategies as st

TOP = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BULKHEAD_BINARY") or str(TOP / "build" / "bulkhead")
FEW = settings(max_examples=60, deadline=None, derandomize=True,
               suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

names = st.text(string.ascii_letters + "_", min_size=1, max_size=8)
fields = st.sampled_from(["proc.name", "fd.name", "container.id", "proc.pid", "fd.sport", "evt.type", "no.such", "proc.aname[2]"])
operators = st.sampled_from(["=", "!=", "contains", "startswith", "endswith", "in", "pmatch", "exists", "<", ">=", "~"])
values = st.one_of(names, st.integers(-5, 70000).map(str), st.just('"a b"'), st.just("(sh, bash)"), st.text(max_size=6))
checks = st.tuples(fields, operators, values).map(" ".join)
conditions = st.recursive(checks, lambda c: st.one_of(c.map(lambda x: f"not ({x})"), st.tuples(c, st.sampled_from([" and ", " or "]), c).map("".join)), max_leaves=6)


def bulkhead(*arguments, expect):
    done = subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode in expect, (done.returncode, done.stderr[-500:])
    return done


@FEW
@given(st.binary(max_size=400))
def test_any_bytes_are_rules_or_a_diagnostic(tmp_path, content):
    path = tmp_path / "rules.yaml"
    path.write_bytes(content)
    done = bulkhead("rules", "check", "--format", "json", str(path), expect=(0, 1))
    json.loads(done.stdout)
    assert b"\x1b" not in done.stdout + done.stderr


@FEW
@given(conditions)
def test_a_condition_is_taken_or_its_mistake_has_a_place(tmp_path, condition):
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps([{"rule": "r", "desc": "d", "condition": condition, "output": "o %proc.name", "priority": "INFO"}]),
                    encoding="utf-8")
    done = bulkhead("rules", "check", str(path), expect=(0, 1))
    if done.returncode == 1:
        assert b"rules.yaml:" in done.stdout + done.stderr, "no file and line"
    explained = bulkhead("rules", "explain", "r", "-r", str(path), expect=(0, 1))
    assert (explained.returncode == 0) == (done.returncode == 0) or b"left out" in done.stdout + done.stderr


@FEW
@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_are_no_capture(tmp_path, content, with_magic):
    path = tmp_path / "capture"
    path.write_bytes((b"BHSEG\r\n\x1a" if with_magic else b"") + content)
    done = bulkhead("replay", str(path), expect=(1, 3))  # 3: a version that this binary is too old for
    assert b"capture" in done.stderr, "the file isn't named"


@FEW
@given(st.dictionaries(names, st.one_of(st.none(), st.integers(), names, st.lists(names, max_size=3)), max_size=4), st.sampled_from(["Policy", "Agent", "Polcy", "Feed", ""]))
def test_any_document_is_checked_whole(tmp_path, spec, kind):
    path = tmp_path / "policy.yaml"
    path.write_text(json.dumps({"apiVersion": "bulkhead.io/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}))
    done = bulkhead("run", "--dry-run", "--policies", str(path), "-r", str(TOP / "rules"), expect=(0, 1, 3))
    if kind in ("Polcy", "") or (kind == "Policy" and set(spec) - {"selector", "mode", "priority", "reason", "exec"}):
        assert done.returncode == 1 and b"policy.yaml:" in done.stderr + done.stdout, done
