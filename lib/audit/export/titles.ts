/** What happened, in words for people who do not know our event types. */
import type { AuditEventType } from "../events.ts";

const TITLES: Readonly<Partial<Record<AuditEventType, string>>> = {
  PathTraversalAttempt: "A path led out of the models' folder",
  IntegrityViolation: "A model's bytes are not those that were promised",
  MalformedModelRejected: "A malformed model was refused",
  ResourceLimitViolation: "A model over a limit was refused",
  ModelLoadFailed: "A model could not be loaded",
  ModelLoaded: "A model was verified and loaded",
  ModelProtected: "A verified model's file was protected against changes",
  ModelUnloaded: "A model was unloaded",
  SealVerificationFailed: "Weights on a device are not those that were sealed",
};

/** Types that need no more words are their own title, word by word. */
export function titleOf(type: AuditEventType): string {
  return TITLES[type] ?? type.replace(/(?<=[a-z])(?=[A-Z])/gu, " ");
}
