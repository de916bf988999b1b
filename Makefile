# The front door: every target is one call of Meson or of a script, nothing is decided here.
# `make demo` and `make test` do all of their own set-up on a fresh Debian 12 as root.
# VM=1 plays the demo in a virtual machine with Debian's kernel. PEER='command' adds a column to `make bench`.
VM ?=
PEER ?=
DESTDIR ?=
export VM PEER DESTDIR

all:
	tools/setup build
	tools/build

demo:
	tools/setup build run
	tools/build
	tools/with-kernel --limit 900 -- demo/play

test:
	tools/setup build run test
	tools/test

check-full:
	tools/setup build run test
	tools/test --full

vmtest:
	tools/setup build run test
	tools/test vm

lint:
	tools/setup build test
	tools/test format analysis layers

docs:
	tools/setup build
	tools/build
	tools/docs

bench:
	tools/setup build run bench
	tools/build release
	tests/bench/bench

install:
	tools/build release
	meson install -C build/release --no-rebuild

fresh-test:
	tools/setup fresh
	tools/fresh-test

clean:
	rm -rf build build-*

.PHONY: all demo test check-full vmtest lint docs bench install fresh-test clean
