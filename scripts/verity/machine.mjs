/** An emulated machine with a kernel of Debian's: fetched, given disks, booted to its end. */
import { access, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../cache.mjs";
import { run } from "../command.mjs";

/** Built without drivers that an emulated machine has not; ext4, NVMe and fs-verity are not modules in it. */
const KERNEL = "linux-image-cloud-amd64";
const QEMU = "qemu-system-x86_64";

/** @returns {Promise<{ qemu: readonly string[], kernel: string, busybox: string }>} where everything is */
export async function prepare() {
  if (process.arch !== "x64") throw new Error("the machine that is emulated has an x86-64 processor, and so must this one");
  const root = await unpacked();
  const [kernel] = (await readdir(join(root, "boot"))).filter((name) => name.startsWith("vmlinuz-"));
  return { qemu: await emulator(root), kernel: join(root, "boot", kernel), busybox: join(root, "bin/busybox") };
}

/** The folder that the packages are unpacked in; made once, and only whole. */
async function unpacked() {
  const place = cacheFolder("verity-machine");
  const root = join(place, "root");
  if (await exists(root)) return root;
  console.log("verity-check: fetching Debian's packages");
  const fresh = join(place, "new");
  await rm(fresh, { recursive: true, force: true });
  await mkdir(join(fresh, "archives/partial"), { recursive: true });
  await mkdir(join(fresh, "lists/partial"), { recursive: true });
  await fetchInto(fresh);
  for (const name of (await readdir(join(fresh, "archives"))).filter((name) => name.endsWith(".deb"))) {
    await must("dpkg", ["-x", join(fresh, "archives", name), join(fresh, "root")]);
  }
  await rename(join(fresh, "root"), root);
  await rm(fresh, { recursive: true, force: true });
  return root;
}

/** What the machine has already is not fetched again, so programs from here need its libraries and the fetched ones. */
async function fetchInto(fresh) {
  const own = ["-q", "-y", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1", "-o", `Dir::Cache=${fresh}`, "-o", "Acquire::Retries=1"];
  const wanted = ["install", "--download-only", "--no-install-recommends", "--reinstall", KERNEL, "busybox-static", ...((await installed()) ? [] : ["qemu-system-x86"])];
  if ((await run("apt-get", [...own, ...wanted], { quiet: true })).code === 0) return;
  // The machine's package lists may be absent or old; then with lists of our own, so that the machine's stay as they are.
  const lists = [...own, "-o", `Dir::State::lists=${join(fresh, "lists")}`];
  await must("apt-get", [...lists, "update"]);
  await must("apt-get", [...lists, ...wanted]);
}

async function emulator(root) {
  if (await installed()) return [QEMU];
  const libraries = ["usr/lib", "lib"].map((folder) => join(root, folder, "x86_64-linux-gnu")).join(":");
  const firmware = ["qemu", "seabios"].map((name) => join(root, "usr/share", name));
  return ["env", `LD_LIBRARY_PATH=${libraries}`, join(root, "usr/bin", QEMU), ...firmware.flatMap((folder) => ["-L", folder]), "-L", join(root, "usr/lib/ipxe/qemu")];
}

async function installed() {
  return (await run(QEMU, ["--version"], { quiet: true })).code === 0;
}

/** A disk with an ext4 of 4 KiB blocks, as fs-verity needs them, and what `folder` holds. */
export async function makeDisk(path, { mebibytes, features, folder }) {
  const file = await open(path, "w");
  await file.truncate(mebibytes << 20);
  await file.close();
  const options = [...(features.length === 0 ? [] : ["-O", features.join(",")]), ...(folder === undefined ? [] : ["-d", folder])];
  await must(await mke2fs(), ["-q", "-t", "ext4", "-b", "4096", ...options, path]);
  return path;
}

/** Not in everybody's search path. */
async function mke2fs() {
  return (await exists("/usr/sbin/mke2fs")) ? "/usr/sbin/mke2fs" : "mke2fs";
}

/** Boots from the first disk, which it cannot write to, and returns all that the machine wrote to its console. */
export async function boot({ qemu, kernel }, disks, seconds) {
  const drives = disks.flatMap((path, number) => [
    "-drive", `file=${path},if=none,id=d${number},format=raw${number === 0 ? ",readonly=on" : ""}`, "-device", `nvme,drive=d${number},serial=d${number}`,
  ]);
  const machine = ["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048", "-nodefaults", "-no-reboot", "-display", "none"];
  const command = [...qemu, ...machine, "-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 root=/dev/nvme0n1 ro init=/init panic=-1 quiet", ...drives];
  const { output } = await run("timeout", ["--kill-after=5", String(seconds), ...command], { quiet: true });
  return output;
}

async function must(command, args) {
  const { code, output } = await run(command, args, { quiet: true });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
}

function exists(path) {
  return access(path).then(() => true, () => false);
}
