/**
 * promtool, prometheus and alertmanager, from where they are installed or from Debian's packages (see debian.ts).
 *
 * To have them: `apt-get install --no-install-recommends prometheus prometheus-alertmanager`.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { INSTALL_MS_MAX, locate, messageOf, run, unpackDebian, unpackedRoot } from "../support/debian.ts";

/** Each is the beginning of a command line. */
export interface Tools {
  readonly promtool: readonly string[];
  readonly prometheus: readonly string[];
  readonly alertmanager: readonly string[];
}

export const TOOLS_MS_MAX: number = INSTALL_MS_MAX;

const NAME = "prometheus";
/** Debian's alertmanager reads its template from here and from nowhere else. */
const TEMPLATE = "prometheus/alertmanager/default.tmpl";

/** The tools, or the reason why there are none. */
export async function monitoringTools(): Promise<Tools | string> {
  const before = installed();
  if (before !== undefined) return usable(before);
  const missing = await unpackDebian({ name: NAME, packages: ["prometheus", "prometheus-alertmanager"], probe: "usr/bin/promtool" });
  if (missing !== undefined) return missing;
  const found = installed();
  return found === undefined ? "Debian's packages hold no prometheus, promtool and alertmanager" : usable(found);
}

interface Found {
  readonly promtool: string;
  readonly prometheus: string;
  readonly alertmanager: string;
}

function installed(): Found | undefined {
  const promtool = locate("promtool", NAME);
  const prometheus = locate("prometheus", NAME);
  const alertmanager = locate("prometheus-alertmanager", NAME) ?? locate("alertmanager", NAME);
  if (promtool === undefined || prometheus === undefined || alertmanager === undefined) return undefined;
  return { promtool, prometheus, alertmanager };
}

/** An unpacked alertmanager sees its own /usr/share, in a mount namespace that ends with it. */
async function usable({ promtool, prometheus, alertmanager }: Found): Promise<Tools | string> {
  const tools = { promtool: [promtool], prometheus: [prometheus] };
  const root = unpackedRoot(NAME);
  if (!alertmanager.startsWith(root) || existsSync(join("/usr/share", TEMPLATE))) return { ...tools, alertmanager: [alertmanager] };
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const inside = ["unshare", ...asRoot, "--mount", "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"', join(root, "usr/share"), alertmanager];
  try {
    await run([...inside, "--version"]);
  } catch (failure) {
    return `Debian's alertmanager needs its templates in /usr/share, and no mount namespace may be made: ${messageOf(failure)}`;
  }
  return { ...tools, alertmanager: inside };
}
