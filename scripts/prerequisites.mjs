/** What a fresh machine must have, and what we can fetch ourselves. */
import { readFile } from "node:fs/promises";
import { ROOT, run } from "./command.mjs";

/** Something is missing that a person has to install. */
class Missing extends Error {}

/** Whether Node and Rust are here and new enough; says what to install where they are not. */
export async function prerequisitesMet() {
  try {
    await requireNode();
    await requireRust();
    return true;
  } catch (failure) {
    if (!(failure instanceof Missing)) throw failure;
    console.error(failure.message);
    return false;
  }
}

/** @throws {Missing} naming the version that is needed */
async function requireNode() {
  const { engines } = await json("package.json");
  const needed = engines.node.replace(">=", "");
  if (older(process.versions.node, needed)) throw new Missing(`Node ${process.versions.node} is too old: ${needed} or newer is needed.`);
}

/** @throws {Missing} saying how to get a Rust that will do */
async function requireRust() {
  const needed = /^rust-version = "(.+)"$/m.exec(await text("Cargo.toml"))[1];
  const [cargo, rustc] = await Promise.all([run("cargo", ["--version"], { quiet: true }), run("rustc", ["--version"], { quiet: true })]);
  if (cargo.code !== 0 || rustc.code !== 0) {
    throw new Missing(`Rust is missing: install rustc and cargo ${needed} or newer, with rustup or from your distribution.`);
  }
  const found = /^rustc (\d+\.\d+\.\d+)/.exec(rustc.output)?.[1] ?? "of unknown version";
  if (older(found, needed)) throw new Missing(`rustc ${found} is too old: ${needed} or newer is needed. With rustup: rustup update stable`);
}

/** True when node_modules is what package-lock.json says. */
export async function dependenciesInstalled() {
  try {
    const [wanted, installed] = await Promise.all([json("package-lock.json"), json("node_modules/.package-lock.json")]);
    return Object.entries(wanted.packages).every(([path, { version, optional, peer }]) =>
      path === "" || installed.packages[path]?.version === version || ((optional || peer) && installed.packages[path] === undefined));
  } catch {
    // No lock file of its own: npm never finished here.
    return false;
  }
}

/** Installs the development dependencies where they are missing. */
export async function installDependencies(options) {
  if (await dependenciesInstalled()) return { code: 0, output: "" };
  return run("npm", ["ci", "--no-audit", "--no-fund"], options);
}

const text = (name) => readFile(`${ROOT}/${name}`, "utf8");
const json = async (name) => JSON.parse(await text(name));

function older(found, needed) {
  const [has, needs] = [found, needed].map((version) => version.split(".").map(Number));
  const at = needs.findIndex((part, index) => part !== (has[index] ?? 0));
  return at !== -1 && !((has[at] ?? 0) > needs[at]);
}
