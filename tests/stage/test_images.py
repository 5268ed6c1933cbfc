"""The pictures of the stage in the README: made from a real run by docs/stage_images.py."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tests.conftest import ROOT, clean_environment


def test_a_picture_is_made_from_a_real_run(tmp_path: Path) -> None:
    command = [sys.executable, "docs/stage_images.py", str(tmp_path), "question"]
    subprocess.run(command, cwd=ROOT, env=clean_environment(), check=True, timeout=100)
    picture = (tmp_path / "stage-question.svg").read_text()
    text = "".join(ElementTree.fromstring(picture).itertext()).replace("\xa0", " ")
    for expected in ("step 2 of", "What do you think?", "the domain name only"):
        assert expected in text
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")  # no font from elsewhere


def test_the_readme_has_pictures_of_the_stage() -> None:
    for picture in (ROOT / "docs/images").glob("stage-*.svg"):
        ElementTree.parse(picture)
    assert len(list((ROOT / "docs/images").glob("stage-*.svg"))) == 3
