"""What the rule compiler says: a good file explained rule by rule, a wrong one's mistakes. After a wanted change,
`BULKHEAD_GOLDEN=write pytest tests/golden/test_rules.py` writes the expected files anew: read the difference."""
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(__file__).resolve().parent / "rules"
RULES = ("Shell", "Write by a shell's child", "Any write by a shell's child in a container", "Flood", "Not here")


def bulkhead(*args):
    return subprocess.run([TOP / "build/bulkhead", *args], cwd=FOLDER, capture_output=True, text=True, timeout=60)


def same(name, text):
    path = FOLDER / name
    if os.environ.get("BULKHEAD_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_good_file_is_explained(form):
    said = []
    for rule in RULES:
        done = bulkhead("rules", "explain", rule, "-r", "good.yaml", "--format", form)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.rstrip() + "\n")
    same(f"good.{form}.expected", "\n".join(said))


def test_a_good_file_is_checked():
    done = bulkhead("rules", "check", "good.yaml")
    assert done.returncode == 0
    same("good.check.expected", done.stdout)


def test_every_mistake_of_a_wrong_file_is_told():
    done = bulkhead("rules", "check", "wrong.yaml")
    assert done.returncode == 1
    same("wrong.check.expected", done.stdout)


@pytest.mark.parametrize("rules", sorted((TOP / "rules").glob("*.yaml")) + [TOP / "demo/rules.yaml"], ids=lambda p: p.name)
def test_our_own_rules_have_no_word_against_them(rules):
    done = bulkhead("rules", "check", rules)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout
