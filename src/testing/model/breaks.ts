// What the oracle must notice: each rule of the model left out, and each promise of the component broken, between it
// and the oracle. An oracle that a broken component passes is worth nothing.
import type { PullResult, StreamEntry } from "../../shared/wire.js";
import { rules, type Rules } from "./rules.js";
import type { Change, Step } from "./steps.js";
import type { Subject } from "./subject.js";

export interface Break {
  readonly name: string;
  /** Which invariants say so: the first that breaks depends on the schedule. */
  readonly caughtBy: readonly string[];
  readonly rules?: Partial<Rules>;
  readonly subject?: (subject: Subject) => Partial<Subject>;
  /** A schedule that shows it, where few of those that are generated do. */
  readonly steps?: readonly Step[];
}

const change = (document: string, kind: Change["kind"], country: string): Change => ({
  document,
  kind,
  country,
  value: 3,
});
const insert = (document: string, country: string): Step => ({
  do: "write",
  changes: [change(document, "insert", country)],
});
const push = (device: number, ...changes: Change[]): Extract<Step, { do: "push" }> => ({
  do: "push",
  device,
  transactions: [changes],
  fate: "answered",
  isLive: true,
});
/** Device 1 reads DE and FR. */
const pullAll = (device: number): Step[] =>
  [0, 1].map((scope) => ({ do: "pull", device, scope, pages: 9 }) as const);

const typing: readonly Step[] = [
  insert("a", "DE"),
  push(0, change("a", "type", "DE")),
  push(0, change("a", "type", "DE")),
];

const withoutRule = (rule: keyof Rules, caughtBy: readonly string[], steps?: readonly Step[]): Break => ({
  name: `the rule "${rule}" left out`,
  caughtBy,
  rules: { [rule]: false },
  ...(steps === undefined ? {} : { steps }),
});

const inPages =
  (change: (entries: StreamEntry[], page: Extract<PullResult, { type: "page" }>) => StreamEntry[]) =>
  (subject: Subject): Partial<Subject> => ({
    pull: async (args) => {
      const result = await subject.pull(args);
      return result.type === "page" ? { ...result, entries: change(result.entries, result) } : result;
    },
  });

export const breaks: readonly Break[] = [
  withoutRule("receipts", ["I-3"]),
  withoutRule("gapLeavesNoReceipt", ["I-3"]),
  withoutRule("clocksContinue", ["I-5", "I-4"]),
  withoutRule(
    "authorsAreOwned",
    ["I-5", "I-4"],
    [
      push(0, change("a", "insert", "DE")),
      { do: "clone", device: 1, from: 0 },
      push(1, change("a", "name", "DE")),
    ],
  ),
  withoutRule(
    "epochOfPush",
    ["I-18"],
    [
      insert("a", "DE"),
      ...pullAll(0),
      { do: "epoch" },
      { ...push(0, change("a", "name", "DE")), isLive: false },
    ],
  ),
  withoutRule("wholeTransactions", ["I-9", "I-10", "I-12"]),
  withoutRule("cursorInsideCommit", ["I-11"]),
  withoutRule("horizonIsSent", ["I-11"]),
  withoutRule("leaveOfNewest", ["I-11"]),
  withoutRule("leaveDrops", ["I-12", "I-10"]),
  withoutRule("resetForgets", ["I-12", "I-10"]),
  withoutRule(
    "deniedForgets",
    ["I-12"],
    [insert("a", "FR"), ...pullAll(1), { do: "permit", scope: "FR", isReadable: false }],
  ),
  withoutRule(
    "snapshotReplaces",
    ["I-10"],
    [insert("a", "FR"), ...pullAll(1), { do: "purge", document: "a" }, insert("a", "DE")],
  ),
  withoutRule(
    "partsHaveLives",
    ["I-4"],
    [
      insert("a", "DE"),
      ...pullAll(0),
      ...pullAll(1),
      push(0, change("a", "delete", "DE")),
      push(0, change("a", "insert", "DE")),
      { ...push(1, change("a", "type", "DE")), isLive: false },
    ],
  ),
  {
    name: "what was compacted of a text is not sent",
    caughtBy: ["I-10"],
    subject: (subject) => ({
      pullPart: async (args) => {
        const result = await subject.pullPart(args);
        if (result.type !== "page") return result;
        return { ...result, entries: result.entries.filter(({ type }) => type !== "snapshot") };
      },
    }),
    steps: [...typing, { do: "compact", documents: ["a"] }],
  },
  {
    name: "a text is read without permission",
    caughtBy: ["I-12"],
    subject: (subject) => ({
      pullPart: async (args) => {
        const result = await subject.pullPart(args);
        if (result.type !== "denied") return result;
        return { type: "page", epoch: "0", entries: [], cursor: 0n, done: true };
      },
    }),
    steps: [...typing, { do: "permit", scope: "DE", isReadable: false }],
  },
  {
    name: "a text ends before its newest change",
    caughtBy: ["I-10"],
    subject: (subject) => ({
      pullPart: async (args) => {
        const result = await subject.pullPart(args);
        return result.type === "page" ? { ...result, entries: result.entries.slice(0, -1) } : result;
      },
    }),
    steps: typing,
  },
  {
    name: "a resent transaction takes effect again",
    caughtBy: ["I-3"],
    subject: (subject) => {
      let pushes = 0;
      return {
        push: async (args) => {
          const suffix = ` ${pushes++}`;
          const transactions = args.transactions.map((each) => ({
            ...each,
            ids: each.ids.map((id) => id + suffix),
          }));
          const result = await subject.push({ ...args, transactions });
          if (result.type === "refused") return result;
          const results = result.results.map((each) => ({
            ...each,
            ids: each.ids.map((id) => id.slice(0, -suffix.length)),
          }));
          return { ...result, results };
        },
      };
    },
  },
  {
    name: "transactions are applied in parts",
    caughtBy: ["I-3", "I-4", "I-5", "I-9", "I-10"],
    subject: (subject) => ({
      push: async (args) => {
        for (const transaction of args.transactions)
          for (const [n, operation] of transaction.operations.slice(1).entries())
            await subject.push({
              ...args,
              transactions: [
                { ...transaction, ids: [`${transaction.ids[0]}/${n}`], operations: [operation] },
              ],
            });
        const transactions = args.transactions.map((each) => ({
          ...each,
          operations: each.operations.slice(0, 1),
        }));
        return subject.push({ ...args, transactions });
      },
    }),
  },
  {
    name: "receipts are forgotten",
    caughtBy: ["I-3"],
    subject: () => ({
      status: async (_client, ids) => ids.map((id) => ({ id, status: "unknown" as const })),
    }),
  },
  {
    name: "the app's rows are a write behind",
    caughtBy: ["I-9"],
    subject: (subject) => {
      let last: Awaited<ReturnType<Subject["rows"]>> = [];
      return {
        rows: async () => {
          const shown = last;
          last = await subject.rows();
          return shown;
        },
      };
    },
  },
  {
    name: "what was compacted is lost",
    caughtBy: ["I-10", "I-11"],
    subject: (subject) => ({
      states: async (documents) =>
        (await subject.states(documents)).map(({ scope, blobs }) => ({
          scope,
          blobs: blobs.length > 1 ? blobs.slice(1) : blobs,
        })),
    }),
  },
  {
    name: "who has read before never receives a snapshot",
    caughtBy: ["I-10", "I-11"],
    subject: (subject) => ({
      pull: async (args) => {
        const result = await subject.pull(args);
        if (result.type !== "page" || args.cursor.ts === 0n) return result;
        return { ...result, entries: result.entries.filter(({ type }) => type !== "snapshot") };
      },
    }),
  },
  {
    name: "first loads do not receive snapshots",
    caughtBy: ["I-10", "I-11"],
    subject: inPages((entries, page) =>
      page.horizon === undefined ? entries : entries.filter(({ type }) => type !== "snapshot"),
    ),
  },
  {
    name: "the last entry of a page is skipped",
    caughtBy: ["I-10", "I-11", "I-12"],
    subject: inPages((entries, { done }) => (done ? entries : entries.slice(0, -1))),
  },
  {
    name: "a cursor goes past what was not sent",
    caughtBy: ["I-10", "I-11", "I-12"],
    subject: (subject) => ({
      pull: async (args) => {
        const result = await subject.pull(args);
        return result.type === "page" ? { ...result, done: true } : result;
      },
    }),
  },
  {
    name: "leaves are not told",
    caughtBy: ["I-12", "I-10"],
    subject: inPages((entries) => entries.filter(({ type }) => type !== "leave")),
  },
  {
    name: "nobody is told to begin anew",
    caughtBy: ["I-12", "I-10", "I-18", "I-11"],
    subject: (subject) => ({
      pull: async ({ epoch: _epoch, ...args }) => {
        const result = await subject.pull(args);
        return result.type === "reset" ? subject.pull({ ...args, horizon: 2n ** 62n }) : result;
      },
    }),
  },
  {
    name: "everybody is told to begin anew whenever leaves are pruned",
    caughtBy: ["I-18", "I-11"],
    subject: (subject) => {
      let tidied = 0;
      return {
        tidy: async () => {
          tidied += 1;
          await subject.tidy();
        },
        pull: async (args) => {
          const result = await subject.pull(args);
          const isOld = tidied > 0 && args.cursor.ts > 0n && args.horizon === undefined;
          return isOld && result.type === "page" ? { type: "reset", epoch: result.epoch } : result;
        },
      };
    },
  },
  {
    name: "a scope is read without permission",
    caughtBy: ["I-12"],
    subject: () => ({ permit: () => {} }),
    steps: [insert("a", "DE"), { do: "permit", scope: "DE", isReadable: false }],
  },
  {
    name: "a page holds what stood in the scope once",
    caughtBy: ["I-12", "I-11"],
    subject: (subject) => {
      const served = new Map<string, StreamEntry>();
      return {
        pull: async (args) => {
          const result = await subject.pull(args);
          if (result.type !== "page") return result;
          for (const entry of result.entries)
            if (entry.type !== "leave") served.set(`${args.scope}\0${entry.document}`, entry);
          const old = [...served].filter(
            ([key, { ts, document }]) =>
              key.startsWith(`${args.scope}\0`) &&
              ts > args.cursor.ts &&
              result.entries.every((entry) => entry.ts > ts && entry.document !== document),
          );
          const [first] = old.sort(([, a], [, b]) => (a.ts < b.ts ? -1 : 1));
          return first === undefined ? result : { ...result, entries: [first[1], ...result.entries] };
        },
      };
    },
  },
  {
    name: "a purge leaves the document where it is",
    caughtBy: ["I-9", "I-10", "I-12"],
    subject: () => ({ purge: async () => 2n ** 62n }),
    steps: [insert("a", "DE"), { do: "purge", document: "a" }],
  },
  {
    name: "a new epoch is not told",
    caughtBy: ["I-18"],
    subject: (subject) => ({
      newEpoch: async () => {
        await subject.newEpoch();
        return "another";
      },
    }),
    steps: [insert("a", "DE"), ...pullAll(0), { do: "epoch" }],
  },
  {
    name: "a compaction moves a document to the end of the stream as it was",
    caughtBy: ["I-10", "I-11"],
    subject: inPages((entries) =>
      entries.map((entry) => (entry.type === "snapshot" ? { ...entry, ts: entry.ts + 1n } : entry)),
    ),
  },
];

export function rulesOf({ rules: own }: Break): Rules {
  return { ...rules, ...own };
}
