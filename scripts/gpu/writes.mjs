/** Writes to sealed memory. What faults ends the context: each has a process of its own. */
import { eachPiece, withModel } from "./model.mjs";
import { openProbe } from "./probe.mjs";
import { tell } from "./tell.mjs";

/** Ways that the probe knows, from a few bytes to as many as a copy engine moves. */
export const WAYS = {
  store: "a kernel's store",
  copyIn: "cuMemcpyHtoD of a few bytes",
  copyInPinned: "cuMemcpyHtoDAsync, pinned",
  copyOnDevice: "cuMemcpyDtoD",
  set: "cuMemsetD8",
  setAsync: "cuMemsetD8Async",
};

const HEAD_BYTES = 64;
/** Mappings are made of so many bytes. */
const PAGE_BYTES = 2 << 20;

/** Whether the way faults, is refused, does nothing, or writes and is found. Only a change that nobody sees is wrong, and a store that is let through. */
export function write(way) {
  return async (context) => withModel(context, context.smallBytes, async ({ path, seal }) => {
    const shard = await seal();
    const probe = openProbe(context);
    const attempt = probe.write(way, shard.pointer);
    const seen = await look(shard);
    const changed = seen.code === "VRAM_DEVICE_LOST" ? undefined : !probe.copyOut(shard.pointer, HEAD_BYTES).equals(head(path));
    const outcome = outcomeOf(attempt, seen, changed);
    tell.more("writes", { way, ...attempt, seen, changed, outcome });
    const good = outcome !== "UNSEEN" && !(way === "store" && changed === true);
    tell.check(`${WAYS[way]} to a seal`, good, `${TEXTS[outcome]}: the call said ${words(attempt.asked)}, the next wait ${words(attempt.waited)}, a full check ${seen.code ?? seen.verdict}`);
  });
}

const TEXTS = {
  faults: "faults and ends the context",
  refused: "is refused, and the context lives",
  ignored: "does nothing",
  found: "WRITES, and is found",
  UNSEEN: "WRITES UNSEEN",
};

function outcomeOf({ asked, waited }, seen, changed) {
  if (changed === undefined) return "faults";
  if (changed) return seen.code === "VRAM_VERIFICATION_FAILED" ? "found" : "UNSEEN";
  return asked.status !== 0 || waited.status !== 0 ? "refused" : "ignored";
}

async function look(shard, level = "full") {
  return shard.verify({ level }).then(
    ({ verdict }) => ({ verdict }),
    ({ code, message, driver, evidence }) => ({ code, message, driver, badTiles: evidence?.content.badTiles }),
  );
}

function head(path) {
  let bytes;
  eachPiece(path, { offset: 0, bytes: HEAD_BYTES }, (piece) => { bytes = Buffer.from(piece); });
  return bytes;
}

const words = ({ status, name }) => (status === 0 ? "nothing" : `${status} ${name}`);

/** One byte, through a mapping that was opened for it: the open mapping is seen, then the tensor is named. */
export async function flippedByte(context) {
  await withModel(context, context.smallBytes, async ({ path, tensors, seal }) => {
    const shard = await seal();
    const probe = openProbe(context);
    const [{ name, offset, bytes }] = tensors.slice(5);
    const at = offset + Math.floor(bytes / 2);
    const mapped = Math.ceil(shard.sizeBytes / PAGE_BYTES) * PAGE_BYTES;
    probe.setWritable(shard.pointer, mapped, true);
    eachPiece(path, { offset: at, bytes: 1 }, ([byte]) => probe.fill(shard.pointer + BigInt(at), Buffer.of(byte ^ 1)));
    const open = await look(shard, "quick");
    tell.check("a mapping that was opened", open.code === "VRAM_NOT_RESIDENT", `${open.code}: ${open.message}`);
    probe.setWritable(shard.pointer, mapped, false);
    const seen = await look(shard);
    const named = seen.badTiles?.flatMap((tile) => tile.tensors) ?? [];
    tell.check("a flipped byte is named", seen.code === "VRAM_VERIFICATION_FAILED" && named.join() === name, `${seen.code}: ${named.join(", ")}`);
  });
}
