/** The whole path from a file to evidence on a CUDA driver of our own, and every fault that it can inject. */
import { beforeAll, describe, expect, test } from "vitest";
import { builtDouble, DOUBLE_MS_MAX, onTheDouble } from "../support/driver-double.ts";

beforeAll(async () => { await builtDouble(); }, DOUBLE_MS_MAX);

const DIGEST = expect.stringMatching(/^[0-9a-f]{64}$/u) as string;

describe("a seal", () => {
  test("holds the file's bytes, shows evidence at each level, and stands in the trail", async () => {
    const [device, seal, checks, types, metrics] = await onTheDouble(`
      const shard = await loader.seal("m.gguf", { actor: "alice" });
      tell(shard.device);
      tell({ sha256: shard.sha256, blake3: shard.blake3, record: shard.record, verdict: shard.evidence.verdict, content: shard.evidence.content, file: (await loader.load("m.gguf")).blake3 });
      const nonce = Buffer.alloc(32, 7);
      tell([await shard.verify({ level: "quick" }), await shard.verify({ level: "sample", p: 0.5 }), await shard.verify(), await shard.challenge(nonce)]);
      await shard[Symbol.asyncDispose]();
      await shard[Symbol.asyncDispose]();
      tell(records().filter(({ type }) => /Vram|Seal|Unloaded/.test(type)));
      tell({ sealed: await metric("seals_total", { code: "OK" }), bytes: await metric("sealed_bytes"), checks: await metric("checks_total", { verdict: "resident" }), violations: await metric("violations_total") });
    `) as [Record<string, unknown>, Record<string, unknown>, Record<string, unknown>[], Record<string, unknown>[], unknown];
    expect(device).toMatchObject({ backend: "cuda", kind: "discrete", isVram: true, ecc: true });
    expect(seal).toMatchObject({ sha256: DIGEST, verdict: "resident", record: { version: 1, access: "read-only", root: seal["blake3"], mac: DIGEST }, content: { root: seal["blake3"], badTilesCount: 0 } });
    expect(seal["file"]).toBe(seal["blake3"]);
    expect(checks.map(({ level, verdict }) => [level, verdict])).toEqual([["quick", "resident"], ["sample", "resident"], ["full", "resident"], ["challenge", "resident"]]);
    expect(checks[0]).toMatchObject({ content: { tilesChecked: 0 }, placement: { memoryType: "device", managed: false, pinned: true, access: "read-only" }, timing: { latency: { slowPagesCount: 0 } } });
    expect(checks[1]).toMatchObject({ content: { badTilesCount: 0 } });
    expect(checks[2]).toMatchObject({ content: { root: seal["blake3"] } });
    expect(checks[3]).toMatchObject({ freshness: { method: "fresh-mac", nonce: "07".repeat(32), response: DIGEST } });
    expect(types.map(({ type }) => type)).toEqual(["VramAllocated", "VramSealed", "SealVerified", "SealVerified", "SealVerified", "SealVerified", "VramDeallocated", "ModelUnloaded"]);
    expect(types[1]).toMatchObject({ sev: "INFO", outcome: "allowed", action: "vram.seal", actor: "alice", policy: { id: "vram-seal" }, target: { sha256: seal["sha256"] }, details: { digest: seal["blake3"] } });
    expect(types[6]).toMatchObject({ details: { freedBytes: 2 ** 21 } });
    expect(metrics).toEqual({ sealed: 1, bytes: 0, checks: 4, violations: 0 });
  });

  test("is read by the gate first: what is no model never reaches the device's memory", async () => {
    const said = await onTheDouble(`
      writeFileSync(join(home, "models/x.gguf"), "hello");
      for (const path of ["x.gguf", "../x", "none.gguf"]) tell(await caught(loader.seal(path)));
      tell(await caught(loader.seal("m.gguf", { sha256: "0".repeat(64) })));
      tell([await metric("sealed_models"), (await vramDevices()).devices[0].freeBytes === (await vramDevices()).devices[0].totalBytes]);
      tell(records().filter(({ type }) => type.startsWith("Vram")).length);
    `);
    expect(said).toMatchObject([{ code: "GGUF_NOT_GGUF" }, { code: "PATH_TRAVERSAL" }, { code: "NOT_FOUND" }, { code: "DIGEST_MISMATCH" }, [0, true], 0]);
  });

  /** What the driver does wrong, what is asked for, and what comes of it: in turn, in one process. */
  const REFUSED: readonly (readonly [fault: string, options: object, code: string, type: string, severity: string, details: object])[] = [
    ["flip_copy=300000", {}, "VRAM_SEAL_MISMATCH", "SealVerificationFailed", "CRITICAL", { badTiles: 1, badTensors: expect.stringContaining("blk.") as string }],
    ["host=1", {}, "VRAM_POLICY_VIOLATION", "PolicyViolation", "CRITICAL", { policy: "host", action: "refused" }],
    ["managed=1", {}, "VRAM_POLICY_VIOLATION", "PolicyViolation", "CRITICAL", { policy: "managed" }],
    ["elsewhere=1", {}, "VRAM_POLICY_VIOLATION", "PolicyViolation", "CRITICAL", { policy: "host" }],
    ["unprotected=1", {}, "VRAM_NOT_RESIDENT", "ResidencyLost", "CRITICAL", { observed: expect.stringContaining("no longer read-only") as string }],
    ["", { policy: { residentFractionMin: 1 } }, "VRAM_POLICY_VIOLATION", "PolicyViolation", "CRITICAL", { policy: "residentFractionMin" }],
    ["", { policy: { headroomBytes: 2 ** 28 } }, "VRAM_INSUFFICIENT_MEMORY", "VramAllocationFailed", "HIGH", {}],
    ["free=1000", {}, "VRAM_INSUFFICIENT_MEMORY", "VramAllocationFailed", "HIGH", { availableBytes: 1000 }],
    ["oom=1", {}, "VRAM_ALLOCATION_FAILED", "VramAllocationFailed", "HIGH", {}],
    ["slow_pages=all", {}, "VRAM_NOT_RESIDENT", "ResidencyLost", "CRITICAL", {}],
    ["", { device: "GPU-00000000-0000-0000-0000-000000000000" }, "VRAM_NO_DEVICE", "VramAllocationFailed", "INFO", {}],
    ["", { backend: "vulkan" }, "VRAM_NO_DRIVER", "VramAllocationFailed", "INFO", {}],
    ["lost=1", {}, "VRAM_DEVICE_LOST", "DeviceLost", "CRITICAL", {}],
  ];

  test("that cannot be one is refused, recorded and leaves nothing on the device", { timeout: 60_000 }, async () => {
    const [refused, sealed, violations] = await onTheDouble(`
      await (await loader.seal("m.gguf"))[Symbol.asyncDispose]();
      const seen = [];
      for (const [fault, options] of ${JSON.stringify(REFUSED)}) {
        fails(fault);
        const { name, code, severity, retriable } = await caught(loader.seal("m.gguf", options));
        const [record] = records().slice(-1);
        seen.push({ fault, name, code, severity, retriable, record });
      }
      tell(seen);
      tell(await metric("sealed_models"));
      tell(await metric("violations_total"));
    `);
    expect(refused).toMatchObject(REFUSED.map(([fault, , code, type, severity, details]) => ({
      fault, name: "VramError", code, severity, retriable: severity === "HIGH",
      record: { type, sev: severity, action: "vram.seal", reason: code, details },
    })));
    expect([sealed, violations]).toEqual([0, REFUSED.filter(([, , , , severity]) => severity === "CRITICAL").length]);
  });

  test.each([
    ["wrong=1", {}, "VRAM_SELF_TEST_FAILED", "VramAllocationFailed", "HIGH"],
    ["ecc=0", { policy: { requireEcc: true } }, "VRAM_POLICY_VIOLATION", "PolicyViolation", "CRITICAL"],
    ["devices=0", {}, "VRAM_NO_DRIVER", "VramAllocationFailed", "INFO"],
    ["integrated=1", {}, "VRAM_NO_DEVICE", "VramAllocationFailed", "INFO"],
  ])("on a device that is opened under %s with %j is refused as %s", async (fault, options, code, type, sev) => {
    const [error, record] = await onTheDouble(`
      fails(${JSON.stringify(fault)});
      tell(await caught(loader.seal("m.gguf", ${JSON.stringify(options)})));
      tell(records().at(-1));
    `);
    expect(error).toMatchObject({ code, retriable: false });
    expect(record).toMatchObject({ type, sev, reason: code });
  });

  test("on an integrated device that is named breaks the policy, and with allowUnified it is unified, never resident", async () => {
    const [error, verdict] = await onTheDouble(`
      fails("integrated=1");
      const device = (await vramDevices()).devices[0].uuid;
      tell(await caught(loader.seal("m.gguf", { device })));
      const shard = await loader.seal("m.gguf", { policy: { allowUnified: true } });
      tell([shard.evidence.verdict, (await shard.verify()).verdict]);
    `);
    expect(error).toMatchObject({ code: "VRAM_POLICY_VIOLATION", policy: "allowUnified" });
    expect(verdict).toEqual(["unified", "unified"]);
  });

  test("is counted for this process, alike by the list of devices and by evidence, where the driver tells", async () => {
    const said = await onTheDouble(`
      const listed = async () => (await vramDevices()).devices[0].processBytes ?? null;
      tell(await listed());
      const shard = await loader.seal("m.gguf");
      tell([shard.evidence.accounting.processBytes, await listed(), (await shard.verify()).accounting.processBytes]);
      fails("host_pids=1");
      tell([await listed(), (await shard.verify()).accounting.processBytes ?? null]);
    `);
    const [before, [sealed, ...after], unknown] = said as [unknown, number[], unknown];
    expect(sealed).toBeGreaterThanOrEqual(2 ** 21);
    expect([before, after, unknown]).toEqual([null, [sealed, sealed], [null, null]]);
  });

  test("on a driver that lacks a function says which", async () => {
    const [error] = await onTheDouble(`tell(await caught(loader.seal("m.gguf")));`, ["cuMemCreate"]);
    expect(error).toMatchObject({ code: "VRAM_DRIVER_TOO_OLD", message: expect.stringContaining("cuMemCreate") as string });
  });
});

describe("a check of a seal", () => {
  const BROKEN: readonly (readonly [fault: string, code: string, type: string, details: object])[] = [
    ["flip=300000", "VRAM_VERIFICATION_FAILED", "SealVerificationFailed", { badTiles: 1, badTileList: "1", badTensors: expect.stringContaining("blk.") as string }],
    ["managed=1", "VRAM_NOT_RESIDENT", "ResidencyLost", {}],
    ["host=1", "VRAM_NOT_RESIDENT", "ResidencyLost", {}],
    ["slow_pages=0", "VRAM_NOT_RESIDENT", "PageMigrated", { pages: 1 }],
    ["lost=1", "VRAM_DEVICE_LOST", "DeviceLost", {}],
  ];

  test("that finds it broken throws, with the CRITICAL event on disk before", { timeout: 60_000 }, async () => {
    const [broken] = await onTheDouble(`
      const seen = [];
      for (const [fault, , type] of ${JSON.stringify(BROKEN)}) {
        fails("");
        const shard = await loader.seal("m.gguf");
        fails(fault);
        const before = await metric("violations_total", { type });
        const { name, code, severity, retriable, evidence, ...error } = await caught(shard.verify());
        const [record] = records().slice(-1);
        seen.push({ fault, name, code, severity, retriable, verdict: evidence?.verdict, record, counted: await metric("violations_total", { type }) - before, told: shard.signal.reason.code });
        if (code !== "VRAM_DEVICE_LOST") await shard[Symbol.asyncDispose]();
      }
      tell(seen);
    `);
    expect(broken).toMatchObject(BROKEN.map(([fault, code, type, details]) => ({
      fault, name: "VramError", code, severity: "CRITICAL", retriable: false, counted: 1, told: code,
      ...(type === "DeviceLost" ? {} : { verdict: "not-resident" }),
      record: { type, sev: "CRITICAL", action: "vram.verify", reason: code, details },
    })));
  });

  test("that finds new memory errors records them, and the digest speaks for these bytes", async () => {
    const said = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      fails("ecc_errors=3");
      tell((await shard.verify()).verdict);
      tell((await shard.verify()).verdict);
      tell(records().filter(({ type }) => type === "EccUncorrectable").map(({ sev, details }) => [sev, details.errors]));
    `);
    expect(said).toEqual(["resident", "resident", [["CRITICAL", 3]]]);
  });

  test("that can show nothing wrong and not all that was asked is inconclusive, and no alarm", async () => {
    const [evidence, critical] = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      fails("ecc_errors=3");
      tell(await shard.verify({ level: "quick" }));
      tell(records().filter(({ type, sev }) => sev === "CRITICAL" && type !== "EccUncorrectable").length);
    `);
    expect(evidence).toMatchObject({ verdict: "inconclusive", reasons: ["memory errors came up since the seal: check all tiles"] });
    expect(critical).toBe(0);
  });

  test("gives the evidence out under onViolation: event, and frees the memory under free", async () => {
    const said = await onTheDouble(`
      const [kept, freed] = [await loader.seal("m.gguf", { policy: { onViolation: "event" } }), await loader.seal("m.gguf", { policy: { onViolation: "free" } })];
      fails("managed=1");
      tell((await kept.verify()).verdict);
      tell([(await caught(freed.verify())).code, freed.disposed]);
      await freed[Symbol.asyncDispose]();
      tell((await caught(freed.verify())).code);
      tell(records().filter(({ type }) => type === "ResidencyLost" || type === "VramDeallocated").map(({ type }) => type));
    `);
    expect(said).toEqual(["not-resident", ["VRAM_NOT_RESIDENT", true], "VRAM_HANDLE_STALE", ["ResidencyLost", "ResidencyLost", "VramDeallocated"]]);
  });
});

describe("a scrub", () => {
  test("goes over all bytes again and again, and ends with its shard", async () => {
    const [ended, passes, completed, metrics] = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      const scrub = shard.scrub({ dutyCycle: 1, budgetMs: 1 });
      const steps = [];
      scrub.on("step", (step) => steps.push(step));
      while (scrub.passes < 2) await sleep(10);
      await shard[Symbol.asyncDispose]();
      tell([await scrub.ended, (await caught(shard.verify())).code, (() => { try { shard.scrub(); } catch (error) { return error.code; } })()]);
      tell(steps.filter(({ coverage }) => coverage < 0 || coverage > 1).length === 0 && steps.length >= scrub.passes);
      tell(records().filter(({ type }) => type === "ScrubCompleted").map(({ sev, details }) => [sev, details.coverage]));
      tell([await metric("scrub_passes_total") >= 2, await metric("scrubbed_bytes_total") >= 2 * shard.sizeBytes]);
    `) as [unknown, unknown, unknown[], unknown];
    expect(ended).toEqual(["disposed", "VRAM_HANDLE_STALE", "VRAM_HANDLE_STALE"]);
    expect(passes).toBe(true);
    expect(completed.length).toBeGreaterThanOrEqual(2);
    expect(completed[0]).toEqual(["INFO", expect.stringMatching(/^all \d+ bytes of [0-9a-f]{32}$/u)]);
    expect(metrics).toEqual([true, true]);
  });

  test("that finds a flipped bit records it, tells it and ends", async () => {
    const [error, why, recorded] = await onTheDouble(`
      const shard = await loader.seal("m.gguf", { policy: { onViolation: "event" } });
      const scrub = shard.scrub({ dutyCycle: 1 });
      scrub.once("completed", () => fails("flip=300000"));
      const failed = new Promise((resolve) => scrub.once("failed", resolve));
      tell(await failed);
      tell(await scrub.ended);
      tell(records().filter(({ sev }) => sev === "CRITICAL").map(({ type, action, details }) => [type, action, details.badTiles]));
    `);
    expect(error).toMatchObject({ code: "VRAM_VERIFICATION_FAILED", evidence: { content: { badTilesCount: 1 } } });
    expect([why, recorded]).toEqual(["failed", [["SealVerificationFailed", "vram.scrub", 1]]]);
  });

  test("stops by its signal and by stop, twice", async () => {
    const said = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      const stop = new AbortController();
      const [first, second] = [shard.scrub({ dutyCycle: 1, signal: stop.signal }), shard.scrub()];
      await sleep(50);
      stop.abort();
      await second.stop();
      await second.stop();
      tell([await first.ended, await second.ended]);
    `);
    expect(said).toEqual([["stopped", "stopped"]]);
  });
});

describe("disposal", () => {
  test("during checks ends them, clears the memory and leaves the device usable", async () => {
    const [codes, free, again] = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      const checks = Array.from({ length: 6 }, () => caught(shard.verify()));
      await sleep(20);
      await shard[Symbol.asyncDispose]();
      tell((await Promise.all(checks)).map((end) => end.code ?? end.value.verdict));
      const [device] = (await vramDevices()).devices;
      tell(device.freeBytes);
      tell((await loader.seal("m.gguf")).evidence.verdict);
    `) as [string[], number, string];
    expect(new Set(codes)).toContain("VRAM_HANDLE_STALE");
    expect(codes.every((code) => code === "VRAM_HANDLE_STALE" || code === "resident")).toBe(true);
    expect(free).toBeGreaterThan(2 ** 28 - 2 ** 20);
    expect(again).toBe("resident");
  });

  test("of the loader frees all, also when it is synchronous; a signal stops one check alone", async () => {
    const said = await onTheDouble(`
      const shards = [await loader.seal("m.gguf"), await loader.seal("m.gguf")];
      tell((await caught(shards[0].verify({ signal: AbortSignal.abort(new Error("enough")) }))).code);
      const running = new AbortController();
      const check = caught(shards[0].verify({ signal: running.signal }));
      running.abort();
      tell((await check).code);
      tell((await shards[1].verify()).verdict);
      loader[Symbol.dispose]();
      tell(shards.map(({ disposed }) => disposed));
      tell(records().filter(({ type }) => type === "VramDeallocated").length);
      tell(await metric("sealed_models"));
    `);
    expect(said).toEqual(["VRAM_ABORTED", "VRAM_ABORTED", "resident", [true, true], 2, 0]);
  });

  test("comes with garbage collection, and with the end of a worker in the middle of a check", async () => {
    const [freed, free] = await onTheDouble(`
      import { Worker } from "node:worker_threads";
      await (async () => { await loader.seal("m.gguf"); })();
      for (let turn = 0; turn < 100 && !records().some(({ type }) => type === "VramDeallocated"); turn += 1) { globalThis.gc(); await sleep(20); }
      tell(records().filter(({ type }) => type === "ModelUnloaded").map(({ details }) => details.reason));
      const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(\`
        import { parentPort, workerData } from "node:worker_threads";
        const { ModelLoader } = await import(workerData.index);
        const loader = await ModelLoader.open({ root: workerData.root, audit: "disabled" });
        const shard = await loader.seal("m.gguf");
        for (let turn = 0; turn < 20; turn += 1) void shard.verify().catch(() => undefined);
        parentPort.postMessage("sealed");
        setInterval(() => undefined, 1000);
      \`)), { workerData: { index: INDEX, root: join(home, "models") } });
      await new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject); });
      await worker.terminate();
      let device;
      for (let turn = 0; turn < 200; turn += 1) {
        [device] = (await vramDevices()).devices;
        if (device.freeBytes === device.totalBytes) break;
        await sleep(20);
      }
      tell(device.totalBytes - device.freeBytes < 2 ** 20);
    `, [], "--expose-gc");
    expect(freed).toEqual(["garbage collected"]);
    expect(free).toBe(true);
  });
});

test("a check keeps its shard from the garbage collector, which would end it", async () => {
  const said = await onTheDouble(`
    const ends = Promise.all([0, 1, 2, 3].map(async () => (await caught((async () => (await loader.seal("m.gguf")).verify())()))));
    let ended = false;
    void ends.then(() => { ended = true; });
    while (!ended) { globalThis.gc(); await sleep(1); }
    tell((await ends).map(({ code, value }) => code ?? value.verdict));
  `, [], "--expose-gc");
  expect(said).toEqual([["resident", "resident", "resident", "resident"]]);
});

describe("the trail", () => {
  test("that cannot be written refuses the seal and clears the memory; a broken seal stays broken", async () => {
    const said = await onTheDouble(`
      const shard = await loader.seal("m.gguf");
      await audit[Symbol.asyncDispose]();
      tell(await caught(loader.seal("m.gguf")));
      tell(await metric("sealed_models"));
      tell((await caught(shard.verify())).code);
      fails("managed=1");
      const error = await caught(shard.verify());
      tell([error.code, error.auditError.code]);
    `);
    expect(said).toMatchObject([{ code: "AUDIT_UNAVAILABLE" }, 1, "AUDIT_UNAVAILABLE", ["VRAM_NOT_RESIDENT", "AUDIT_UNAVAILABLE"]]);
  });
});

describe("weights that another library loaded", () => {
  const RANGES = `
    const shard = await loader.seal("m.gguf");
    const model = await loader.load("m.gguf", { actor: "bob" });
    const ranges = [...model.gguf.tensors].slice(0, 5).map(({ name, offset, bytes }) => ({ pointer: shard.pointer + BigInt(offset), bytes, tensor: name }));
  `;

  test("are held against the verified file, tensor by tensor", async () => {
    const [report, record] = await onTheDouble(`${RANGES}
      tell(await model.verifyRanges(ranges));
      tell(records().at(-1));
    `) as [Record<string, unknown[]>, unknown];
    expect(report).toMatchObject({ verdict: "resident", bytesChecked: expect.any(Number) as number });
    expect(report["ranges"]).toHaveLength(5);
    expect(report["tensorsUnchecked"]?.length).toBeGreaterThan(10);
    expect(record).toMatchObject({ type: "ForeignVerified", sev: "INFO", actor: "bob", details: { coverage: expect.stringMatching(/^5 tensors, \d+ bytes; \d+ tensors not named$/u) as string } });
  });

  test("that differ are named, and recorded as CRITICAL", async () => {
    const [error, record] = await onTheDouble(`${RANGES}
      fails("flip=" + (Number(ranges[1].pointer - shard.pointer) + 5));
      tell(await caught(model.verifyRanges(ranges)));
      tell([records().at(-1), ranges[1].tensor]);
    `) as [unknown, [unknown, string]];
    expect(error).toMatchObject({ code: "VRAM_VERIFICATION_FAILED", message: expect.stringContaining(record[1]) as string });
    expect(record[0]).toMatchObject({ type: "IntegrityViolation", sev: "CRITICAL", action: "vram.verifyRanges", details: { field: record[1], expected: DIGEST, actual: DIGEST } });
  });

  test("are refused where a range is no tensor's, or no memory of the device", async () => {
    const said = await onTheDouble(`${RANGES}
      const [first] = ranges;
      for (const range of [
        { ...first, bytes: 1 }, { ...first, tensor: "nobody" }, { ...first, pointer: 4096n }, { ...first, pointer: shard.pointer + 2n ** 21n - 8n },
      ]) tell((await caught(model.verifyRanges([range]))).code);
      tell(records().filter(({ action }) => action === "vram.verifyRanges").length);
    `);
    expect(said).toEqual(["VRAM_BAD_RANGE", "VRAM_BAD_RANGE", "VRAM_BAD_RANGE", "VRAM_BAD_RANGE", 0]);
  });

  test("are accounted for: growth as expected, and a load that stayed in RAM", async () => {
    const [good, bad, recorded] = await onTheDouble(`
      const model = await loader.load("m.gguf");
      const all = { gpuLayers: 17 };
      const { result, report } = await model.measureOffload(all, () => loader.seal("m.gguf"));
      tell([result.evidence.verdict, report]);
      tell((await model.measureOffload(all, async () => undefined)).report);
      tell(records().slice(-2).concat(records().filter(({ type }) => type === "ForeignVerified")).map(({ type, sev, reason }) => [type, sev, reason]));
    `) as [[string, Record<string, unknown>], unknown, unknown[]];
    expect(good).toMatchObject(["resident", { verdict: "as-expected", countedBy: "device" }]);
    expect(good[1]["deviceBytes"]).toBeGreaterThanOrEqual(2 ** 21);
    expect(bad).toMatchObject({ verdict: "short", deviceBytes: 0 });
    expect(recorded).toContainEqual(["ResidencyLost", "CRITICAL", "OFFLOAD_SHORT"]);
    expect(recorded).toContainEqual(["ForeignVerified", "INFO", "OFFLOAD_AS_EXPECTED"]);
  });
});
