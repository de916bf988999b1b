"""The published formats of version 1, read by docs/formats alone: kept files of an earlier day stay what the pages say.

Nothing here is ours but the files: hashes are hashlib's. Signatures are checked by the Go verifier and by the unit tests.
"""
import base64
import hashlib
import json
import pathlib
import struct

import pytest

FOLDER = pathlib.Path(__file__).resolve().parent / "formats"
LEDGER = FOLDER / "ledger"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def read_segment(blob):
    magic, version, length = struct.unpack_from("<8sII", blob)
    assert magic == b"BHSEG\r\n\x1a" and version == 1 and length % 8 == 0
    head = json.loads(blob[16:16 + length])
    total, end = struct.unpack_from("<I4s", blob, len(blob) - 8)
    assert end == b"BHSE"
    foot = blob[len(blob) - total:]
    magic, count, cover, zero, before, check = struct.unpack_from("<8sQII32s8s", foot)
    assert magic == b"BHFOOT\r\n" and zero == 0 and total == 64 + cover + 8
    assert before == sha256(blob[:-total])
    assert check == sha256(foot[:56], foot[64:64 + cover])[:8]
    records, at = [], 16 + length
    while at < len(blob) - total:
        kind, version, _shard, size = struct.unpack_from("<HBBI", blob, at)
        assert version == head["abi"] and size % 8 == 0 and size >= 72
        records.append((kind, struct.unpack_from("<Q", blob, at + 24)[0]))
        at += size
    assert len(records) == count
    return head, records, json.loads(foot[64:64 + cover])


def test_a_segment():
    head, records, coverage = read_segment((FOLDER / "segment-v1.bhseg").read_bytes())
    assert head["host"] == "h" and head["extra"] == {}
    assert records == [(258, 5), (256, 6), (4, 7)]  # a tick, a fact, a memfd, with their times
    assert coverage == {}


def tile_path(n, width=256):
    text = f"{n % 1000:03}"
    while n := n // 1000:
        text = f"x{n % 1000:03}/{text}"
    return text + (f".p/{width}" if width < 256 else "")


def root_of(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256()
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01", root_of(hashes[:k]), root_of(hashes[k:]))


def checkpoint(text):
    origin, size, root, empty, signature = text.split("\n")[:5]
    assert empty == "" and signature.startswith(f"— {origin} ")
    return origin, int(size), base64.b64decode(root, validate=True)


@pytest.fixture(scope="module")
def log():
    """Entries and size of the kept ledger."""
    _, size, _ = checkpoint((LEDGER / "checkpoint").read_text())
    entries = []
    for first in range(0, size, 256):
        width = min(256, size - first)
        bundle = (LEDGER / "tile/entries" / tile_path(first // 256, width)).read_bytes()
        while bundle:
            n, = struct.unpack_from(">H", bundle)
            entries.append(bundle[2:2 + n])
            bundle = bundle[2 + n:]
    assert len(entries) == size
    return entries


def test_entries(log):
    version, kind, flags, zero, wall = struct.unpack_from(">BBBBQ", log[0])
    assert (version, kind, flags, zero) == (1, 1, 0, 0)
    assert wall == 1764000000000000000
    assert json.loads(log[0][12:]) == {"finding": 0}


def test_tiles_are_the_entries_hashes(log):
    hashes, level = [sha256(b"\x00", e) for e in log], 0
    while hashes:
        for first in range(0, len(hashes), 256):
            part = hashes[first:first + 256]
            assert (LEDGER / "tile" / str(level) / tile_path(first // 256, len(part))).read_bytes() == b"".join(part)
        hashes = [root_of(hashes[i:i + 256]) for i in range(0, len(hashes) - 255, 256)]
        level += 1
    assert level == 2


def test_roots_and_keys(log):
    leaves = [sha256(b"\x00", e) for e in log]
    first = (FOLDER / "first-key").read_text().strip()
    assert (LEDGER / "keys/000").read_text() == f"bulkhead.io/ledger-key/v1\n{first}\n"
    name, key_id, key = first.split("+", 2)
    assert key_id == hashlib.sha256(name.encode() + b"\n" + base64.b64decode(key)).hexdigest()[:8]
    keys = 1
    while (path := LEDGER / "keys" / tile_path(keys)).exists():
        magic, vkey, index, entry, empty, note = path.read_text().split("\n", 5)
        assert magic == "bulkhead.io/ledger-key/v1" and empty == ""
        assert log[int(index)] == base64.b64decode(entry)
        assert log[int(index)][1] == 10
        assert log[int(index)][12:].decode() == f'{{"number":{keys},"vkey":"{vkey}"}}'
        origin, size, root = checkpoint(note)
        assert (origin, size, root) == (name, int(index) + 1, root_of(leaves[:size]))
        keys += 1
    assert keys == 3
    origin, size, root = checkpoint((LEDGER / "checkpoint").read_text())
    assert (origin, root) == (name, root_of(leaves))
