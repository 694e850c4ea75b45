/** What a person means by a path, and that an escape is handed to the loader instead of being mended. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { fromBytes, fromText } from "../../lib/cli/byte-path.ts";
import { ownPlace, placeInRoot } from "../../lib/cli/places.ts";
import { folder } from "./support.ts";

let home: string;
let models: string;

beforeEach(async () => {
  home = await folder();
  models = join(home, "models");
  mkdirSync(join(models, "sub"), { recursive: true });
  mkdirSync(join(home, "outside"));
  for (const name of ["models/a.gguf", "models/sub/b.gguf", "outside/c.gguf"]) writeFileSync(join(home, name), "");
  symlinkSync("../outside", join(models, "out"));
  symlinkSync("sub", join(models, "in"));
  symlinkSync("models", join(home, "alias"));
});

describe("with --root", () => {
  const place = (path: string, cwd: string, root = models) => placeInRoot(root, fromText(path), fromText(cwd));

  test.each([
    ["a plain name is in the root, wherever the person stands", "a.gguf", "/", "a.gguf"],
    ["a name under the root", "sub/b.gguf", "/", "sub/b.gguf"],
    ["from a folder in the root, as the shell completes it", "b.gguf", "models/sub", "b.gguf", "sub/b.gguf"],
    ["from the folder beside the root", "models/a.gguf", "", "a.gguf"],
    ["up and in again", "../models/a.gguf", "outside", "a.gguf"],
    ["up within the root", "../a.gguf", "models/sub", "a.gguf"],
    ["through a link to the root", "alias/a.gguf", "", "a.gguf"],
    ["a missing file keeps its name", "sub/missing.gguf", "/", "sub/missing.gguf"],
  ])("%s", (_, path, from, ...meant) => {
    const cwd = from.startsWith("/") ? from : join(home, from);
    expect(place(path, cwd).path).toBe(meant.at(-1));
  });

  test("an absolute path in the root is taken as one, also through a link", () => {
    expect(place(join(models, "sub/b.gguf"), "/").path).toBe("sub/b.gguf");
    expect(place(join(home, "alias/a.gguf"), "/").path).toBe("a.gguf");
    expect(place(join(models, "a.gguf"), "/", join(home, "alias")).path).toBe("a.gguf");
  });

  test.each([
    ["../../etc/passwd", "/"],
    ["/etc/passwd", "/"],
    ["../outside/c.gguf", "/"],
    ["out/c.gguf", "/"],
    ["missing/../../etc/passwd", "/"],
    ["", "/"],
  ])("an escape reaches the loader as it is: %j", (path, cwd) => {
    expect(place(path, cwd)).toEqual({ root: models, path });
  });

  test("an escape from a folder in the root still leaves it", () => {
    expect(place("../../outside/c.gguf", join(models, "sub")).path).toBe("sub/../../outside/c.gguf");
  });

  test("a folder in the root is searched, one that a link leads out to is not", () => {
    expect(place("sub", "/").folder).toBe(join(models, "sub"));
    expect(place("in", "/").folder).toBe(join(models, "in"));
    expect(place(models, "/")).toMatchObject({ path: ".", folder: `${models}/.` });
    expect(place("out", "/").folder).toBeUndefined();
    expect(place("..", models).folder).toBeUndefined();
  });
});

describe("without --root", () => {
  test("a file's own folder is the root", () => {
    expect(ownPlace(fromText(join(models, "a.gguf")))).toEqual({ root: `${models}/`, path: "a.gguf" });
    expect(ownPlace(fromText("package.json"))).toEqual({ root: ".", path: "package.json" });
    expect(ownPlace(fromText("/missing.gguf"))).toEqual({ root: "/", path: "missing.gguf" });
    expect(ownPlace(fromText(""))).toEqual({ root: ".", path: "" });
  });

  test("a folder is its own root", () => {
    expect(ownPlace(fromText(models))).toEqual({ root: `${models}/`, path: ".", folder: models });
  });

  test("a file in a missing folder is missing from the nearest one that exists", () => {
    expect(ownPlace(fromText(join(models, "no/such/x.gguf")))).toEqual({ root: `${models}/`, path: "no/such/x.gguf" });
    expect(ownPlace(fromText(join(models, "a.gguf/x.gguf")))).toEqual({ root: `${models}/`, path: "a.gguf/x.gguf" });
  });

  test("a folder whose name is no text is part of the path", () => {
    const name = Buffer.concat([Buffer.from(`${models}/`), Buffer.from([0xff])]);
    mkdirSync(name);
    expect(ownPlace(fromBytes(name))).toMatchObject({ root: `${models}/`, path: "\u00FF", folder: fromBytes(name) });
  });
});
