/** Runs one step, as scripts/gpu-check.mjs asks for it: its name, and its context as JSON. */
import { FIND, STEPS } from "./steps.mjs";
import { tell } from "./tell.mjs";

const [name, context] = process.argv.slice(2);
const step = [FIND, ...STEPS].find((one) => one.name === name);
if (step === undefined) throw new TypeError(`there is no step ${name}`);
await step.body(JSON.parse(context)).catch((failure) => {
  tell.check(name, false, `${failure.code ?? failure.name}: ${failure.message}`);
});
tell.done();
// What a lost device leaves behind must not keep the process.
process.exit(0);
