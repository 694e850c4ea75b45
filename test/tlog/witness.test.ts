import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { signCheckpoint } from "../../lib/tlog/checkpoint.ts";
import { Cosigner, CosignatureVerifier } from "../../lib/tlog/cosignature.ts";
import { generatePrivateKey } from "../../lib/tlog/ed25519.ts";
import { formatSignatureLine } from "../../lib/tlog/note.ts";
import { NoteSigner } from "../../lib/tlog/signer.ts";
import { Witness } from "../../lib/tlog/witness.ts";
import { laterCodeOf, leavesOf, MemoryTiles, treeOf } from "./support.ts";
import { Twin } from "./twin.ts";

const ORIGIN = "audit.example.com/model-loader/host-1";
const twin = new Twin(leavesOf(700));
const tiles = tilesAt(300, 700);
const signer = new NoteSigner(ORIGIN, generatePrivateKey());
const cosigner = new Cosigner("witness.example/w1", generatePrivateKey(), () => 1_700_000_000);
const keys = [new CosignatureVerifier(cosigner.vkey)];

interface Reply {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}

describe("a witness", () => {
  test("is asked as the specification says, first from nothing and then from where it stands", async () => {
    const { url, bodies, paths } = await serve((body) => ({ status: 200, body: cosigned(body) }));
    const witness = new Witness({ url: `${url}prefix`, keys });
    expect(await witness.cosign(checkpoint(300), tiles)).toHaveLength(1);
    await witness.cosign(checkpoint(700), tiles);
    const proof = twin.subproof(300, 0, 700, true).map((hash) => `${hash.toString("base64")}\n`).join("");
    expect(bodies).toEqual([`old 0\n\n${checkpoint(300)}`, `old 300\n${proof}\n${checkpoint(700)}`]);
    expect(paths).toEqual(["POST /prefix/add-checkpoint", "POST /prefix/add-checkpoint"]);
  });

  test("that stands elsewhere than we thought tells us, and is asked again from there", async () => {
    const { url, bodies } = await serve((body) => (body.startsWith("old 300\n") ? { status: 200, body: cosigned(body) } : conflict("300\n")));
    await new Witness({ url, keys }).cosign(checkpoint(700), tiles);
    expect(bodies.map((body) => body.split("\n")[0])).toEqual(["old 0", "old 300"]);
  });

  test("is asked from its own size, with no proof, where it has this very tree", async () => {
    const { url, bodies } = await serve((body) => (body.startsWith("old 700\n") ? { status: 200, body: cosigned(body) } : conflict("700\n")));
    await new Witness({ url, keys }).cosign(checkpoint(700), tiles);
    expect(bodies[1]).toBe(`old 700\n\n${checkpoint(700)}`);
  });

  test("may sign with more keys than we know", async () => {
    const stranger = new Cosigner("witness.example/new", generatePrivateKey(), () => 1);
    const { url } = await serve((body) => ({ status: 200, body: cosigned(body, stranger) + cosigned(body) }));
    expect((await new Witness({ url, keys }).cosign(checkpoint(300), tiles)).map(({ name }) => name)).toEqual([cosigner.name]);
  });

  const stranger = new Cosigner(cosigner.name, generatePrivateKey(), () => 1);
  const replies: [string, string, (body: string) => Reply][] = [
    ["does not know the log", "WITNESS_UNKNOWN_LOG", () => ({ status: 404, body: "unknown\n" })],
    ["does not accept the signature", "WITNESS_BAD_SIGNATURE", () => ({ status: 403, body: "" })],
    ["saw another history", "WITNESS_BAD_PROOF", () => ({ status: 422, body: "no" })],
    ["saw a longer log than ours", "WITNESS_AHEAD", () => conflict("701\n")],
    ["calls the request bad", "WITNESS_BAD_ANSWER", () => ({ status: 400, body: "\u001b[31mno" })],
    ["has failed", "WITNESS_BAD_ANSWER", () => ({ status: 500, body: "" })],
    ["accepts without a word", "WITNESS_BAD_ANSWER", () => ({ status: 200, body: "" })],
    ["signs with a key of another", "WITNESS_BAD_ANSWER", (body) => ({ status: 200, body: cosigned(body, stranger) })],
    ["signs something else", "WITNESS_BAD_ANSWER", (body) => ({ status: 200, body: cosigned(body.replace("\n700\n", "\n701\n")) })],
    ["answers with a page", "WITNESS_BAD_ANSWER", () => ({ status: 200, body: "<html>\n" })],
    ["names no size", "WITNESS_BAD_ANSWER", () => conflict("many\n")],
    ["names a size with a leading zero", "WITNESS_BAD_ANSWER", () => conflict("0300\n")],
    ["names a size of another type", "WITNESS_BAD_ANSWER", () => ({ ...conflict("300\n"), type: "text/plain" })],
    ["is never content", "WITNESS_BAD_ANSWER", (body) => conflict(body.startsWith("old 300\n") ? "299\n" : "300\n")],
  ];
  test.each(replies)("that %s is reported as %s", async (_what, code, reply) => {
    const { url } = await serve(reply);
    const wide = tilesAt(299, 300, 700);
    expect(await laterCodeOf(new Witness({ url, keys }).cosign(checkpoint(700), wide))).toBe(code);
  });

  test("that hangs is given up, before its answer or in the middle of it", async () => {
    for (const begin of [false, true]) {
      const url = await listen((_request, response) => { if (begin) response.write("\u2014 "); });
      expect(await laterCodeOf(new Witness({ url, keys, timeoutMs: 200 }).cosign(checkpoint(300), tiles))).toBe("WITNESS_TIMEOUT");
    }
  });

  test("that is not there cannot be reached", async () => {
    const url = await listen(() => undefined, true);
    expect(await laterCodeOf(new Witness({ url, keys }).cosign(checkpoint(300), tiles))).toBe("WITNESS_UNREACHABLE");
  });

  test("that sends us elsewhere is not followed", async () => {
    const { url: elsewhere, bodies } = await serve((body) => ({ status: 200, body: cosigned(body) }));
    const url = await listen((_request, response) => { response.writeHead(307, { location: `${elsewhere}add-checkpoint` }).end(); });
    expect(await laterCodeOf(new Witness({ url, keys }).cosign(checkpoint(300), tiles))).toBe("WITNESS_UNREACHABLE");
    expect(bodies).toEqual([]);
  });

  test("that answers without an end is not listened to", async () => {
    const { url } = await serve((body) => ({ status: 200, body: cosigned(body).repeat(2_000) }));
    await expect(new Witness({ url, keys }).cosign(checkpoint(300), tiles)).rejects.toThrow(/answered with more than 65536 bytes$/);
  });

  test("is not waited for when the caller stops waiting", async () => {
    const url = await listen(() => undefined);
    const stop = new AbortController();
    const asked = new Witness({ url, keys }).cosign(checkpoint(300), tiles, stop.signal);
    setTimeout(() => { stop.abort(); }, 50);
    await expect(asked).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
  });

  test("has its words shown harmlessly", async () => {
    const { url } = await serve(() => ({ status: 400, body: "\u001b[31mred\u202e" }));
    await expect(new Witness({ url, keys }).cosign(checkpoint(300), tiles)).rejects.toThrow(/answered with status 400 \("\\u001b\[31mred\\u202e"\)$/);
  });
});

function checkpoint(size: number): string {
  return signCheckpoint({ origin: ORIGIN, size, root: twin.root(size), extensions: [] }, [signer]);
}

/** The answer of a witness that is content. */
function cosigned(body: string, by: Cosigner = cosigner): string {
  const [, text = ""] = body.split("\n\n");
  return formatSignatureLine({ name: by.name, keyId: by.keyId, signature: by.sign(`${text}\n`) });
}

function conflict(body: string): Reply {
  return { status: 409, type: "text/x.tlog.size", body };
}

function tilesAt(...sizes: readonly number[]): MemoryTiles {
  const all = new MemoryTiles();
  const tree = treeOf([]);
  for (const size of sizes) {
    for (const leaf of twin.leaves.slice(tree.size, size)) tree.append(leaf);
    all.store(tree);
  }
  return all;
}

async function serve(reply: (body: string) => Reply): Promise<{ url: string; bodies: string[]; paths: string[] }> {
  const bodies: string[] = [];
  const paths: string[] = [];
  const url = await listen((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => void parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("utf8");
      bodies.push(body);
      paths.push(`${request.method ?? ""} ${request.url ?? ""}`);
      const answer = reply(body);
      response.writeHead(answer.status, { "content-type": answer.type ?? "text/plain" }).end(answer.body);
    });
  });
  return { url, bodies, paths };
}

/** `gone`: the address of a server that has just been closed. */
async function listen(handle: (request: IncomingMessage, response: ServerResponse) => void, gone = false): Promise<string> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => { server.close(); server.closeAllConnections(); };
  if (gone) close();
  else onTestFinished(close);
  return `http://127.0.0.1:${port}/`;
}
