// The server as the protocol means it: in memory, without storage, clock or compaction. A document is the full list of
// its updates; what a scope holds is read off the documents. Time and commit timestamps are arguments.
//
// How one update is judged by the states before and after it (`mergeUpdate`, `checkWrite`) is the component's own pure
// code, which has tables of tests of its own: the model is about what becomes of it, on a state that never was stored.
//
// Parts are lists of updates beside the main document's, appended unread: what they come to when they are read is what
// must be read of the component. They go with their document.
import type { PlainRow } from "../../collections/index.js";
import { checkWrite } from "../../server/checkWrite.js";
import { applyBlob, authorUpdate, mergeUpdate } from "../../shared/document.js";
import { limits } from "../../shared/limits.js";
import { readMain } from "../../shared/mainDocument.js";
import type { Operation } from "../../shared/operations.js";
import { checkPartUpdate, partKey } from "../../shared/partDocument.js";
import { firstEpoch, type PushArgs, type PushOperation, type PushTransaction } from "../../shared/wire.js";
import { sites } from "../fieldApp.js";
import { append, noUpdates, openAll, rowOf, stateOf, type Updates } from "./documentState.js";
import { rules as allRules, type Rules } from "./rules.js";
import { scopes } from "./steps.js";

export interface ModelDocument {
  readonly scope: string;
  readonly updates: Updates;
  /** By their names, see `partKey`. */
  readonly parts: ReadonlyMap<string, Updates>;
  /** When it was inserted first. */
  readonly born: bigint;
}

export interface Leave {
  readonly scope: string;
  readonly document: string;
  readonly ts: bigint;
  /** In ms since 1970. */
  readonly at: number;
}

/** What becomes of a transaction, without words. */
export interface Outcome {
  readonly status: "applied" | "duplicate" | "gap" | "rejected";
  readonly code?: string;
}
type Final = { readonly status: "applied" } | { readonly status: "rejected"; readonly code: string };

interface Write {
  readonly document: string;
  readonly part: string;
  readonly scope: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a push or a write of the server's comes to once it has committed. */
export interface Judgement {
  readonly outcomes: readonly Outcome[];
  readonly writes: readonly Write[];
  readonly receipts: readonly (readonly [id: string, Final])[];
  readonly authors: readonly (readonly [author: number, client: string])[];
}
type JudgedOperation =
  | (Write & { readonly author: number })
  | { readonly status: "gap" }
  | { readonly status: "rejected"; readonly code: string };
export type PushJudgement = Judgement | { readonly refused: "epoch" };

export class ModelServer {
  readonly documents = new Map<string, ModelDocument>();
  /** Those that were pruned are in `pruned`. */
  leaves: Leave[] = [];
  readonly pruned: Leave[] = [];
  readonly readable = new Set<string>(scopes);
  epoch = firstEpoch;
  readonly #receipts = new Map<string, Final>();
  readonly #authors = new Map<number, string>();
  readonly #rules: Rules;

  constructor(rules: Rules = allRules) {
    this.#rules = rules;
  }

  contentOf(scope: string): Map<string, ModelDocument> {
    return new Map([...this.documents].filter(([, document]) => document.scope === scope));
  }

  rows(): PlainRow[] {
    return [...this.documents].flatMap(([id, { updates }]) => rowOf(id, updates) ?? []);
  }

  statusOf(client: string, id: string): Final | { readonly status: "unknown" } {
    return this.#receipts.get(`${client}\0${id}`) ?? { status: "unknown" };
  }

  /** Changes nothing: {@link ModelServer.commit} does, once the commit's timestamp is known. */
  judgePush({ client, epochs, transactions }: PushArgs): PushJudgement {
    if (this.#rules.epochOfPush && epochs["sites"] !== undefined && epochs["sites"] !== this.epoch)
      return { refused: "epoch" };
    return merge(transactions.map((transaction) => this.#judgeTransaction(client, transaction)));
  }

  #judgeTransaction(client: string, { ids, operations }: PushTransaction): Judgement {
    const answered = this.#rules.receipts ? this.#receipts.get(`${client}\0${ids[0]}`) : undefined;
    if (answered !== undefined)
      return onlyOutcome(answered.status === "applied" ? { status: "duplicate" } : answered);
    const mains = operations
      .filter(({ part }) => part === "")
      .map((operation) => this.#judgeOperation(client, operation));
    const made = mains.flatMap((each) => ("status" in each ? [] : [each]));
    const parts = operations
      .filter(({ part }) => part !== "")
      .map((operation) => this.#judgePart(client, operation, made));
    const judged = [...mains, ...parts];
    const failed = judged.find((each) => "status" in each);
    const receiptsOf = (final: Final) => ids.map((id) => [`${client}\0${id}`, final] as const);
    const done = judged.flatMap((each) => ("status" in each ? [] : [each]));
    if (failed === undefined)
      return {
        ...onlyOutcome({ status: "applied" }),
        writes: done,
        receipts: receiptsOf({ status: "applied" }),
        authors: done.map(({ author }) => [author, client] as const),
      };
    const writes = this.#rules.wholeTransactions ? [] : done;
    if (failed.status === "rejected")
      return { ...onlyOutcome(failed), writes, receipts: receiptsOf({ ...failed, status: "rejected" }) };
    const receipts = this.#rules.gapLeavesNoReceipt
      ? []
      : receiptsOf({ status: "rejected", code: "invalid_update" });
    return { ...onlyOutcome(failed), writes, receipts };
  }

  #judgeOperation(client: string, { document, part, bytes }: PushOperation): JudgedOperation {
    const doc = openAll(this.documents.get(document)?.updates ?? []);
    const before = readMain(doc);
    const blob = new Uint8Array(bytes);
    const merged = mergeUpdate(doc, blob);
    if (merged.type === "invalid") return { status: "rejected", code: "invalid_update" };
    if (merged.type === "gap") {
      if (this.#rules.clocksContinue) return { status: "gap" };
      applyBlob(doc, blob);
      return { document, part, scope: this.documents.get(document)?.scope ?? "DE", bytes: blob, author: 0 };
    }
    const owner = this.#authors.get(merged.author) ?? client;
    if (this.#rules.authorsAreOwned && owner !== client) return { status: "gap" };
    const check = checkWrite(sites, document, before, readMain(doc), merged.writes);
    if (check.type === "gap") return { status: "gap" };
    if (check.type === "refused") return { status: "rejected", code: check.code };
    // As the hooks of the app under test say.
    const isDenied = check.scope === "LU" || check.change.after?.["name"] === "forbidden";
    if (isDenied) return { status: "rejected", code: "denied" };
    return { document, part, scope: check.scope, bytes: blob, author: merged.author };
  }

  /** By the document that it belongs to, which the same transaction may insert: not by what the part holds. */
  #judgePart(
    client: string,
    { document, part, bytes }: PushOperation,
    earlier: readonly Write[],
  ): JudgedOperation {
    const blob = new Uint8Array(bytes);
    const check = checkPartUpdate(blob);
    if (check.type === "invalid") return { status: "rejected", code: "invalid_update" };
    const isForeign = (author: number) => (this.#authors.get(author) ?? client) !== client;
    if (this.#rules.authorsAreOwned && check.authors.some(isForeign)) return { status: "gap" };
    const own = earlier.filter((write) => write.document === document).map((write) => write.bytes);
    const updates = [...(this.documents.get(document)?.updates ?? []), ...own];
    const { incarnation } = stateOf(updates);
    const row = rowOf(document, updates);
    if (row === null || (this.#rules.partsHaveLives && partKey({ field: "log", incarnation }) !== part))
      return { status: "rejected", code: "unknown_document" };
    const scope = row["country"] as string;
    if (scope === "LU" || row["name"] === "forbidden") return { status: "rejected", code: "denied" };
    return { document, part, scope, bytes: blob, author: check.authors[0] ?? 0 };
  }

  /** A mutation of the app's that writes documents: all of them or none. */
  judgeWrite(author: number, changes: readonly { document: string; operations: readonly Operation[] }[]) {
    const writes: Write[] = [];
    for (const { document, operations } of changes) {
      const own = writes.filter((write) => write.document === document).map(({ bytes }) => bytes);
      const doc = openAll([...(this.documents.get(document)?.updates ?? []), ...own]);
      const before = readMain(doc);
      const update = authorUpdate(doc, author, operations);
      if (update === null) continue;
      const check = checkWrite(sites, document, before, readMain(doc), []);
      if (check.type !== "write") throw new Error(`The server may write what it wants: ${check.type}.`);
      writes.push({ document, part: "", scope: check.scope, bytes: update.bytes });
    }
    const authors = [[author, "\0server"] as const];
    return { outcomes: [], writes, receipts: [], authors };
  }

  commit({ writes, receipts, authors }: Judgement, ts: bigint, at: number): void {
    for (const { document, part, scope, bytes } of writes) {
      const known = this.documents.get(document);
      const { updates = noUpdates, parts = new Map<string, Updates>(), born = ts } = known ?? {};
      if (part !== "") {
        const longer = new Map(parts).set(part, append(parts.get(part) ?? noUpdates, bytes.buffer));
        this.documents.set(document, { scope, updates, parts: longer, born });
        continue;
      }
      this.documents.set(document, { scope, updates: append(updates, bytes.buffer), parts, born });
      if (known === undefined || known.scope === scope) continue;
      this.leaves = this.leaves.filter((leave) => leave.document !== document || leave.scope !== scope);
      if (this.#rules.leaves) this.leaves.push({ scope: known.scope, document, ts, at });
    }
    for (const [key, final] of receipts) this.#receipts.set(key, final);
    for (const [author, client] of authors) if (!this.#authors.has(author)) this.#authors.set(author, client);
  }

  purge(document: string, ts: bigint, at: number): void {
    const known = this.documents.get(document);
    if (known === undefined) return;
    this.documents.delete(document);
    this.leaves.push({ scope: known.scope, document, ts, at });
  }

  prune(now: number): void {
    const isOld = ({ at }: Leave) => at < now - limits.leavesKeptMs;
    this.pruned.push(...this.leaves.filter(isOld));
    this.leaves = this.leaves.filter((leave) => !isOld(leave));
  }
}

function onlyOutcome(outcome: Outcome): Judgement {
  return { outcomes: [outcome], writes: [], receipts: [], authors: [] };
}

function merge(judgements: readonly Judgement[]): Judgement {
  return {
    outcomes: judgements.flatMap(({ outcomes }) => outcomes),
    writes: judgements.flatMap(({ writes }) => writes),
    receipts: judgements.flatMap(({ receipts }) => receipts),
    authors: judgements.flatMap(({ authors }) => authors),
  };
}
