#!/usr/bin/env bash
# Usage: tests/filesystems.sh CRASH FAULTS SECONDS. As root: file systems on loop devices, and on
# each the crash test, limits of the process, and a disk that is really full. What cannot be made is
# skipped, which is said.
set -uo pipefail
crash=$1
faults=$2
seconds=$3
home=$(mktemp -d)
code=0
if [ "$(id -u)" -ne 0 ]; then
    echo "skipped: file systems on loop devices need root"
    exit 0
fi
clean_up() {
    umount "$home/mounted" 2> /dev/null
    rm -rf "$home"
}
trap clean_up EXIT
mkdir "$home/mounted"
for kind in "ext4 -b 1024" "ext4 -b 4096" "xfs" "btrfs"; do
    read -r name options <<< "$kind"
    rm -f "$home/image"
    truncate --size 320M "$home/image"
    # shellcheck disable=SC2086
    if ! command -v "mkfs.$name" > /dev/null || ! "mkfs.$name" -q $options "$home/image" ||
        ! mount -o loop "$home/image" "$home/mounted"; then
        echo "skipped: $kind (no mkfs.$name, or it cannot be mounted here)"
        continue
    fi
    echo "== $kind"
    if [ "$name" = btrfs ]; then
        # Refused, which says where the live file may lie instead.
        "$crash" run --seconds 1 --directory "$home/mounted" > "$home/said" 2>&1
        grep -o 'cannot reserve space.*' "$home/said" || { echo "WRONG: not refused"; code=1; }
        umount "$home/mounted"
        continue
    fi
    "$crash" run --seconds "$seconds" --directory "$home/mounted" > "$home/said" 2>&1 || code=1
    tail -n 3 "$home/said"
    COTAS_FAULTS_DIRECTORY="$home/mounted" "$faults" limits full || code=1
    umount "$home/mounted"
done
exit "$code"
