/** Help for the auditor's commands: what they have in common, and each of its own. */

const EXIT_CODES = `Exit codes
  0  done, intact         2  the command line is wrong    130 after Ctrl-C
  1  tampering found      3  missing or unreadable        141 when the reader of a pipe goes away`;

const FILTER = `  --since TIME      at this time or later: 2026-11-24, 2026-11-24T07:30:00Z, or 24h (ago; also s, m, d, w)
  --until TIME      before this time
  --type NAME       of this type; several with commas, or the option again
  --severity WORD   this severity or graver: INFO, HIGH, CRITICAL. With commas, just those: INFO,HIGH
  --outcome WORD    allowed, denied, failed or info; several with commas
  --actor TEXT      exactly this actor; --reason and --corr likewise
  --reason CODE     such as DIGEST_MISMATCH
  --corr ID         the correlation id
  --target TEXT     a part of the path, or with * and ? a pattern for all of it
  --seq A..B        sequence numbers, both included; also A, A.. and ..B
  --limit N         stop after N records`;

export const AUDIT_HELP: Readonly<Record<string, string>> = {
  audit: `model-loader audit COMMAND DIR: the auditor's side of an audit trail

  model-loader audit verify DIR            is the trail whole, and the one that was signed?
  model-loader audit prove DIR SEQ         evidence for one record, to be checked anywhere
  model-loader audit check-proof P RECORD  is this record in that log?
  model-loader audit rotate-key DIR        a new signing key, beside the old one
  model-loader audit query DIR             records by time, type, severity, who and what
  model-loader audit export DIR            records as OCSF, ECS, CEF or CloudEvents

model-loader audit COMMAND --help teaches each by example.

${EXIT_CODES}`,

  "audit verify": `model-loader audit verify DIR [options]: check that an audit trail is whole, and the one that was signed

  model-loader audit verify /var/lib/model-loader/audit

  # with the host's verifier key, noted when the trail was begun (the first line of the file vkey in DIR)
  model-loader audit verify DIR --vkey host-1.vkey

  # and with a checkpoint that you took away earlier: nothing of what it covers was changed since
  cp DIR/checkpoint monday.checkpoint
  model-loader audit verify DIR --vkey host-1.vkey --since monday.checkpoint

  # what the hosts sent away, and whether this host still has all of it: a host that cut its own log is named
  model-loader audit verify --stream nats://audit.example.com:4222 --stream-name model-loader-audit
  model-loader audit verify DIR --stream nats://audit.example.com:4222 --stream-name model-loader-audit --origin ORIGIN

Hashes every record again, follows the chain from the first to the last, makes the Merkle tree again and holds it
against the signed checkpoint and every tile. Names the first record that was changed, removed, inserted or moved, and
tells a trail that was rolled back behind its checkpoint. What the check cannot prove is said each time.

Options
  --vkey KEY|FILE     the log's verifier keys; default: those in DIR, which whoever can write DIR can replace
  --witness KEY|FILE  keys of witnesses, all of whom must have cosigned the checkpoint
  --since FILE        an earlier checkpoint: the trail must continue it
  --stream URL|FILE   check what arrived in a NATS JetStream (nats://…, tls://…), or a file of records or syslog lines
  --stream-name NAME  the stream on that server
  --origin ORIGIN     only this host's trail; needed beside DIR where several have arrived
  --creds FILE        NATS credentials. A user and password may also stand in the URL
  --ca FILE           certificates that the server's is signed by
  --json              one JSON object on standard output; with --stream one a line for each trail

${EXIT_CODES}`,

  "audit prove": `model-loader audit prove DIR SEQ [options]: evidence for one record

  model-loader audit prove /var/lib/model-loader/audit 4711
  model-loader audit check-proof 4711.tlog-proof 4711.record --vkey host-1.vkey

Writes two files: a C2SP tlog-proof, which holds the signed checkpoint and the hashes between it and the record, and the
record byte for byte. Together with the log's verifier key they convince anybody, without the trail and without a
network; other tools for transparency logs read them too. A record newer than the last checkpoint has no proof yet.

Options
  --out FILE       the proof. Default: SEQ.tlog-proof; a file that is there is not overwritten
  --record FILE    the record. Default: SEQ.record
  --vkey KEY|FILE  the log's verifier keys; default: those in DIR
  --json           both in one JSON object on standard output, and no file

${EXIT_CODES}`,

  "audit check-proof": `model-loader audit check-proof PROOF RECORD --vkey KEY|FILE [options]: is this record in that log?

  model-loader audit check-proof 4711.tlog-proof 4711.record --vkey host-1.vkey

Needs no trail and no network. The key must come from somewhere else than the proof.

Options
  --vkey KEY|FILE     the log's verifier keys
  --witness KEY|FILE  keys of witnesses, all of whom must have cosigned the checkpoint
  --json              one JSON object on standard output

Exit codes
  0  proven   1  not proven   2  the command line is wrong, or a file cannot be read`,

  "audit rotate-key": `model-loader audit rotate-key DIR [options]: a new signing key, beside the old one

  model-loader audit rotate-key /var/lib/model-loader/audit

Makes a new key; the old one goes on signing beside it, so that auditors who know only the old one notice nothing. Give
the new verifier key to all of them, then remove key.pem.previous. The change is recorded in the trail
(AuditKeyRotated). The trail must not be in use.

Options
  --key FILE  where the key lies, if not in DIR/key.pem
  --json      one JSON object on standard output

Exit codes
  0  changed   2  the command line is wrong   3  there is no trail   4  the trail is in use or cannot be written`,
  "audit query": `model-loader audit query DIR [options]: the records that you ask for, oldest first

  # What was refused in the last day, and who asked?
  model-loader audit query DIR --since 24h --severity HIGH

  # Everything about one model, and everything of one request
  model-loader audit query DIR --target '*/llama-3.1-8b*.gguf'
  model-loader audit query DIR --corr request-4711

  # The stored lines, byte by byte, for a program
  model-loader audit query DIR --type IntegrityViolation --json | jq -r .target.sha256

Options
${FILTER}
  --json            each record's line exactly as it is stored; else one line for people

Reads the trail once, in constant memory. It shows what is there; whether that is genuine is for audit verify to say.

${EXIT_CODES}`,

  "audit export": `model-loader audit export DIR --format FORMAT [options]: records in the form that another system takes, one a line

  model-loader audit export DIR --format ocsf --since 2026-11-01 > november.ndjson
  model-loader audit export DIR --format cef --severity HIGH | logger --socket-errors=on

Options
  --format NAME     ocsf (1.5), ecs (8.17), cef (0) or cloudevents (1.0)
${FILTER}

The form is for searching and alerting; evidence is the trail itself: keep it, or the proofs that audit prove makes.

${EXIT_CODES}`,
};
