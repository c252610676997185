"""The snippets of docs/receivers.md are run as they stand there, in each language that this machine has."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from leadhub.domain.signature import parse_secret, sign

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "receivers.md"
_SECRET = "whsec_1jzo5H16fZCRoNj9bPu8YJcC/yXcEuJNuhIGuUl0ATc="
_OTHER = "whsec_xhAWvFp730cxUVZde/wDslyHrHmUOZ+1"
_BODY = '{"type":"lead.routed","data":{"company":"Zoë"}}'

_PYTHON = """
import json, sys
cases = json.load(open(sys.argv[1]))
print(json.dumps([is_genuine(one["secret"], one["headers"], one["body"].encode()) for one in cases]))
"""
_JAVASCRIPT = """
const cases = JSON.parse(require("node:fs").readFileSync(process.argv[2]));
console.log(JSON.stringify(cases.map((one) => isGenuine(one.secret, one.headers, Buffer.from(one.body)))));
"""
_PHP = """
$cases = json_decode(file_get_contents($argv[1]), true);
echo json_encode(array_map(fn($one) => is_genuine($one["secret"], $one["headers"], $one["body"]), $cases));
"""
_RUBY = """
require "json"
puts JSON.parse(File.read(ARGV[0])).map { |one| genuine?(one["secret"], one["headers"], one["body"]) }.to_json
"""
_GO = """
package main

import ("encoding/json"; "fmt"; "os")

func main() {
	var cases []struct { Secret string; Headers map[string]string; Body string }
	text, _ := os.ReadFile(os.Args[1])
	json.Unmarshal(text, &cases)
	found := []bool{}
	for _, one := range cases { found = append(found, isGenuine(one.Secret, one.Headers, []byte(one.Body))) }
	out, _ := json.Marshal(found)
	fmt.Println(string(out))
}
"""


def _snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, language
    return found[1]


def _case(signed_by: str, changes: dict[str, str] | None = None, *, at: int = 0, body: str = _BODY) -> dict[str, Any]:
    timestamp = int(time.time()) + at
    header = sign(message_id="msg_1", timestamp=timestamp, body=_BODY.encode(), keys=[parse_secret(signed_by)])
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(timestamp), "webhook-signature": header}
    return {"secret": _SECRET, "headers": headers | (changes or {}), "body": body}


def _cases() -> list[tuple[dict[str, Any], bool]]:
    good = _case(_SECRET)
    rotated = _case(_OTHER)
    rotated["headers"]["webhook-signature"] += " v1a,AAAA " + good["headers"]["webhook-signature"]
    rotated["headers"]["webhook-timestamp"] = good["headers"]["webhook-timestamp"]
    return [
        (good, True),
        (rotated, True),
        (_case(_OTHER), False),
        (_case(_SECRET, body=_BODY + " "), False),
        (_case(_SECRET, at=-400), False),
        (_case(_SECRET, at=400), False),
        (_case(_SECRET, {"webhook-id": "msg_2"}), False),
        (_case(_SECRET, {"webhook-signature": "v1,"}), False),
    ]


@pytest.mark.parametrize(
    ("language", "program", "name", "ending", "rest"),
    [
        ("python", sys.executable, "hook.py", _PYTHON, None),
        ("javascript", "node", "hook.js", _JAVASCRIPT, None),
        ("php", "php", "hook.php", _PHP, None),
        ("ruby", "ruby", "hook.rb", _RUBY, None),
        ("go", "go", "hook.go", "", _GO),
    ],
)
def test_a_snippet_tells_ours_from_others(  # noqa: PLR0917 - the columns of the table above
    language: str, program: str, name: str, ending: str, rest: str | None, tmp_path: Path
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")
    (tmp_path / name).write_text(_snippet(language) + ending, encoding="utf-8")
    argv = [program, str(tmp_path / name)]
    if rest is not None:
        (tmp_path / "main.go").write_text(rest, encoding="utf-8")
        argv = [program, "run", str(tmp_path / name), str(tmp_path / "main.go")]
    cases = _cases()
    (tmp_path / "cases.json").write_text(json.dumps([case for case, _ in cases]), encoding="utf-8")

    ran = subprocess.run([*argv, str(tmp_path / "cases.json")], capture_output=True, check=False, timeout=60)

    assert ran.returncode == 0, ran.stderr.decode()
    assert json.loads(ran.stdout) == [is_ours for _, is_ours in cases]
