"""Where the parts of a checkout lie, what labs are called, and the variables by which one pytest tells the next."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LABS = ROOT / "labs"

WHY_VARIABLE = "UNSHARED_TARGET_WHY"  # tells the inner pytest which target was taken, and why
SANDBOX_VARIABLE = "UNSHARED_SANDBOX"  # the run id, in the environment of everything inside the sandbox
REPORT_VARIABLE = "UNSHARED_REPORT"  # what the report directory is called outside the VM


def lab_name(file: Path) -> str:
    """The name of a lab: ``uts`` of test_01_uts.py, ``review`` of test_06b_review.py."""
    return re.sub(r"^test_(\d+[a-z]?_)?", "", file.stem)


def lab_number(file: Path) -> int:
    """The number in the file name of a lab: 1 of test_01_uts.py and test_01b_uts_kernel.py; 99 where there is none."""
    return lab_place(file) // 10


def lab_place(file: Path) -> int:
    """The place of a lab in the course: 10 of test_01_uts.py, 12 of test_01b_uts_kernel.py; 990 where there is none."""
    found = re.match(r"test_(\d+)([a-i]?)_", file.name)
    return int(found[1]) * 10 + " abcdefghi".index(found[2] or " ") if found else 990
