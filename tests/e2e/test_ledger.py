"""The record: what was claimed verifies, with the agent's own verifier and with code that is not ours; what was changed does not."""
import json
import os
import pathlib
import shutil
import subprocess

import lab
import pytest

FOUND = 1
VERIFIER = pathlib.Path(__file__).resolve().parent / "ledger-verifier" / "main.go"


@pytest.fixture
def ledger(ws, agent):
    """The state folder of a run with a few findings, and the agent's command line."""
    container = ws.container("recorded").start()
    for _ in range(3):
        since = len(agent.findings())
        container.exec("cat", "/etc/shadow")
        agent.wait_finding("shadow", 15, since)
    container.remove()
    assert agent.stop() == 0
    return agent.state, agent


@pytest.mark.kernel
def test_verifies_and_proves(ledger, ws):
    state, cli = ledger
    done = cli("ledger", "verify", "--state", state)
    assert done.returncode == 0, done.stdout + done.stderr
    proof = cli("ledger", "prove", "0", "--state", state)
    assert proof.returncode == 0 and json.loads(proof.stdout)
    assert cli("ledger", "prove", "99999999", "--state", state).returncode in (1, 2)


@pytest.fixture(scope="session")
def others_verifier(tmp_path_factory):
    """A verifier made of Go's own note and tlog packages, as Debian ships them."""
    folder = tmp_path_factory.mktemp("go")
    program = folder / "ledger-verifier"
    environ = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "GOCACHE": str(folder / "cache")}
    subprocess.run(["go", "build", "-o", str(program), str(VERIFIER)], check=True, env=environ)
    return program


@pytest.mark.kernel
def test_code_that_is_not_ours_agrees(ledger, ws, others_verifier):
    state, cli = ledger
    done = subprocess.run([str(others_verifier), str(state / "ledger")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    entries = int(done.stdout.split()[0])
    assert entries >= 3
    assert json.loads(cli("ledger", "verify", "--state", state, "--format", "json").stdout)["entries"] == entries
    forged = ws.path / "forged"
    shutil.copytree(state / "ledger", forged)
    bundle = next(p for p in (forged / "tile" / "entries").rglob("*") if p.is_file())
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.chmod(0o600)
    bundle.write_bytes(content)
    assert subprocess.run([str(others_verifier), str(forged)], capture_output=True).returncode == 1


@pytest.mark.kernel
def test_a_changed_byte_is_found_wherever_it_is(ledger, ws):
    state, cli = ledger
    files = [p for p in sorted((state / "ledger").rglob("*")) if p.is_file() and p.stat().st_size
             and p.name not in ("key", "key.next")]  # the signing key is not what was signed
    assert files
    missed = []
    for path in files:
        size = path.stat().st_size
        for at in sorted({0, size // 3, size // 2, size - 1}):
            copy = ws.path / "copy"
            shutil.copytree(state, copy)
            forged = copy / path.relative_to(state)
            content = bytearray(forged.read_bytes())
            content[at] ^= 1
            forged.chmod(0o600)
            forged.write_bytes(content)
            if cli("ledger", "verify", "--state", copy).returncode != FOUND:
                missed.append(f"{path.relative_to(state)} byte {at} of {size}")
            shutil.rmtree(copy)
    assert not missed, missed


@pytest.mark.kernel
def test_a_missing_or_cut_file_is_found(ledger, ws):
    state, cli = ledger
    entries = max((p for p in (state / "ledger").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    copy = ws.path / "copy"
    shutil.copytree(state, copy)
    os.truncate(copy / entries.relative_to(state), entries.stat().st_size // 2)
    assert cli("ledger", "verify", "--state", copy).returncode == FOUND
    (copy / entries.relative_to(state)).unlink()
    assert cli("ledger", "verify", "--state", copy).returncode == FOUND


@pytest.mark.kernel
def test_no_ledger_is_a_sentence(cli, ws):
    done = cli("ledger", "verify", "--state", ws.folder("empty"))
    assert done.returncode in (1, 3) and len(done.stderr.strip().splitlines()) == 1, done.stderr
