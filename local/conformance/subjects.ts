import { ConvexTestSubject } from "./convexTestSubject.js";
import { EngineSubject } from "./engineSubject.js";
import { convexTestLacks, engineLacks } from "./lacks.js";
import type { SubjectEntry } from "./subject.js";

/** Everything that must pass the suite. */
export const subjects: readonly SubjectEntry[] = [
  { name: "convex-test", lacks: convexTestLacks, create: () => new ConvexTestSubject() },
  { name: "own engine", lacks: engineLacks, create: () => new EngineSubject() },
];
