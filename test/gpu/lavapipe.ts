/**
 * Mesa's lavapipe: a Vulkan driver that computes on the processor. So the Vulkan backend runs for real where there is no GPU, on
 * drivers that are installed or unpacked from Debian's packages (see debian.ts).
 *
 * To have it: `apt-get install --no-install-recommends mesa-vulkan-drivers libvulkan1 vulkan-validationlayers`.
 */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { unpackDebian, unpackedRoot } from "../support/debian.ts";

const NAME = "lavapipe";
/** The driver, Khronos's layer that checks how Vulkan is used, and what a machine with Node alone lacks of both. */
const PACKAGES = [
  "mesa-vulkan-drivers", "libvulkan1", "vulkan-validationlayers", "libllvm15", "libbsd0", "libmd0", "libedit2", "libexpat1", "libffi8", "libicu72",
  "libtinfo6", "libxml2", "libz3-4", "libzstd1", "libdrm2", "libwayland-client0", "libx11-xcb1", "libxau6", "libxdmcp6", "libxcb1", "libxcb-dri3-0",
  "libxcb-present0", "libxcb-randr0", "libxcb-shm0", "libxcb-sync1", "libxcb-xfixes0", "libxshmfence1",
];
const TRIPLE = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
const DRIVER = "libvulkan_lvp.so";
const LOADER = "libvulkan.so.1";
const LAYER = "usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json";

type Environment = Readonly<Record<string, string>>;

export interface Lavapipe {
  /** What makes a child process find it and no other driver. */
  readonly env: Environment;
  readonly loader: string;
  readonly driver: string;
  /** The same with Khronos's layer between, which prints what is wrong; nothing where it is not installed. */
  readonly validated?: Environment;
}

/** The driver, or the reason why there is none. */
export async function lavapipe(): Promise<Lavapipe | string> {
  const installed = at("/");
  if (installed !== undefined) return installed;
  const missing = await unpackDebian({ name: NAME, packages: PACKAGES, probe: `usr/lib/${TRIPLE}/${DRIVER}` });
  return at(unpackedRoot(NAME)) ?? missing ?? "Debian's packages hold no lavapipe";
}

/** The environment in which a driver that is described by this file is the only one. */
export function onlyDriver(description: string): Environment {
  return { VK_DRIVER_FILES: description, VK_ICD_FILENAMES: description };
}

function at(root: string): Lavapipe | undefined {
  const libraries = join(root, "usr/lib", TRIPLE);
  const [loader, driver] = [join(libraries, LOADER), join(libraries, DRIVER)];
  const described = description(join(root, "usr/share/vulkan/icd.d"));
  if (described === undefined || !existsSync(loader) || !existsSync(driver)) return undefined;
  const own = root === "/" ? described : redirected(described, driver, join(root, basename(described)));
  const env = { ...onlyDriver(own), ...(root === "/" ? {} : { LD_LIBRARY_PATH: libraries }) };
  const layer = join(root, LAYER);
  return { env, loader, driver, ...(existsSync(layer) ? { validated: { ...env, ...validation(layer) } } : {}) };
}

function description(folder: string): string | undefined {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const name = names.find((one) => one.startsWith("lvp_icd."));
  return name === undefined ? undefined : join(folder, name);
}

/** The same description of a driver that lies elsewhere. Several tests may write it at once, hence the rename. */
function redirected(described: string, driver: string, path: string): string {
  const { ICD, ...rest } = JSON.parse(readFileSync(described, "utf8")) as { ICD: object };
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, JSON.stringify({ ...rest, ICD: { ...ICD, library_path: driver } }));
  renameSync(mine, path);
  return path;
}

/** The layer also looks for commands that do not wait for each other. */
function validation(layer: string): Environment {
  return {
    VK_LAYER_PATH: join(layer, ".."),
    VK_INSTANCE_LAYERS: "VK_LAYER_KHRONOS_validation",
    VK_LAYER_ENABLES: "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT",
  };
}
