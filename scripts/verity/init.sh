#!/bin/busybox sh
# The only process that the emulated machine starts: runs every step and says how it ended.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox mkdir /tmp/bin
/bin/busybox --install -s /tmp/bin
# The console is a terminal, and progress bars are not what is looked for.
export PATH=/tmp/bin HOME=/tmp TERM=dumb
mount -t ext4 /dev/nvme1n1 /models
mount -t ext4 /dev/nvme2n1 /plain
chmod 755 /models

step() {
  name=$1
  shift
  echo "@begin $name"
  "$@" 2>&1
  code=$?
  echo
  echo "@end $name $code"
}
cli() { /node /app/dist/cli/main.js "$@"; }
append() { echo x >> "$1"; }
read_only() {
  mount -o bind /models /tmp/ro && mount -o remount,bind,ro /tmp/ro && cli protect --json --no-require-digest /tmp/ro/second.gguf
}

step kernel uname -srm
step verity env TMPDIR=/models /verity --include-ignored --nocapture
step guards env TMPDIR=/models /guards
mkdir /models/m /tmp/ro
cp /m.gguf /models/m/m.gguf
cp /m.gguf /models/second.gguf
cp /m.gguf /plain/m.gguf
step unprotected cli verify --json --min-guard fs-verity /models/m/m.gguf
step unpromised cli protect --json /models/m/m.gguf
step protect cli protect --json --sha256 "$(cat /m.sha256)" --audit /models/audit /models/m/m.gguf
step again cli protect --json --sha256 "$(cat /m.sha256)" --audit /models/audit /models/m/m.gguf
step verify cli verify --json --min-guard fs-verity --audit /models/audit /models/m/m.gguf
step append append /models/m/m.gguf
step read-only read_only
step featureless cli protect --json --no-require-digest /plain/m.gguf
step trail cli audit verify /models/audit
umount /plain
poweroff -f
