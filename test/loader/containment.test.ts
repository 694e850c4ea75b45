import { execFileSync, spawnSync } from "node:child_process";
import { linkSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync, chmodSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ModelLoader } from "../../lib/index.ts";
import { tinyModel } from "../fixtures/models.mjs";
import { folder, gate, refusal } from "../support/gate.ts";

const bytes = tinyModel().bytes();

describe("a path that leaves the root", () => {
  const escapes: [string, string | Buffer][] = [
    ["dots", "../secret.gguf"],
    ["dots behind a folder", "sub/../../secret.gguf"],
    ["dots behind a folder that does not exist", "absent/../../secret.gguf"],
    ["many dots", "../../../../../../../../etc/passwd"],
    ["very many dots", "../".repeat(5000) + "etc/passwd"],
    ["an absolute path", "/etc/passwd"],
    ["an absolute path with the root as a mere prefix", "ROOT-other/secret.gguf"],
    ["a symbolic link out", "out.gguf"],
    ["an absolute symbolic link out to nothing", "nowhere.gguf"],
    ["a folder's symbolic link out", "outdir/secret.gguf"],
    ["a NUL byte", "m.gguf\0.txt"],
    ["a NUL byte alone", "\0"],
    ["dots and a lone surrogate", "../../etc/pass\ud800wd"],
    ["dots and bytes that are no text", Buffer.from([0x2e, 0x2e, 0x2f, 0xff, 0xfe])],
  ];

  test.each(escapes)("is a traversal and is recorded as one: %s", async (_, path) => {
    const { root, folder: home, loader, records } = await gate();
    writeFileSync(join(home, "secret.gguf"), bytes);
    mkdirSync(join(root, "sub"));
    symlinkSync("../secret.gguf", join(root, "out.gguf"));
    symlinkSync("/nonexistent/x", join(root, "nowhere.gguf"));
    symlinkSync("..", join(root, "outdir"));
    const asked = typeof path === "string" && path.startsWith("ROOT") ? path.replace("ROOT", root) : path;
    for (const call of [() => loader.load(asked), () => loader.inspect(asked)]) {
      expect(await refusal(call())).toMatchObject({ code: "PATH_TRAVERSAL", severity: "CRITICAL", retriable: false });
    }
    const events = (await records()).filter(({ type }) => type === "PathTraversalAttempt");
    expect(events).toHaveLength(2);
    expect(events[0]).toMatchObject({ sev: "CRITICAL", outcome: "denied", reason: "PATH_TRAVERSAL", action: "model.load" });
  });

  test("says nothing of what lies outside", async () => {
    const { root, loader } = await gate();
    symlinkSync("/etc/passwd", join(root, "out.gguf"));
    const { message } = await refusal(loader.load("out.gguf"));
    expect(message).not.toContain("passwd");
    expect(message).not.toContain("/etc");
  });
});

describe("an honest mistake", () => {
  test.each([
    ["a missing file", "absent.gguf"],
    ["a missing folder", "absent/m.gguf"],
    ["a file used as a folder", "m.gguf/x"],
    ["a name of 300 bytes", "x".repeat(300)],
    ["a path of 10,000 bytes", "x/".repeat(5000)],
    ["a lone surrogate", "m\ud800.gguf"],
    ["a name with an escape sequence", "\u001b[2J.gguf"],
    ["a dangling link inside", "dangling.gguf"],
  ])("is NOT_FOUND and no attack: %s", async (_, path) => {
    const { root, loader, records } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    writeFileSync(join(root, "m\ufffd.gguf"), bytes);
    symlinkSync("gone.gguf", join(root, "dangling.gguf"));
    expect(await refusal(loader.load(path))).toMatchObject({ code: "NOT_FOUND", severity: "INFO" });
    expect((await records()).at(-1)).toMatchObject({ type: "ModelLoadFailed", sev: "INFO", outcome: "failed", reason: "NOT_FOUND" });
  });

  test("a folder, a FIFO, a socket and a device are not regular files, and none of them blocks", async () => {
    const { root, loader } = await gate();
    mkdirSync(join(root, "dir.gguf"));
    execFileSync("mkfifo", [join(root, "fifo.gguf")]);
    const server = createServer().listen(join(root, "socket.gguf"));
    await once(server, "listening");
    const device = spawnSync("mknod", [join(root, "zero.gguf"), "c", "1", "5"]).status === 0;
    const names = ["dir.gguf", "fifo.gguf", "socket.gguf", ".", ...(device ? ["zero.gguf"] : [])];
    for (const name of names) {
      expect(await refusal(loader.load(name)), name).toMatchObject({ code: "NOT_REGULAR_FILE", severity: "INFO" });
    }
    server.close();
  });

  test("a loop of links is refused", async () => {
    const { root, loader } = await gate();
    symlinkSync("b", join(root, "a"));
    symlinkSync("a", join(root, "b"));
    expect(await refusal(loader.load("a"))).toMatchObject({ code: "IO" });
  });

  test("a file that may not be read is PERMISSION_DENIED", async (ctx) => {
    const { root, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    chmodSync(join(root, "m.gguf"), 0);
    if (process.getuid?.() === 0) ctx.skip("root may read everything; the Rust suite asks as another user");
    expect(await refusal(loader.load("m.gguf"))).toMatchObject({ code: "PERMISSION_DENIED", severity: "INFO" });
  });
});

describe("inside the root", () => {
  test("links, detours and hard links are followed", async () => {
    const { root, loader } = await gate();
    mkdirSync(join(root, "blobs"));
    mkdirSync(join(root, "snapshots"));
    writeFileSync(join(root, "blobs", "b"), bytes);
    symlinkSync("../blobs/b", join(root, "snapshots", "m.gguf"));
    linkSync(join(root, "blobs", "b"), join(root, "hard.gguf"));
    for (const path of ["snapshots/m.gguf", "snapshots/../blobs/b", "hard.gguf", `${root}/blobs/b`]) {
      await expect(loader.load(path), path).resolves.toBeDefined();
    }
  });

  test("an absolute path is taken through the root's link and through its target", async () => {
    const home = await folder();
    mkdirSync(join(home, "real"));
    writeFileSync(join(home, "real", "m.gguf"), bytes);
    symlinkSync("real", join(home, "alias"));
    await using loader = await ModelLoader.open({ root: join(home, "alias"), audit: "disabled" });
    for (const path of ["alias/m.gguf", "real/m.gguf"]) await expect(loader.load(join(home, path))).resolves.toBeDefined();
  });

  test("the root is held, not its name", async () => {
    const { root, folder: home, loader } = await gate();
    writeFileSync(join(root, "m.gguf"), bytes);
    renameSync(root, join(home, "moved"));
    mkdirSync(root);
    await expect(loader.load("m.gguf")).resolves.toBeDefined();
    unlinkSync(join(home, "moved", "m.gguf"));
    expect(await refusal(loader.load("m.gguf"))).toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("a root that is none", () => {
  test("is refused when the loader is opened", async () => {
    const home = await folder();
    writeFileSync(join(home, "file"), "");
    expect(await refusal(ModelLoader.open({ root: join(home, "absent") }))).toMatchObject({ code: "NOT_FOUND" });
    expect(await refusal(ModelLoader.open({ root: join(home, "file") }))).toMatchObject({ code: "NOT_FOUND" });
  });
});
