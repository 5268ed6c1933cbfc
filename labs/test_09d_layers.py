"""Image layers: what a layer is called, and how images share it.

An image is a list of layers. A layer is a tar archive of the files that it adds. A *digest* is the SHA-256 sum of some
bytes, 64 hexadecimal digits: the same bytes have the same digest everywhere, so it can serve as their name.

A layer has two such names. Its *diff id* is the digest of the archive: it says what is in the layer. Its *chain id*
also says what lies below it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from runtime.lab import Choice, Lab, Number, Window, needs


def test_image_layers(lab: Lab) -> None:
    """Two small images, with tar and sha256sum alone.

    They are written as the image specification of OCI asks, which Docker and all other engines follow. No engine is
    needed for that.
    """
    first = lab.window("first")

    with lab.step(
        "Pack a layer",
        """
        A layer with one file is packed by tar, and sha256sum computes its digest. Then the file is touched, which gives
        it another time, and the layer is packed again.
        """,
        found="The digest of a layer depends on the time, the owner and the mode of each file, and on its content.",
        why="""
            tar writes all of them into the archive. Whoever wants the same image from the same files (a reproducible
            build) has to fix them, and the order of the files too: then the digest is the same again.
        """,
        hint="What does `tar -tv` show besides the names?",
        watch=[first],
        claims=["img-01"],
        ask=Choice(
            "Which of these gives the layer another digest?",
            "another content only",
            "another time of the file, too",
            "each packing, even of untouched files",
        ),
    ) as step:
        first.run("mkdir debian ubuntu added && echo Debian > debian/name && echo Ubuntu > ubuntu/name")
        first.run("echo hello > added/greeting")
        packed = [first.run("tar -c -C added . | sha256sum") for _ in range(2)]
        first.run("touch -d 2001-01-01 added/greeting")
        touched = first.run("tar -c -C added . | sha256sum")
        step.answer(
            {
                "another content only": packed[0] == packed[1] == touched,
                "another time of the file, too": packed[0] == packed[1] != touched,
                "each packing, even of untouched files": packed[0] != packed[1],
            },
            saw=(*packed, touched),
        )
        assert packed[0] == packed[1]
        assert touched != packed[0]
        fixed = pack(first, "added")
        first.run("touch -d 2011-11-11 added/greeting")
        assert pack(first, "added") == fixed

    base, other, added = pack(first, "debian"), pack(first, "ubuntu"), fixed
    blobs = [image(lab.directory / f"{below}.tar", lab.directory / "added.tar") for below in ("debian", "ubuntu")]
    configs = [f"/proc/PID/cwd/images/blobs/sha256/{digest(config)}" for config, _ in blobs]

    with lab.step(
        "Write two images",
        """
        The first image is `added` on top of `debian`, the second is `added` on top of `ubuntu`. All parts lie in one
        directory, blobs/sha256, each under its own digest: the layers, and for each image a configuration and a
        manifest, the list of its parts.
        """,
        found="A layer that two images use is kept once.",
        why="""
            What is named by its digest needs to be there only once, however many images use it, and whoever fetches it
            can check it. Engines and registries do the same (OCI image specification, image-layout.md).
        """,
        hint="Two images, each with two layers.",
        watch=[first],
        files=[*configs, "/proc/PID/cwd/images"],
        claims=["img-02"],
        ask=Number("How many layers lie in blobs/sha256?"),
    ) as step:
        first.run("mkdir -p images/blobs/sha256")
        first.run(
            "for l in debian ubuntu added; do cp $l.tar images/blobs/sha256/$(sha256sum < $l.tar | cut -c-64); done"
        )
        write_layout(lab.directory / "images", blobs)
        sums = [line.split() for line in first.run("(cd images/blobs/sha256 && sha256sum *)").splitlines()]
        layers = sorted({layer for config, _ in blobs for layer in diff_ids(config)} & {name for _, name in sums})
        step.answer(len(layers))
        assert [diff_ids(config) for config, _ in blobs] == [[base, added], [other, added]]
        assert layers == sorted([base, other, added])
        assert len(sums) == 7
        assert all(content == name for content, name in sums)

    with lab.step(
        "The formula of the notes",
        """
        The notes give a formula, chain id(n) = SHA256(chain id(n-1) diff id(n)), and an example with three ids. Four
        ways to write the two names into one line are tried. Which of them gives the third id of the notes?
        """,
        found="The line is: sha256: and the chain id below, a blank, sha256: and the diff id, and no end of line.",
        why="""
            See config.md of the OCI image specification, section "Layer ChainID". The chain id of the lowest layer is
            its diff id. Docker keeps what it knows of a layer in a directory of that name,
            image/overlay2/layerdb/sha256/CHAIN.
        """,
        hint="echo ends a line with a newline, which is a byte more; echo -n does not.",
        watch=[first],
        claims=["img-03"],
        ask=Choice(
            "chain is the id below, diff the id of the layer. Of which line is the chain id the digest?",
            "chain diff",
            "sha256:chain sha256:diff",
            "sha256:diff sha256:chain",
            "sha256:chain sha256:diff and a newline",
        ),
    ) as step:
        plain = first.run(f"echo -n '{NOTES_BELOW} {NOTES_DIFF}' | sha256sum").split()[0]
        named = first.run(f"echo -n 'sha256:{NOTES_BELOW} sha256:{NOTES_DIFF}' | sha256sum").split()[0]
        turned = first.run(f"echo -n 'sha256:{NOTES_DIFF} sha256:{NOTES_BELOW}' | sha256sum").split()[0]
        ended = first.run(f"echo 'sha256:{NOTES_BELOW} sha256:{NOTES_DIFF}' | sha256sum").split()[0]
        step.answer(
            {
                "chain diff": plain == NOTES_CHAIN,
                "sha256:chain sha256:diff": named == NOTES_CHAIN,
                "sha256:diff sha256:chain": turned == NOTES_CHAIN,
                "sha256:chain sha256:diff and a newline": ended == NOTES_CHAIN,
            }
        )
        assert named == NOTES_CHAIN

    with lab.step(
        "The same layer in another place",
        """
        `added` lies on `debian` in one image, and on `ubuntu` in the other. Its chain ids are computed, and written
        down as Docker does: a directory for each chain id, with the files diff and parent. Read them.
        """,
        found="The same layer on another base has the same diff id and another chain id.",
        why="""
            A layer alone does not say what the container will see: that depends on the layers below. The chain id
            stands for the whole pile up to this layer, so one chain id has one root file system.
        """,
        hint="The chain id is made of two names. Is the first of them the same in both images?",
        watch=[first],
        files=[*configs, "/proc/PID/cwd/layerdb/sha256"],
        claims=["img-04"],
        ask=Choice(
            "`added` is in both images. Which of its names differ between the two?",
            "neither",
            "the chain id",
            "the diff id",
            "both",
        ),
    ) as step:
        chains = [first.run(f"echo -n 'sha256:{low} sha256:{added}' | sha256sum").split()[0] for low in (base, other)]
        for low, chain in zip((base, other), chains, strict=True):
            keep_layer(lab.directory, chain=low, diff=low)
            keep_layer(lab.directory, chain=chain, diff=added, parent=low)
        first.run("tail -n +1 layerdb/sha256/*/diff layerdb/sha256/*/parent")
        diffs = {diff_ids(config)[1] for config, _ in blobs}
        step.answer(
            {
                "neither": len(set(chains)) == 1 and len(diffs) == 1,
                "the chain id": len(set(chains)) == 2 and len(diffs) == 1,
                "the diff id": len(set(chains)) == 1 and len(diffs) == 2,
                "both": len(set(chains)) == 2 and len(diffs) == 2,
            },
            saw=(chains, diffs),
        )
        assert chains[0] != chains[1]
        assert diffs == {added}
        assert len(list((lab.directory / "layerdb/sha256").iterdir())) == 4


NOTES_BELOW = "ccdbb80308cc5ef43b605ac28fac29c6a597f89f5a169bbedbb8dec29c987439"  # the three ids are those of the notes
NOTES_DIFF = "63c99163f47292f80f9d24c5b475751dbad6dc795596e935c5c7f1c73dc08107"
NOTES_CHAIN = "8d8dceacec7085abcab1f93ac1128765bc6cf0caac334c821e01546bd96eb741"


@needs("docker", "Docker engine")
def test_image_layers_of_docker(lab: Lab) -> None:
    """How Docker keeps the layers of an image.

    The directory image/overlay2 of Docker holds what Docker knows of its images: imagedb the configurations, layerdb a
    directory for each chain id. The files of the layers are elsewhere, in overlay2.
    """
    if not lab.facts.vm:
        lab.unsupported("an image would change this machine", "run it in the VM (vagrant up), with Docker installed")
    first = lab.window("first")
    root = first.run("docker info --format '{{.DockerRootDir}}/image/{{.Driver}}'")
    if not Path(root, "layerdb").is_dir():
        lab.unsupported(
            "this engine keeps its images in containerd, not in layerdb",
            'write {"features": {"containerd-snapshotter": false}} into /etc/docker/daemon.json and restart docker',
        )
    first.run("mkdir base && echo one > base/one && echo two > two")
    first.run("tar -c -C base . | docker import - unshared-layers:1")
    container = first.run("docker create unshared-layers:1 /none")
    first.run(f"docker cp two {container}:/two && docker commit {container} unshared-layers:2 && docker rm {container}")
    shape = "docker image inspect --format"
    identity = first.run(f"{shape} '{{{{.Id}}}}' unshared-layers:2").removeprefix("sha256:")
    first.run(f"cd {root}")

    with lab.step(
        "Find the layer by its chain id",
        """
        An image was imported, a file was copied into a container of it, and the container was committed. Docker tells
        the diff ids of the second image. The chain id of its upper layer is computed as before.
        """,
        found="The chain id names a directory of layerdb; its cache-id names the directory with the files.",
        why="""
            In layerdb diff holds the diff id, parent the chain id below, cache-id the name of the directory in overlay2
            in which the files are (layer/filestore.go of moby). The diff id alone finds it for the lowest layer only.
        """,
        hint="A commit adds what is in the directory of the container that can be written to.",
        watch=[first],
        files=[f"/proc/PID/cwd/imagedb/content/sha256/{identity}", "/proc/PID/cwd/layerdb/sha256"],
        claims=["img-05"],
        ask=Number("How many layers has the committed image?"),
    ) as step:
        diffs = first.run(f"{shape} '{{{{range .RootFS.Layers}}}}{{{{.}}}} {{{{end}}}}' unshared-layers:2").split()
        step.answer(len(diffs))
        assert len(diffs) == 2
        chain = first.run(f"echo -n '{diffs[0]} {diffs[1]}' | sha256sum").split()[0]
        assert first.run(f"ls layerdb/sha256/{chain}", status=(0, 2)).status == 0
        known = {name: Path(root, "layerdb/sha256", chain, name).read_text() for name in ("diff", "parent", "cache-id")}
        assert known["diff"] == diffs[1]
        assert known["parent"] == diffs[0]
        assert first.run(f"cat {root}/../../overlay2/{known['cache-id']}/diff/two") == "two"
        assert not Path(root, "layerdb/sha256", diffs[1].removeprefix("sha256:")).exists()
        assert Path(root, "layerdb/sha256", diffs[0].removeprefix("sha256:"), "cache-id").exists()

    with lab.step(
        "Remove the upper image",
        "The committed image is removed. The imported one, whose layer both had, stays.",
        found="A layer stays as long as any image or container uses it.",
        why="Docker counts the users of each layer (layer/layer_store.go of moby).",
        watch=[first],
        files=[f"/proc/PID/cwd/imagedb/content/sha256/{identity}", "/proc/PID/cwd/layerdb/sha256"],
        shows=["img-02"],
    ):
        first.run("docker rmi unshared-layers:2")
        assert not Path(root, "layerdb/sha256", chain).exists()
        assert Path(root, "layerdb/sha256", diffs[0].removeprefix("sha256:"), "diff").read_text() == diffs[0]
        first.run("docker rmi unshared-layers:1")


# What the exercises share


def pack(window: Window, layer: str) -> str:
    """Pack a directory as LAYER.tar, with nothing in it that differs from time to time; the digest of the archive."""
    window.run(f"tar -c --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C {layer} . > {layer}.tar")
    return window.run(f"sha256sum {layer}.tar").split()[0]


def digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def image(*layers: Path) -> tuple[bytes, bytes]:
    """(configuration, manifest) of an image with these layers, the lowest first: OCI image specification."""
    history: list[dict[str, object]] = [{"created_by": f"ADD {layer.stem} in /"} for layer in layers]
    history.insert(1, {"created_by": "ENV GREETING=hello", "empty_layer": True})
    about = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["GREETING=hello"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer.read_bytes())}" for layer in layers]},
        "history": history,
    }
    config = json.dumps(about).encode()
    parts = [described(layer.read_bytes(), "layer.v1.tar") for layer in layers]
    manifest = {"schemaVersion": 2, "config": described(config, "config.v1+json"), "layers": parts}
    return config, json.dumps(manifest).encode()


def described(blob: bytes, kind: str) -> dict[str, Any]:
    """What names a blob in a manifest or an index."""
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest(blob)}", "size": len(blob)}


def diff_ids(config: bytes) -> list[str]:
    """The diff ids of the layers that a configuration names, the lowest first."""
    return [name.removeprefix("sha256:") for name in json.loads(config)["rootfs"]["diff_ids"]]


def write_layout(folder: Path, images: list[tuple[bytes, bytes]]) -> None:
    """Write configurations and manifests into an image layout that holds the layers already."""
    for blob in (blob for parts in images for blob in parts):
        (folder / "blobs" / "sha256" / digest(blob)).write_bytes(blob)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    index = {"schemaVersion": 2, "manifests": [described(manifest, "manifest.v1+json") for _, manifest in images]}
    (folder / "index.json").write_text(json.dumps(index))


def keep_layer(directory: Path, chain: str, diff: str, parent: str = "") -> None:
    """What Docker writes down of a layer: layerdb/sha256/CHAIN with the files diff and parent."""
    place = directory / "layerdb/sha256" / chain
    place.mkdir(parents=True, exist_ok=True)
    (place / "diff").write_text(f"sha256:{diff}")
    if parent:
        (place / "parent").write_text(f"sha256:{parent}")
