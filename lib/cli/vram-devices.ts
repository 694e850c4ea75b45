/** `model-loader vram devices`: which devices there are, and whose memory may be called VRAM. */
import { vramDevices } from "../vram/device.ts";
import { parseCommand, UsageError } from "./args.ts";
import { EXIT } from "./exit.ts";
import { Output } from "./output.ts";
import { table } from "./table.ts";
import { visible } from "./terminal.ts";
import { DEVICE_HEAD, deviceRow } from "./vram-report.ts";

/** @throws UsageError */
export async function devices(args: readonly string[]): Promise<number> {
  const { flags, names } = parseCommand(args, { flags: ["json"], options: [] });
  if (names.length > 0) throw new UsageError("vram devices takes no names: it lists all there are.");
  const output = new Output(flags.has("json"));
  const found = await vramDevices();
  if (output.json) for (const device of found.devices) output.result({ ok: true, ...device }, () => "");
  else if (found.devices.length > 0) output.result({}, () => table(DEVICE_HEAD, found.devices.map(deviceRow)).join("\n"));
  for (const { code, message } of found.absent) {
    if (output.json) output.result({ ok: false, code, message }, () => "");
    else output.note(`${code}: ${visible(message)}`);
  }
  if (found.devices.length > 0) return EXIT.VERIFIED;
  output.note("There is no GPU that models could be sealed in.");
  return EXIT.IO;
}
