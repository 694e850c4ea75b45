/** Help for models in GPU memory. */

const EXIT_CODES = `Exit codes
  0  sealed and as sealed                      3  could not be tried: no GPU, too little memory, no file, busy device
  1  refused, changed, moved, or device lost   4  the audit trail cannot be written
  2  the command line is wrong                 130 after Ctrl-C, 141 when the reader of a pipe goes away`;

const PLACE = `  --device UUID               the device, as vram devices lists it. Default: the one with the most free memory
  --backend NAME              cuda or vulkan. Default: CUDA where it knows the device
  --require-ecc               refuse memory that does not correct errors
  --require-read-only         refuse drivers that cannot make the memory read-only for the device itself
  --headroom-bytes N          bytes that must stay free
  --resident-fraction-min F   refuse where time proves less of the bytes to be on the device, such as 0.9
  --allow-software-device     accept integrated devices and processors: they are called unified, never resident`;

const FILE = `  --root DIR                  the file must lie in DIR. Default: its own folder
  --sha256 HEX                the promised digest
  --require-digest            refuse where none is promised
  --strict                    refuse also what breaks the format's text but no engine
  --seal-key FILE             32 secret bytes of yours, whose MAC the seal's record is to bear; made where missing
  --audit DIR                 record everything in the audit trail in DIR
  --actor TEXT, --correlation-id ID  who asks, for which request; recorded`;

const LIMIT = `A seal lives in the process that made it: its memory is cleared when the command ends. It holds against faults,
drivers, eviction, other tenants and stray writes, not against code that runs in the same process.`;

export const VRAM_HELP: Readonly<Record<string, string>> = {
  vram: `model-loader vram COMMAND: models in GPU memory, and proof that they are there, whole and unchanged

  model-loader vram devices       which devices there are, and whose memory may be called VRAM
  model-loader vram seal FILE     does it fit, arrive whole and stay there? With --hold it stays until Ctrl-C
  model-loader vram verify FILE   the evidence, level by level
  model-loader vram watch FILE    holds it, goes over it again and again, and shows what is found
  model-loader vram check-record FILE  was this sealed by somebody who has this secret? Anywhere, later

model-loader vram COMMAND --help teaches each by example.

${EXIT_CODES}`,

  "vram devices": `model-loader vram devices [options]: which devices there are

  model-loader vram devices
  model-loader vram devices --json | jq -r 'select(.isVram) | .uuid'

Asks NVIDIA's driver and Vulkan, opened at run time: a machine without them is told so. Processors and integrated
devices are listed, and never called VRAM.

Options
  --json           one JSON object a line: a device, or why an interface has none

Exit codes
  0  there are devices   3  there is none   2  the command line is wrong`,

  "vram seal": `model-loader vram seal FILE [options]: a verified model in GPU memory

  # Does it fit, and does every byte arrive?
  model-loader vram seal llama.gguf

  # Keep it there until Ctrl-C, every decision in the trail
  model-loader vram seal llama.gguf --hold --sha256 9f86d081… --audit /var/lib/model-loader/audit

The file is read once; the bytes that are judged are those that go to the device, where all of them are hashed before
and after the device loses the right to write to them. A split model is sealed whole, whichever of its parts is named.

Options
  --hold                      stay until Ctrl-C
${PLACE}
${FILE}
  --json                      one JSON object on standard output

${LIMIT}

${EXIT_CODES}`,

  "vram verify": `model-loader vram verify FILE [options]: seals a model, looks at it as thoroughly as asked, frees it

  model-loader vram verify llama.gguf
  model-loader vram verify llama.gguf --level quick
  model-loader vram verify llama.gguf --level sample --p 0.05 --json | jq .evidence.timing
  model-loader vram verify llama.gguf --level challenge --nonce "$(openssl rand -hex 32)"

Options
  --level NAME                quick: what the driver says, and how fast pages answer. sample: a part of the tiles too.
                              full (default): every tile, timed. challenge: full, answered under a nonce
  --p F                       the part of the tiles for sample, such as 0.01
  --nonce HEX                 64 hex digits for challenge. Default: random
${PLACE}
${FILE}
  --json                      one JSON object on standard output

${LIMIT}

${EXIT_CODES}`,

  "vram check-record": `model-loader vram check-record FILE --seal-key FILE [options]: was this sealed, and by us?

  model-loader vram seal llama.gguf --seal-key /etc/model-loader/seal.key --json > seal.json
  model-loader vram check-record seal.json --seal-key /etc/model-loader/seal.key

FILE holds a seal record as JSON, or what vram seal --json printed. Needs no GPU, and says nothing of what lies on a
device now: only that the record is what was sealed under this secret, and was not changed since.

Options
  --seal-key FILE             the secret; never made here
  --audit DIR                 record in the trail in DIR where it is none
  --json                      one JSON object on standard output

Exit codes
  0  it is   1  it is not   2  the command line is wrong   3  the secret cannot be read   4  the trail cannot be written`,

  "vram watch": `model-loader vram watch FILE [options]: holds a model in GPU memory, scrubs it, and shows what is found

  model-loader vram watch llama.gguf
  model-loader vram watch llama.gguf --duty 0.05 | jq -c 'select(.event != "step")'

On a terminal a view that is drawn anew; in a pipe one JSON object a line: sealed, step, completed, failed, ended.

Options
  --duty F                    the part of the device's time that it takes. Default: 0.01
  --budget-ms N               how long one step may hold the device. Default: 20
  --passes N                  end after so many passes over all bytes
${PLACE}
${FILE}
  --json                      JSON lines on a terminal too

${LIMIT}

${EXIT_CODES}`,
};
