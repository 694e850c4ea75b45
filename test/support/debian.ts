/**
 * Programs of Debian's packages, from where they are installed. A CI run that lacks them unpacks Debian's signed packages into the
 * user's cache instead: nothing is installed, no service starts, no system folder changes.
 */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../scripts/cache.mjs";

/** Fetching 60 MB at the very worst; a test that waits for it needs a little more. */
const INSTALL_SECONDS_MAX = 120;
export const INSTALL_MS_MAX: number = (INSTALL_SECONDS_MAX + 20) * 1000;

/** Two test files may come at once, hence the lock; a half-made folder is never used, hence the rename. */
const INSTALL = `
set -eu
place=$1 probe=$2
shift 2
mkdir -p "$place"
exec 9>"$place/lock"
flock 9
[ ! -e "$place/root/$probe" ] || exit 0
rm -rf "$place/new" "$place/root"
mkdir -p "$place/new/lists/partial" "$place/new/cache/archives/partial" "$place/new/root"
cd "$place/new"
fetch() {
  apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=15 "$@"
}
# The machine's package lists may be absent or old; then with lists of our own, so that the machine's stay as they are.
fetch download "$@" || {
  lists="Dir::State::lists=$place/new/lists" cached="Dir::Cache=$place/new/cache"
  fetch -o "$lists" -o "$cached" update
  fetch -o "$lists" -o "$cached" download "$@"
}
for package in ./*.deb; do dpkg -x "$package" root; done
mv root "$place/root"
rm -rf "$place/new"
`;

export interface DebianPackages {
  /** Of the folder in the cache. */
  readonly name: string;
  readonly packages: readonly string[];
  /** A file that they hold, such as `usr/bin/promtool`. */
  readonly probe: string;
}

/** Where the packages are, or would be, unpacked. */
export function unpackedRoot(name: string): string {
  return join(cacheFolder(name), "root");
}

/** Unpacks them in a CI run. Resolves with the reason where they cannot be had. */
export async function unpackDebian({ name, packages, probe }: DebianPackages): Promise<string | undefined> {
  if (process.env["CI"] !== "true") return `${packages.join(" and ")} are not installed`;
  try {
    await run(["timeout", "--kill-after=5", String(INSTALL_SECONDS_MAX), "sh", "-c", INSTALL, "sh", cacheFolder(name), probe, ...packages]);
    return undefined;
  } catch (failure) {
    return `${packages.join(" and ")} could not be fetched from Debian: ${messageOf(failure)}`;
  }
}

/** The program, installed or unpacked. */
export function locate(program: string, name: string): string | undefined {
  const usual = ["/usr/bin", "/usr/sbin", "/usr/local/bin"];
  const unpacked = ["usr/bin", "usr/sbin", "bin", "sbin"].map((folder) => join(unpackedRoot(name), folder));
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...usual, ...unpacked];
  return folders.filter((folder) => folder !== "").map((folder) => join(folder, program)).find(isExecutable);
}

/** What the unpacked programs need to find their libraries; nothing where none are unpacked. */
export function unpackedLibraries(name: string): Record<string, string> {
  const root = unpackedRoot(name);
  if (!existsSync(root)) return {};
  const multiarch = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  return { LD_LIBRARY_PATH: ["usr/lib", "lib"].map((folder) => join(root, folder, multiarch)).join(":") };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function run([program = "", ...args]: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(program, args);
}

export function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
