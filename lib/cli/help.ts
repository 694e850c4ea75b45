/** Help that teaches by example. */
import { AUDIT_HELP } from "./audit-help.ts";
import { VRAM_HELP } from "./vram-help.ts";

const EXIT_CODES = `Exit codes
  0  verified                        3  could not be judged: missing, no permission, not a file, read error
  1  refused, or tampering found     4  the audit trail cannot be written
  2  the command line is wrong       130 after Ctrl-C, 141 when the reader of a pipe goes away
With several files the worst counts: 4, then 1, then 3.`;

export const HELP: Readonly<Record<string, string>> = {
  "": `model-loader: the gate in front of an inference host's models

  model-loader verify PATH…       read models once, judge digest and format, say yes or no
  model-loader protect PATH…      verify models, and have the kernel keep them as they are (fs-verity)
  model-loader inspect FILE       what a header says, in milliseconds, unverified
  model-loader audit verify DIR   check that an audit trail is whole
  model-loader vram seal FILE     seal a model in GPU memory, and prove that it is there
  model-loader help COMMAND       examples and options
  model-loader --version

For a start:
  model-loader verify llama.gguf
  model-loader verify --root /models --sha256 9f86d081… --audit /var/lib/model-loader/audit llama.gguf

${EXIT_CODES}`,

  verify: `model-loader verify PATH… [options]: the whole gate over files and folders

  # Is this file whole, well-formed and safe to hand to an engine? What is its digest?
  model-loader verify llama.gguf

  # Is it the very file that the publisher named?
  model-loader verify llama.gguf --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

  # Every *.gguf below a folder, one JSON object a line
  model-loader verify --json /models | jq -c 'select(.ok | not)'

  # The first time the SHA-256 is computed; from then on every tile is compared, on all cores
  model-loader verify --state ~/.local/state/model-loader llama.gguf --sha256 9f86d081…

  # All parts of a split model, as the one model that they are; promised by the publisher's SHA256SUMS beside it
  model-loader verify llama-00001-of-00008.gguf --digest-from sha256sums --require-digest

  # A model of Ollama's, by its name
  model-loader verify ollama:llama3:8b --root ~/.ollama/models --digest-from ollama

  # As a host would: nothing outside /models, every decision in the audit trail
  model-loader verify --root /models --audit /var/lib/model-loader/audit --actor deploy-42 llama.gguf

Options
  --root DIR           every file must lie in DIR. A relative PATH is taken from the current folder where that
                       leads into DIR, otherwise from DIR. Default: the file's own folder, or the folder given
  --sha256 HEX         the promised digest; for one file, or for one split model: that of its set (README)
  --digest-from WHAT   where a promised digest is found: sha256sums or manifest (beside the model, or in a file:
                       sha256sums:FILE, relative to the root), huggingface or ollama (the name of the blob)
  --require-digest     refuse where no digest is promised
  --audit DIR          record every decision in the audit trail in DIR
  --state DIR          record full verifications in DIR, and prove promised digests by those records; DIR/record.key is
                       the secret that makes them believed
  --flat-digest WHEN   always: compute the SHA-256 whatever was recorded; unless-recorded (default)
  --identity           with --state: believe, without reading it, the inode that was verified, if its facts are the same
                       and a lease shows that nobody can have written to it; trusts root, the kernel and the clock
  --actor TEXT         who asks; recorded
  --correlation-id ID  ties the records to a request; recorded
  --max-bytes N        refuse larger files before reading them
  --min-guard NAME     refuse what can only be guarded less against changes while it is in use: pinned (default),
                       leased, sealed or fs-verity
  --strict             refuse also what breaks the format's text but no engine
  --no-engine-safety   accept well-formed files that are known to crash an engine
  --json               one JSON object a line on standard output; text for people goes to standard error

Links are followed as long as they stay in the root; in folders only those to files are.

${EXIT_CODES}`,

  protect: `model-loader protect PATH… [options]: verify models, then have the kernel keep them as they are

Puts a verified file under fs-verity: from then on nobody can change it, root included, and the kernel checks each page
as it is read. It can still be replaced, so load it with minGuard "fs-verity" (verify --min-guard fs-verity). There is
no way back but to delete the file. Needs Linux 5.4 or newer with CONFIG_FS_VERITY, and ext4 (tune2fs -O verity DEVICE),
btrfs or f2fs; permission to write to the file, and nobody who has it open for writing.

  # The digest that the publisher named; what is protected should be what was meant
  model-loader protect llama.gguf --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

  # Everything below a folder as it is now, whoever made it
  model-loader protect --no-require-digest /models

Options
  --root DIR           every file must lie in DIR. Default: the file's own folder, or the folder given
  --sha256 HEX         the promised digest; for one file
  --digest-from WHAT   where a promised digest is found: sha256sums or manifest (beside the model, or in a file:
                       sha256sums:FILE, relative to the root), huggingface or ollama (the name of the blob)
  --no-require-digest  protect what nobody promised a digest for; the digest is computed and told
  --audit DIR          record every decision in the audit trail in DIR
  --actor TEXT         who asks; recorded
  --correlation-id ID  ties the records to a request; recorded
  --max-bytes N        refuse larger files before reading them
  --state DIR          record full verifications in DIR, and prove promised digests by those records; DIR/record.key is
                       the secret that makes them believed
  --flat-digest WHEN   always: compute the SHA-256 whatever was recorded; unless-recorded (default)
  --strict             refuse also what breaks the format's text but no engine
  --no-engine-safety   accept well-formed files that are known to crash an engine
  --json               one JSON object a line on standard output; text for people goes to standard error

Before the first byte is read it is refused where it cannot be had: GUARD_UNAVAILABLE says why and what to do.

${EXIT_CODES}`,

  inspect: `model-loader inspect FILE [options]: what a header says, in milliseconds

Reads the header only. Nothing of it is verified: use verify before you load a model.

  model-loader inspect llama.gguf
  model-loader inspect llama.gguf --tensors
  model-loader inspect llama.gguf --json | jq '.metadata[] | select(.key == "llama.context_length").value'

Options
  --tensors        list name, type, shape, offset and bytes of every tensor
  --engine-safety  refuse what is known to crash an engine, as verify does
  --root DIR       the file must lie in DIR. Default: its own folder
  --json           one JSON object on standard output. Arrays of more than 8 elements have type and length but no
                   value; whole numbers beyond 2^53 and numbers that are not finite are strings

${EXIT_CODES}`,

  ...AUDIT_HELP,
  ...VRAM_HELP,
};
