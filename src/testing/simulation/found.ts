// Scripts that once showed a fault, as short as they could be made. They are run with the fixed seeds: what a seed means
// changes with the generator, what a script means does not.
import type { Script } from "./steps.js";

export interface Found {
  /** What was wrong. */
  readonly fault: string;
  /** Which invariant said so. */
  readonly invariant: string;
  readonly script: Script;
  /** Not mended yet: the gap under which the simulation leaves it out. */
  readonly gap?: string;
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
  {
    fault:
      "An answer that came while a catch-up was held back took a change out of what is shown, whose page was not shown yet.",
    invariant: "I-7",
    gap: "heldPages",
    script: {
      seed: 97,
      devices: [
        { user: "user 0", scopes: ["DE", "FR"], tabs: 1 },
        { user: "user 1", scopes: ["DE", "FR", "IT"], tabs: 1 },
      ],
      steps: [
        {
          do: "write",
          device: 1,
          tab: 2,
          isGroup: true,
          changes: [{ document: "b", kind: "count", country: "FR", value: 20 }],
        },
        { do: "pass", ms: 120000 },
        {
          do: "write",
          device: 1,
          tab: 1,
          isGroup: true,
          changes: [
            { document: "c", kind: "note", country: "DE", value: 290 },
            { document: "a", kind: "count", country: "DE", value: 291 },
          ],
        },
        {
          do: "write",
          device: 1,
          tab: 1,
          isGroup: true,
          changes: [
            { document: "s1", kind: "tag", country: "IT", value: 310 },
            { document: "s2", kind: "name", country: "FR", value: 311 },
          ],
        },
      ],
    },
  },
  {
    fault:
      "A document that left a scope in a page that was held back was hidden again after the scope that it went to had shown it.",
    invariant: "I-8",
    gap: "heldPages",
    script: {
      seed: 107,
      devices: [
        { user: "user 0", scopes: ["DE", "FR"], tabs: 3 },
        { user: "user 1", scopes: ["DE", "FR", "IT"], tabs: 1 },
        { user: "user 2", scopes: ["DE", "FR", "IT"], tabs: 3 },
      ],
      steps: [
        { do: "pass", ms: 3000 },
        {
          do: "write",
          device: 2,
          tab: 2,
          isGroup: false,
          changes: [
            { document: "😀", kind: "name", country: "IT", value: 10 },
            { document: "a", kind: "tag", country: "DE", value: 11 },
          ],
        },
        {
          do: "write",
          device: 2,
          tab: 1,
          isGroup: true,
          changes: [{ document: "s1", kind: "tag", country: "IT", value: 20 }],
        },
        { do: "pass", ms: 1000 },
        {
          do: "write",
          device: 1,
          tab: 2,
          isGroup: false,
          changes: [{ document: "s2", kind: "name", country: "FR", value: 50 }],
        },
        { do: "pass", ms: 3000 },
        {
          do: "write",
          device: 1,
          tab: 2,
          isGroup: false,
          changes: [
            { document: "s1", kind: "name", country: "DE", value: 120 },
            { document: "s2", kind: "count", country: "FR", value: 121 },
          ],
        },
        { do: "pass", ms: 3000 },
        { do: "close", device: 0, tab: 2 },
        { do: "offline", device: 0 },
        {
          do: "write",
          device: 2,
          tab: 0,
          isGroup: true,
          changes: [
            { document: "a", kind: "note", country: "DE", value: 180 },
            { document: "😀", kind: "note", country: "DE", value: 181 },
            { document: "😀", kind: "delete", country: "IT", value: 182 },
          ],
        },
        {
          do: "serverWrite",
          changes: [
            { document: "😀", kind: "forbidden", country: "FR", value: 190 },
            { document: "ａ", kind: "tag", country: "FR", value: 191 },
          ],
        },
        {
          do: "write",
          device: 2,
          tab: 1,
          isGroup: true,
          changes: [{ document: "s1", kind: "count", country: "DE", value: 230 }],
        },
        {
          do: "write",
          device: 2,
          tab: 1,
          isGroup: true,
          changes: [{ document: "s1", kind: "tag", country: "FR", value: 250 }],
        },
        { do: "loseAnswer", device: 1, times: 1 },
        { do: "pass", ms: 200 },
        {
          do: "write",
          device: 1,
          tab: 0,
          isGroup: false,
          changes: [{ document: "ａ", kind: "delete", country: "DE", value: 280 }],
        },
        { do: "pass", ms: 3000 },
        { do: "kill", device: 0, tab: 0, after: 0 },
        {
          do: "write",
          device: 2,
          tab: 1,
          isGroup: false,
          changes: [
            { document: "ａ", kind: "name", country: "FR", value: 340 },
            { document: "😀", kind: "delete", country: "DE", value: 341 },
            { document: "b", kind: "forbidden", country: "FR", value: 342 },
          ],
        },
        {
          do: "write",
          device: 2,
          tab: 0,
          isGroup: false,
          changes: [
            { document: "ａ", kind: "note", country: "IT", value: 350 },
            { document: "a", kind: "move", country: "FR", value: 351 },
          ],
        },
      ],
    },
  },
  {
    fault: "What was held back of a catch-up was lost when its last page could not be stored.",
    invariant: "I-8",
    gap: "heldPages",
    script: {
      seed: 23,
      devices: [{ user: "user 0", scopes: ["DE", "FR"], tabs: 1 }],
      steps: [
        { do: "loseAnswer", device: 0, times: 2 },
        { do: "pass", ms: 120000 },
        {
          do: "serverWrite",
          changes: [
            { document: "😀", kind: "move", country: "DE", value: 60 },
            { document: "c", kind: "tag", country: "IT", value: 61 },
          ],
        },
        {
          do: "write",
          device: 0,
          tab: 0,
          isGroup: true,
          changes: [
            { document: "s1", kind: "tag", country: "DE", value: 70 },
            { document: "s2", kind: "tag", country: "DE", value: 70 },
          ],
        },
        {
          do: "write",
          device: 0,
          tab: 2,
          isGroup: true,
          changes: [
            { document: "s1", kind: "tag", country: "DE", value: 80 },
            { document: "s2", kind: "tag", country: "DE", value: 80 },
          ],
        },
        { do: "pass", ms: 20000 },
        { do: "loseAnswer", device: 0, times: 2 },
        { do: "thaw", device: 0, tab: 0 },
        { do: "loseAnswer", device: 0, times: 2 },
        { do: "serverWrite", changes: [{ document: "c", kind: "untag", country: "FR", value: 180 }] },
        {
          do: "write",
          device: 0,
          tab: 2,
          isGroup: true,
          changes: [
            { document: "s1", kind: "tag", country: "DE", value: 200 },
            { document: "s2", kind: "tag", country: "DE", value: 200 },
          ],
        },
        {
          do: "write",
          device: 0,
          tab: 1,
          isGroup: false,
          changes: [{ document: "a", kind: "delete", country: "DE", value: 210 }],
        },
        { do: "offline", device: 0 },
        {
          do: "write",
          device: 0,
          tab: 1,
          isGroup: true,
          changes: [
            { document: "s1", kind: "tag", country: "DE", value: 230 },
            { document: "s2", kind: "tag", country: "DE", value: 230 },
          ],
        },
        {
          do: "write",
          device: 0,
          tab: 2,
          isGroup: true,
          changes: [
            { document: "ａ", kind: "forbidden", country: "DE", value: 250 },
            { document: "a", kind: "delete", country: "DE", value: 251 },
            { document: "a", kind: "note", country: "FR", value: 252 },
          ],
        },
        {
          do: "write",
          device: 0,
          tab: 0,
          isGroup: false,
          changes: [{ document: "s1", kind: "tag", country: "FR", value: 280 }],
        },
        {
          do: "write",
          device: 0,
          tab: 0,
          isGroup: true,
          changes: [
            { document: "s1", kind: "tag", country: "DE", value: 290 },
            { document: "s2", kind: "tag", country: "DE", value: 290 },
          ],
        },
        {
          do: "serverWrite",
          changes: [
            { document: "s1", kind: "tag", country: "DE", value: 300 },
            { document: "s2", kind: "tag", country: "DE", value: 300 },
          ],
        },
        {
          do: "write",
          device: 0,
          tab: 2,
          isGroup: false,
          changes: [{ document: "s1", kind: "count", country: "DE", value: 310 }],
        },
        { do: "storageFault", device: 0, method: "commit", code: "storage_unavailable", times: 1 },
        {
          do: "write",
          device: 0,
          tab: 0,
          isGroup: false,
          changes: [{ document: "s1", kind: "tag", country: "FR", value: 350 }],
        },
        {
          do: "write",
          device: 0,
          tab: 2,
          isGroup: true,
          changes: [
            { document: "s1", kind: "tag", country: "DE", value: 360 },
            { document: "s2", kind: "tag", country: "DE", value: 360 },
          ],
        },
        {
          do: "write",
          device: 0,
          tab: 1,
          isGroup: true,
          changes: [
            { document: "s1", kind: "tag", country: "DE", value: 380 },
            { document: "s2", kind: "tag", country: "DE", value: 380 },
          ],
        },
        { do: "online", device: 0 },
        { do: "pass", ms: 20000 },
      ],
    },
  },
  {
    fault:
      "A transaction of a tab that died between storing it and telling of it was pushed, and was shown and listed by no other tab.",
    invariant: "I-4",
    script: {
      seed: 27,
      devices: [
        { user: "user 0", scopes: ["DE", "FR", "IT"], tabs: 3 },
        { user: "user 0", scopes: ["DE", "FR", "IT"], tabs: 2 },
      ],
      steps: [
        {
          do: "write",
          device: 1,
          tab: 0,
          isGroup: true,
          changes: [{ document: "a", kind: "name", country: "FR", value: 0 }],
        },
        { do: "loseRequest", device: 1, times: 1 },
        { do: "kill", device: 1, tab: 0, after: 6 },
        {
          do: "write",
          device: 1,
          tab: 0,
          isGroup: true,
          changes: [
            { document: "😀", kind: "count", country: "FR", value: 60 },
            { document: "a", kind: "note", country: "DE", value: 61 },
          ],
        },
        {
          do: "write",
          device: 0,
          tab: 1,
          isGroup: false,
          changes: [
            { document: "a", kind: "tag", country: "DE", value: 80 },
            { document: "c", kind: "note", country: "DE", value: 81 },
          ],
        },
        { do: "pass", ms: 1000 },
      ],
    },
  },
];
