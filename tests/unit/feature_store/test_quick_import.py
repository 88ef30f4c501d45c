import subprocess
import sys
from pathlib import Path

CODE = """
import recstack.feature_store
import typeguard
from feast import Entity

Entity(name="user", description=5)  # Feast's check would raise a TypeCheckError


@typeguard.typechecked
def double(number: int) -> int:
    return 2 * number


try:
    double("two")
except typeguard.TypeCheckError:
    print("typeguard works")
"""


def test_feast_is_imported_without_its_type_checks_and_typeguard_works_afterwards(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(CODE)
    done = subprocess.run([sys.executable, "-W", "ignore", script], capture_output=True, text=True, check=False)
    assert done.stdout == "typeguard works\n", done.stderr
