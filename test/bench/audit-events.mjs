/** What is recorded in the benchmarks of the trail: a load as a host records it, about 840 bytes a line. */
export function loadedEvent(lane, severity = "INFO") {
  return {
    type: "ModelLoaded",
    severity,
    outcome: "allowed",
    action: "model.load",
    actor: "inference-host",
    correlationId: `request-${lane}`,
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    target: { path: "models/example-7b.gguf", sizeBytes: 4_081_004_224, sha256: "5".repeat(64) },
    details: { expectedFrom: "manifest", ggufVersion: 3, tensors: 291, durationMs: 2_317 },
  };
}
