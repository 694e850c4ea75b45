/**
 * promtool, prometheus and alertmanager, from where they are installed.
 *
 * To have them: `apt-get install --no-install-recommends prometheus prometheus-alertmanager`. A CI run that lacks them unpacks
 * Debian's signed packages into the user's cache instead: nothing is installed, no service starts, no system folder changes.
 */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** Each is the beginning of a command line. */
export interface Tools {
  readonly promtool: readonly string[];
  readonly prometheus: readonly string[];
  readonly alertmanager: readonly string[];
}

/** Fetching 40 MB at the very worst; a test that waits for it needs a little more. */
const INSTALL_SECONDS_MAX = 120;
export const TOOLS_MS_MAX = (INSTALL_SECONDS_MAX + 20) * 1000;

/** Debian's alertmanager reads its template from here and from nowhere else. */
const TEMPLATE = "prometheus/alertmanager/default.tmpl";

/** Two test files may come at once, hence the lock; a half-made folder is never used, hence the rename. */
const INSTALL = `
set -eu
mkdir -p "$1"
exec 9>"$1/lock"
flock 9
[ ! -x "$1/root/usr/bin/promtool" ] || exit 0
rm -rf "$1/new" "$1/root"
mkdir -p "$1/new/lists/partial" "$1/new/cache/archives/partial" "$1/new/root"
cd "$1/new"
fetch() {
  apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=15 "$@"
}
# The machine's package lists may be absent or old; then with lists of our own, so that the machine's stay as they are.
fetch download prometheus prometheus-alertmanager || {
  lists="Dir::State::lists=$1/new/lists" cached="Dir::Cache=$1/new/cache"
  fetch -o "$lists" -o "$cached" update
  fetch -o "$lists" -o "$cached" download prometheus prometheus-alertmanager
}
for package in ./*.deb; do dpkg -x "$package" root; done
mv root "$1/root"
rm -rf "$1/new"
`;

/** The tools, or the reason why there are none. */
export async function monitoringTools(): Promise<Tools | string> {
  const before = installed();
  if (before !== undefined) return usable(before);
  if (process.env["CI"] !== "true") return "prometheus and prometheus-alertmanager are not installed";
  try {
    await run(["timeout", "--kill-after=5", String(INSTALL_SECONDS_MAX), "sh", "-c", INSTALL, "sh", cache()]);
  } catch (failure) {
    return `prometheus could not be fetched from Debian: ${messageOf(failure)}`;
  }
  const found = installed();
  return found === undefined ? "Debian's packages hold no prometheus, promtool and alertmanager" : usable(found);
}

interface Found {
  readonly promtool: string;
  readonly prometheus: string;
  readonly alertmanager: string;
}

function installed(): Found | undefined {
  const promtool = locate("promtool");
  const prometheus = locate("prometheus");
  const alertmanager = locate("prometheus-alertmanager") ?? locate("alertmanager");
  if (promtool === undefined || prometheus === undefined || alertmanager === undefined) return undefined;
  return { promtool, prometheus, alertmanager };
}

/** An unpacked alertmanager sees its own /usr/share, in a mount namespace that ends with it. */
async function usable({ promtool, prometheus, alertmanager }: Found): Promise<Tools | string> {
  const tools = { promtool: [promtool], prometheus: [prometheus] };
  const share = join(cache(), "root/usr/share");
  if (!alertmanager.startsWith(cache()) || existsSync(join("/usr/share", TEMPLATE))) return { ...tools, alertmanager: [alertmanager] };
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const inside = ["unshare", ...asRoot, "--mount", "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"', share, alertmanager];
  try {
    await run([...inside, "--version"]);
  } catch (failure) {
    return `Debian's alertmanager needs its templates in /usr/share, and no mount namespace may be made: ${messageOf(failure)}`;
  }
  return { ...tools, alertmanager: inside };
}

function cache(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "model-loader/prometheus");
}

function locate(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin", "/usr/local/bin", join(cache(), "root/usr/bin")];
  return folders.filter((folder) => folder !== "").map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function run([program = "", ...args]: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(program, args);
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
