/** The NVIDIA device with the most free memory. */
import { tell } from "./tell.mjs";

export async function find() {
  const { vramDevices } = await import("../../dist/index.js");
  const { devices, absent } = await vramDevices();
  const cuda = devices.filter(({ backend, isVram }) => backend === "cuda" && isVram);
  const device = cuda.toSorted((a, b) => (b.freeBytes ?? 0) - (a.freeBytes ?? 0))[0];
  tell.figure(...(device === undefined ? ["absent", absent.map(({ message }) => message).join("; ") || "none of the devices is one"] : ["device", device]));
}
