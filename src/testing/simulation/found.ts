// Scripts that once showed a fault, as short as they could be made. They are run with the fixed seeds: what a seed means
// changes with the generator, what a script means does not.
import type { Script } from "./steps.js";

export interface Found {
  /** What was wrong. */
  readonly fault: string;
  /** Which invariant said so. */
  readonly invariant: string;
  readonly script: Script;
}

export const found: readonly Found[] = [
  {
    fault:
      "An insert into a scope that is not read was never settled, if a later transaction that inserted the same document into one that is read waited behind it when it was answered: it was expected to come back there.",
    invariant: "I-19",
    script: {
      seed: 14,
      devices: [
        { user: "user 0", scopes: ["DE", "FR"], tabs: 1 },
        { user: "user 0", scopes: ["DE", "FR"], tabs: 3 },
      ],
      steps: [
        { do: "pass", ms: 120_000 },
        {
          do: "write",
          device: 1,
          tab: 0,
          isGroup: true,
          changes: [
            { document: "s1", kind: "count", country: "FR", value: 110 },
            { document: "s2", kind: "tag", country: "FR", value: 111 },
          ],
        },
        {
          do: "write",
          device: 1,
          tab: 1,
          isGroup: false,
          changes: [{ document: "b", kind: "name", country: "IT", value: 230 }],
        },
        {
          do: "write",
          device: 1,
          tab: 0,
          isGroup: true,
          changes: [{ document: "b", kind: "replace", country: "DE", value: 240 }],
        },
      ],
    },
  },
];
