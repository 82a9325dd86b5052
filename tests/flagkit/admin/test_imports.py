"""A file is changed without AWS's client."""

from __future__ import annotations

import subprocess
import sys


def test_changing_a_file_loads_no_aws_client(tmp_path):
    code = (
        "import sys; from flagkit.admin import edits; from flagkit.admin.stores import Note, open_store; "
        f"store = open_store({f'file:{tmp_path}/flags.json'!r}); base = store.read(missing_ok=True); "
        "store.save(base, edits.create(base.document, 'a'), Note()); "
        "print(*{name.split('.')[0] for name in sys.modules} & {'boto3', 'botocore', 'httpx', 'moto', 'typer', 'rich'})"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
