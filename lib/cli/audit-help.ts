/** Help for the auditor's commands: what they have in common, and each of its own. */

const EXIT_CODES = `Exit codes
  0  done, intact         2  the command line is wrong    130 after Ctrl-C
  1  tampering found      3  missing or unreadable        141 when the reader of a pipe goes away`;

export const AUDIT_HELP: Readonly<Record<string, string>> = {
  audit: `model-loader audit COMMAND DIR: the auditor's side of an audit trail

  model-loader audit verify DIR   is the trail whole?

model-loader audit COMMAND --help teaches each by example.

${EXIT_CODES}`,

  "audit verify": `model-loader audit verify DIR [--json]: check that an audit trail is whole

  model-loader audit verify /var/lib/model-loader/audit

Hashes every record again and follows the chain from the first to the last. Names the first record that was changed,
removed, inserted or moved. It cannot see that the newest records were cut off: compare the number of records with
one noted elsewhere, such as the metric model_loader_audit_log_size.

Options
  --json  one JSON object on standard output

${EXIT_CODES}`,
};
