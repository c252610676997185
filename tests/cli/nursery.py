"""A process that has imported all that commands need, and forks one for each order: a cold start costs 1 to 2 s.

An order is a line of JSON on standard input (arguments, environment, files for output and errors); the answer is a
line with the exit code. The command itself runs as in a process of its own: own descriptors, own environment.
"""

import importlib
import json
import os
import sys
from typing import Any, NoReturn

from leadhub import cli
from leadhub.__main__ import main


def serve() -> None:
    for _, _, target, _ in cli._COMMANDS:
        importlib.import_module(f"leadhub.cli.{target.partition(':')[0]}")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            command(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def command(order: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        for descriptor, path in enumerate((os.devnull, order["out"], order["err"])):
            os.dup2(os.open(path, os.O_RDWR), descriptor)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(one, mode, closefd=False) for one, mode in enumerate("rww"))
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv = ["leadhub", *order["arguments"]]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a process
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
