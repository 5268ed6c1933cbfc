#!/bin/bash
# Build a Debian 12 box for vagrant-libvirt from Debian's packages: a disk with GRUB on it, as real boxes have.
# Nothing is mounted and no machine is booted: mke2fs -d fills the file system, and GRUB's two parts are copied in front.
# The packages and wheels that provisioning needs are in the box, so that provisioning needs no network.
#
# usage: build-box.sh OUTDIR     as root; makes OUTDIR/debian12.box
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$here/../..
out=$(realpath -m "${1:?usage: build-box.sh OUTDIR}")
size=4G
first_sector=2048
# shellcheck disable=SC2016  # the names are apt's
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME)' 'Identifier: Packages' | awk '$2 == "bookworm" {print $1; exit}')

packages=(linux-image-cloud-amd64 initramfs-tools zstd grub2-common grub-pc-bin
    systemd systemd-sysv systemd-resolved libpam-systemd dbus udev kmod
    openssh-server rsync ca-certificates netbase python3-pip)
mapfile -t -O ${#packages[@]} packages < <("$project/provision.sh" --vm lab --packages)

mkdir -p "$out"
root=$(mktemp -d "$out/root.XXXXXX")
chmod 755 "$root"
trap 'rm -rf --one-file-system "$root" "$out/disk.raw"' EXIT
lap() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# --- the files
mmdebstrap --quiet --mode=root --variant=minbase --skip=cleanup/reproducible \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --essential-hook="mkdir -p \"\$1/etc/initramfs-tools/conf.d\" && cp '$here/initramfs.conf' \"\$1/etc/initramfs-tools/conf.d/box\"" \
    --essential-hook="cp '$here/initramfs.modules' \"\$1/etc/initramfs-tools/modules\"" \
    --include="$(IFS=,; echo "${packages[*]}")" bookworm "$root" \
    "deb $mirror bookworm main" "deb $mirror bookworm-updates main" "deb ${mirror%/debian}/debian-security bookworm-security main"
lap "packages"

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"  # the registries as this machine trusts them
cp -L --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
mkdir "$root/opt/wheels"
cp "$project/requirements.lock" "$root/tmp/"
chroot "$root" python3 -m pip --quiet --disable-pip-version-check download --cert /etc/ssl/certs/ca-certificates.crt \
    --require-hashes --only-binary=:all: --requirement /tmp/requirements.lock --dest /opt/wheels
printf '[global]\nno-index = true\nfind-links = /opt/wheels\n' > "$root/etc/pip.conf"
lap "wheels"

# --- what every Vagrant box has
echo 'LABEL=root / ext4 defaults,noatime,x-systemd.growfs 0 0' > "$root/etc/fstab"
echo debian12 > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 debian12\n::1 localhost ip6-localhost ip6-loopback\n' > "$root/etc/hosts"
cp "$here/box.network" "$root/etc/systemd/network/80-dhcp.network"
ln -sf /run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"
chroot "$root" systemctl --quiet enable systemd-networkd systemd-resolved ssh
chroot "$root" systemctl --quiet disable systemd-networkd-wait-online
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
chroot "$root" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD:ALL' > "$root/etc/sudoers.d/vagrant"
install -d -m 700 "$root/home/vagrant/.ssh"
cat /usr/share/rubygems-integration/all/gems/vagrant-[0-9]*/keys/vagrant.pub > "$root/home/vagrant/.ssh/authorized_keys"  # Vagrant puts one of its own there
chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh
printf 'UseDNS no\nPrintMotd no\n' > "$root/etc/ssh/sshd_config.d/box.conf"
: > "$root/etc/machine-id"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root/tmp/requirements.lock"

# --- the boot loader: its modules, its first configuration (update-grub writes the next one), and its image
cp "$here/box.grub" "$root/etc/default/grub"
mkdir -p "$root/boot/grub"
cp -r "$root/usr/lib/grub/i386-pc" "$root/boot/grub/"
kernel=$(basename "$root"/boot/vmlinuz-*)
arguments=$(sed -n 's/^GRUB_CMDLINE_LINUX_DEFAULT="\(.*\)"/\1/p' "$here/box.grub")
cat > "$root/boot/grub/grub.cfg" <<END
linux /boot/$kernel root=LABEL=root ro $arguments
initrd /boot/${kernel/vmlinuz/initrd.img}
boot
END
chroot "$root" grub-mkimage --format=i386-pc --output=/boot/grub/core.img --prefix='(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2

# --- the disk
rm -f "$out/disk.raw"
truncate -s $size "$out/disk.raw"
echo "start=$first_sector, type=83, bootable" | sfdisk --quiet "$out/disk.raw"
mke2fs -q -t ext4 -L root -E "root_owner=0:0,offset=$((first_sector * 512))" -d "$root" "$out/disk.raw" \
    $(($(stat -c %s "$out/disk.raw") / 1024 - first_sector / 2))K
dd if="$root/boot/grub/i386-pc/boot.img" of="$out/disk.raw" bs=440 count=1 conv=notrunc status=none
dd if="$root/boot/grub/core.img" of="$out/disk.raw" bs=512 seek=1 conv=notrunc status=none
qemu-img convert -f raw -O qcow2 "$out/disk.raw" "$out/box.img"
lap "disk"

echo "{\"provider\": \"libvirt\", \"format\": \"qcow2\", \"virtual_size\": ${size%G}}" > "$out/metadata.json"
cp "$here/box.Vagrantfile" "$out/Vagrantfile"
tar -C "$out" -cf "$out/debian12.box" metadata.json Vagrantfile box.img
rm "$out/box.img" "$out/metadata.json" "$out/Vagrantfile"
lap "box: $(du -h "$out/debian12.box" | cut -f1)"
