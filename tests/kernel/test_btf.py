"""BTF: a small file built by hand, and the running kernel's."""

import struct
from pathlib import Path

import pytest

from runtime.kernel import btf


def type_record(name: int, kind: int, vlen: int, size: int, behind: bytes = b"") -> bytes:
    return struct.pack("=III", name, kind << 24 | vlen, size) + behind


def member(name: int, type_id: int, offset: int = 0) -> bytes:
    return struct.pack("=III", name, type_id, offset)


def build() -> bytes:
    """int (1), union (2) of a and b without a name, struct demo (3) of int x, the union, int y; struct "x" is none."""
    strings = b"\0int\0demo\0x\0a\0b\0y\0"
    at = {name: strings.index(b"\0" + name.encode() + b"\0") + 1 for name in ("int", "demo", "x", "a", "b", "y")}
    types = type_record(at["int"], 1, 0, 4, struct.pack("=I", 32))
    types += type_record(0, 5, 2, 4, member(at["a"], 1) + member(at["b"], 1))
    types += type_record(at["demo"], 4, 3, 12, member(at["x"], 1) + member(0, 2, 32) + member(at["y"], 1, 64))
    header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


def test_members_of_anonymous_unions_stand_in_their_place() -> None:
    assert btf.members(build(), ("demo",)) == {"demo": ["x", "a", "b", "y"]}


def test_names_that_are_no_struct_are_left_out() -> None:
    assert btf.members(build(), ("x", "int", "absent")) == {}


def build_enum() -> bytes:
    """int (1), an enum (2) without a name: low = 0, high = 0xEFFFFFFF."""
    strings = b"\0int\0low\0high\0"
    at = {name: strings.index(b"\0" + name.encode() + b"\0") + 1 for name in ("int", "low", "high")}
    types = type_record(at["int"], 1, 0, 4, struct.pack("=I", 32))
    types += type_record(0, 6, 2, 4, struct.pack("=IIII", at["low"], 0, at["high"], 0xEFFFFFFF))
    header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


def test_values_of_an_enum() -> None:
    assert btf.enumerators(build_enum(), ("high", "low", "int", "absent")) == {"high": 0xEFFFFFFF, "low": 0}
    with pytest.raises(btf.BtfError):
        btf.enumerators(build_enum()[:60], ("low",))


@pytest.mark.parametrize("data", [b"", b"\0" * 24, build()[:60]], ids=["empty", "zeros", "cut"])
def test_other_data_is_refused(data: bytes) -> None:
    with pytest.raises(btf.BtfError):
        btf.members(data, ("demo",))


@pytest.mark.skipif(not Path(btf.VMLINUX).exists(), reason="this kernel was built without BTF")
def test_the_running_kernel_has_the_structs_of_the_labs() -> None:
    structs = btf.kernel_structs()
    assert {"uts_ns", "ipc_ns", "mnt_ns", "pid_ns_for_children", "net_ns"} <= set(structs["nsproxy"])
    assert structs["new_utsname"] == ["sysname", "nodename", "release", "version", "machine", "domainname"]
    assert {"uid", "cap_effective", "user_ns"} <= set(structs["cred"])
    assert {"nsproxy", "cred"} <= set(structs["task_struct"])
    assert "user_ns" not in structs["nsproxy"]
