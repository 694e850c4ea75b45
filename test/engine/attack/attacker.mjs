/**
 * Whoever else may write to the model's folder: a process that strikes when it is told to, and keeps trying until the round
 * is over where the kernel holds it off. Then it puts everything back.
 *
 * Argument: a JSON Stage (stage.mjs). Over IPC: "strike" with an attack's name is answered "struck" or "held off"; "over" is
 * answered "restored", which is also the first message, unasked.
 */
import { closeSync, constants, existsSync, fstatSync, ftruncateSync, linkSync, openSync, readSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const stage = JSON.parse(process.argv[2]);
const { path, kept, poison, pristine, sizeBytes, regions } = stage;
const spare = `${kept}.spare`;
const COPY_BYTES = 1 << 20;
const RETRY_MS = 1;

const ATTACKS = {
  replace: () => { place(poison); },
  unlink: () => { unlinkSync(path); },
  truncate: () => { writing(path, (fd) => { ftruncateSync(fd, sizeBytes >> 1); }); },
  rewrite: () => { writing(path, (fd) => { copyRegions(poison, fd); }); },
};

/** The attack that has not come through yet. */
let pending;

function strike(attack) {
  pending = ATTACKS[attack];
  attempt();
  process.send(pending === undefined ? "struck" : "held off");
}

function attempt() {
  if (pending === undefined) return;
  if (tried(pending)) pending = undefined;
  else setTimeout(attempt, RETRY_MS);
}

/** Whether it was done. EAGAIN is a lease: without O_NONBLOCK this process would be waiting now. */
function tried(deed) {
  try {
    deed();
    return true;
  } catch (error) {
    if (error.code === "EAGAIN") return false;
    throw error;
  }
}

async function restore() {
  pending = undefined;
  while (!tried(restoreBytes)) await sleep(RETRY_MS);
  if (!existsSync(path) || statSync(path).ino !== statSync(kept).ino) place(kept);
  process.send("restored");
}

/** The inode keeps a second name, by which it is mended. */
function restoreBytes() {
  writing(kept, (fd) => {
    const { size } = fstatSync(fd);
    if (size < sizeBytes) copy(pristine, fd, size, sizeBytes - size);
    copyRegions(pristine, fd);
  });
}

/** Gives the model's name to another inode in one step. */
function place(inode) {
  linkSync(inode, spare);
  renameSync(spare, path);
}

function writing(name, work) {
  const fd = openSync(name, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    work(fd);
  } finally {
    closeSync(fd);
  }
}

function copyRegions(from, to) {
  for (const { offset, bytes } of regions) copy(from, to, offset, bytes);
}

function copy(from, to, offset, bytes) {
  const source = openSync(from, "r");
  const buffer = Buffer.alloc(Math.min(bytes, COPY_BYTES));
  for (let done = 0; done < bytes;) {
    const count = readSync(source, buffer, 0, Math.min(buffer.length, bytes - done), offset + done);
    writeSync(to, buffer, 0, count, offset + done);
    done += count;
  }
  closeSync(source);
}

process.on("message", ({ order, attack }) => (order === "strike" ? strike(attack) : restore()));
// Its host died in a round: the next one finds the model whole.
process.on("disconnect", () => { process.exit(0); });
await restore();
