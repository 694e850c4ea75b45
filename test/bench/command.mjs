/** A command as contestant: the whole process is timed, as its user would wait for it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

export function command(name, file, args, answer) {
  const run = async () => {
    const started = performance.now();
    const { stdout } = await execute(file, args);
    return { ms: performance.now() - started, answer: answer(stdout) };
  };
  return { name, run };
}

/** Whether the command can be run at all; not every machine has every tool. */
export async function available(file, args) {
  return execute(file, args).then(() => true, () => false);
}
