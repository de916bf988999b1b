// ledger-verifier FOLDER [FIRST-KEY]: checks a ledger with code that is not Bulkhead's: Go's note and tlog packages
// (golang.org/x/mod/sumdb, the code behind Go's checksum database). It reads docs/formats/ledger.md's files:
// every key's certificate must be signed by the key before, every checkpoint's root must be that of the entries as they lie
// in their bundles, and the hashes in the tiles of every level must be theirs; entries are proven out of the tiles. Prints "N entries, N keys"; status 1 and a sentence if not.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

func fail(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, "ledger-verifier: "+format+"\n", args...)
	os.Exit(1)
}

func read(parts ...string) []byte {
	bytes, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		fail("%v", err)
	}
	return bytes
}

// path is C2SP tlog-tiles': 1234067 is x001/x234/067; a partial tile of w has .p/w.
func path(n int64, w int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	if w < width {
		text += fmt.Sprintf(".p/%d", w)
	}
	return text
}

// head opens a checkpoint: three lines and a signature by key.
func head(text []byte, key string) (int64, tlog.Hash) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		fail("key %s: %v", key, err)
	}
	n, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		fail("a checkpoint is not signed by %s: %v", key, err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 3 || lines[0] != verifier.Name() {
		fail("a checkpoint's origin is not the key's name")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		fail("a checkpoint's size: %v", err)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	var hash tlog.Hash
	if err != nil || len(root) != len(hash) {
		fail("a checkpoint's root is no hash")
	}
	copy(hash[:], root)
	return size, hash
}

type tree struct{ stored []tlog.Hash }

func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, 0, len(indexes))
	for _, i := range indexes {
		if i >= int64(len(t.stored)) {
			return nil, fmt.Errorf("hash %d is not there", i)
		}
		out = append(out, t.stored[i])
	}
	return out, nil
}

func (t *tree) must(size int64, root tlog.Hash, what string) {
	hash, err := tlog.TreeHash(size, t)
	if err != nil || hash != root {
		fail("%s: the root of %d entries is not what it says (%v)", what, size, err)
	}
}

// tiles answers tlog's questions out of the C2SP tiles on disk. tlog's own tiles hold the same bytes under other names.
type tiles struct {
	folder string
	size   int64
	read   map[string][]byte
}

func (t *tiles) tile(level int, n int64) []byte {
	w := t.size>>(8*uint(level)) - n*width
	if w > width {
		w = width
	}
	name := fmt.Sprintf("%d/%s", level, path(n, w))
	if t.read[name] == nil {
		t.read[name] = read(t.folder, "tile", name)
		if int64(len(t.read[name])) != w*tlog.HashSize {
			fail("tile %s has %d bytes", name, len(t.read[name]))
		}
	}
	return t.read[name]
}

func (t *tiles) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, 0, len(indexes))
	for _, i := range indexes {
		asked := tlog.TileForIndex(8, i)
		bytes := t.tile(asked.L, asked.N)
		asked.W = len(bytes) / tlog.HashSize
		hash, err := tlog.HashFromTile(asked, bytes, i)
		if err != nil {
			return nil, err
		}
		out = append(out, hash)
	}
	return out, nil
}

// check compares every hash of every level's tiles with what the entries give, and proves some entries from tiles alone.
func (t *tiles) check(all *tree, entries [][]byte, root tlog.Hash) {
	for level := 0; t.size>>(8*uint(level)) > 0; level++ {
		for i := int64(0); i < t.size>>(8*uint(level)); i++ {
			bytes := t.tile(level, i/width)[i%width*tlog.HashSize:][:tlog.HashSize]
			want := all.stored[tlog.StoredHashIndex(8*level, i)]
			if string(bytes) != string(want[:]) {
				fail("hash %d of level %d is not what the entries give", i, level)
			}
		}
	}
	for i := int64(0); i < t.size; i += 1 + t.size/100 {
		proof, err := tlog.ProveRecord(t.size, i, t)
		if err == nil {
			err = tlog.CheckRecord(proof, t.size, root, i, tlog.RecordHash(entries[i]))
		}
		if err != nil {
			fail("entry %d is not proven by the tiles: %v", i, err)
		}
	}
}

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fail("usage: ledger-verifier FOLDER [FIRST-KEY]")
	}
	folder := os.Args[1]

	// The entries, as they lie in their bundles, and all hashes above them.
	var size int64
	text := read(folder, "checkpoint")
	fmt.Sscanf(strings.SplitN(string(text), "\n", 3)[1], "%d", &size)
	t, entries := &tree{}, [][]byte{}
	for first := int64(0); first < size; first += width {
		w := size - first
		if w > width {
			w = width
		}
		bundle := read(folder, "tile/entries", path(first/width, w))
		tile := read(folder, "tile/0", path(first/width, w))
		for i := int64(0); i < w; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("the bundle of entry %d is cut", first+i)
			}
			n := int(binary.BigEndian.Uint16(bundle))
			entry := bundle[2 : 2+n]
			bundle = bundle[2+n:]
			leaf := tlog.RecordHash(entry)
			if len(tile) < int(i+1)*len(leaf) || string(tile[int(i)*len(leaf):int(i+1)*len(leaf)]) != string(leaf[:]) {
				fail("the tile has another hash than entry %d", first+i)
			}
			stored, err := tlog.StoredHashes(first+i, entry, t)
			if err != nil {
				fail("entry %d: %v", first+i, err)
			}
			t.stored = append(t.stored, stored...)
			entries = append(entries, entry)
		}
		if len(bundle) != 0 || len(tile) != int(w)*tlog.HashSize {
			fail("something lies behind entry %d", first+w-1)
		}
	}

	// The chain of keys, each vouched for by the one before, and last the checkpoint.
	lines := strings.Split(string(read(folder, "keys", path(0, width))), "\n")
	key := lines[1]
	if len(os.Args) == 3 && os.Args[2] != key {
		fail("the first key is %s, not %s", key, os.Args[2])
	}
	keys, before, last := int64(1), "", ""
	for ; ; keys++ {
		bytes, err := os.ReadFile(filepath.Join(folder, "keys", path(keys, width)))
		if err != nil {
			break
		}
		parts := strings.SplitN(string(bytes), "\n", 6)
		if len(parts) != 6 || parts[4] != "" {
			fail("the certificate of key %d is none", keys)
		}
		index, err1 := strconv.ParseInt(parts[2], 10, 64)
		entry, err2 := base64.StdEncoding.DecodeString(parts[3])
		covered, root := head([]byte(parts[5]), key)
		if err1 != nil || err2 != nil || covered != index+1 || covered > size || string(entries[index]) != string(entry) {
			fail("the certificate of key %d does not fit entry %d", keys, index)
		}
		if !strings.Contains(string(entry), parts[1]) {
			fail("entry %d does not name key %d", index, keys)
		}
		t.must(covered, root, fmt.Sprintf("the last checkpoint of key %d", keys-1))
		before, last, key = key, parts[5], parts[1]
	}
	if last == string(text) {
		key = before // the last key has not signed anything yet
	}
	covered, root := head(text, key)
	t.must(covered, root, "the checkpoint")
	(&tiles{folder, covered, map[string][]byte{}}).check(t, entries, root)
	fmt.Printf("%d entries, %d keys\n", covered, keys)
}
