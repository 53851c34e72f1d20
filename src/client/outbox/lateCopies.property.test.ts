// What the server does not take is authored again, in other company perhaps, and a late copy of any earlier bytes may be
// applied all the same. Whatever comes when: each visit is shown once, always, and is counted once (I-3, I-7).
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyBlob, authorUpdate, encodeSnapshot, openDocument } from "../../shared/document.js";
import { endOfCommit, type StreamEntry } from "../../shared/wire.js";
import { sites } from "../../testing/fieldApp.js";
import { authorDocument } from "../documents/author.js";
import { decidePage, type PageContext } from "../pages.js";
import type { AuthoredGroup, StoredTransaction } from "../ports/storage.js";
import { Journal } from "../store/journal.js";
import { MemoryDatabase, MemoryStorage } from "../store/memoryStorage.js";
import { decideUnread } from "../unread.js";
import { View } from "../view/view.js";
import { decideAnswers } from "./answers.js";
import { authorWaiting } from "./authoring.js";

const ids = ["x", "y"] as const;
const names = [...ids] as string[];
const gaveUp = { code: "exists", message: "" } as const;

/** Takes each transaction once, in whichever copy comes first; its stream brings what it has taken, some time. */
class Server {
  readonly docs = new Map(names.map((id) => [id, openDocument([])]));
  /** When each transaction was applied, and as which copy. */
  readonly applied = new Map<string, { readonly ts: bigint; readonly copy: AuthoredGroup }>();
  /** What is not delivered, in stream order. */
  stream: StreamEntry[] = [];
  #ts = 1n;

  constructor() {
    for (const [id, doc] of this.docs) {
      authorUpdate(doc, 7, [{ type: "insert", fields: { name: id, country: "DE", status: "open" } }]);
      this.compact(id);
    }
  }

  take(copy: AuthoredGroup): void {
    if (copy.transactions.some((id) => this.applied.has(id))) return;
    const ts = ++this.#ts;
    for (const { document, bytes } of copy.updates) {
      applyBlob(this.docs.get(document)!, bytes);
      this.stream.push({ type: "update", document, ts, bytes: bytes.slice().buffer });
    }
    for (const id of copy.transactions) this.applied.set(id, { ts, copy });
  }

  answer(group: AuthoredGroup) {
    const found = group.transactions.flatMap((id) => this.applied.get(id) ?? []);
    const [first] = found;
    const outcome = { ids: [...group.transactions] };
    if (first === undefined || found.length < group.transactions.length)
      return { ...outcome, status: "gap" } as const;
    const isOwn = first.copy.updates === group.updates;
    return isOwn
      ? ({ ...outcome, status: "applied", ts: first.ts } as const)
      : ({ ...outcome, status: "duplicate", ts: first.ts } as const);
  }

  compact(id: string): void {
    this.stream = this.stream.filter(({ document }) => document !== id);
    const bytes = encodeSnapshot(this.docs.get(id)!).buffer;
    this.stream.push({ type: "snapshot", document: id, ts: ++this.#ts, bytes });
  }
}

class Device {
  view!: View;
  journal!: Journal;
  readonly server = new Server();
  /** Everything that was ever sent. */
  readonly copies: AuthoredGroup[] = [];
  readonly written = { x: 0, y: 0 };
  readonly #database = new MemoryDatabase();
  #storage!: MemoryStorage;
  #author = 42;
  #transactions = 0;
  #isRead = true;

  /** Everything in memory is gone. */
  async open(): Promise<void> {
    this.#storage = new MemoryStorage(this.#database);
    const stored = await this.#storage.open({ client: "c", author: this.#author });
    const view = new View([sites], { retry: () => null as never, discard: () => {} });
    view.load(stored);
    this.view = view;
    this.journal = new Journal(this.#storage, await this.#storage.takeOver(), (told) => view.apply(told));
  }

  async write(documents: readonly ("x" | "y")[]): Promise<void> {
    const transaction: StoredTransaction = {
      id: `t${this.#transactions++}`,
      createdAt: 1,
      metadata: {},
      isGroup: documents.length > 1,
      changes: documents.map((id) => ({
        collection: "sites",
        id,
        operations: [{ type: "increment", field: "visits", by: 1 }],
      })),
    };
    for (const id of documents) this.written[id]++;
    const [sequence = 0] = await this.#storage.append([transaction]);
    this.view.receive([{ sequence, transaction }]);
    await this.journal.refresh();
  }

  async author(): Promise<void> {
    await this.journal.change(() =>
      authorWaiting(this.journal, {
        definitions: new Map([["sites", sites]]),
        authorDocument,
        freshAuthor: () => ++this.#author,
        merges: new Map(),
        now: 0,
      }),
    );
    for (const group of this.#unanswered)
      if (!this.copies.some(({ updates }) => updates === group.updates)) this.copies.push(group);
  }

  get unfinished(): number {
    return this.view.counts.unfinished;
  }

  get #unanswered(): AuthoredGroup[] {
    return this.journal.groups().filter(({ isAnswered }) => !isAnswered);
  }

  async answerFirst(givesUp = false): Promise<void> {
    const [group] = this.#unanswered;
    if (group === undefined) return;
    const outcome = this.server.answer(group);
    await this.journal.change(() => {
      const step = decideAnswers(
        this.journal,
        [outcome],
        () => (givesUp ? gaveUp : null),
        "ts" in outcome ? outcome.ts : 0n,
      );
      // As the push loop does: bytes that are thrown away burn their author's clocks.
      const burnt = outcome.status === "gap" ? { author: ++this.#author } : {};
      return step && { ...step, commit: { ...step.commit, ...burnt } };
    });
  }

  /** Brings the next entries of the stream; all of them, as a catch-up does, if it was not read before. */
  async deliver(count: number): Promise<void> {
    const entries = this.server.stream.splice(0, this.#isRead ? count : Infinity);
    this.#isRead = true;
    const last = entries.at(-1);
    if (last === undefined) return;
    const done = this.server.stream.length === 0;
    const cursor = { ts: last.ts, document: done ? endOfCommit : last.document };
    const page = { type: "page", epoch: "0", entries, cursor, done } as const;
    const reached = { collection: "sites", scope: "DE", cursor, epoch: "0", isComplete: true };
    await this.journal.change(() => decidePage(this.#context, page, reached));
  }

  async settleUnread(isRead: boolean): Promise<void> {
    this.#isRead &&= isRead;
    await this.journal.change(() => decideUnread(this.#context, () => this.#isRead));
  }

  get #context(): PageContext {
    const report = (error: unknown) => {
      throw error;
    };
    const definitions = new Map([["sites", sites]]);
    return { journal: this.journal, definitions, freshAuthor: () => ++this.#author, report };
  }

  /** All that was written, but for what has failed, and what is still to come of what was given up and applied all the same. */
  get expected() {
    const failed = this.journal
      .outbox()
      .flatMap(({ transaction }) => (transaction.failure === undefined ? [] : transaction.changes))
      .map(({ id }) => id);
    const toCome = this.journal
      .groups()
      .filter(({ transactions }) => transactions.every((id) => this.view.find(id) === undefined))
      .flatMap(({ updates }) => updates.flatMap((each) => (each.isCovered ? [] : [each.document])));
    const missing = [...failed, ...toCome];
    const visits = (id: "x" | "y") => this.written[id] - missing.filter((each) => each === id).length;
    return { x: visits("x"), y: visits("y") };
  }

  get shown() {
    const visits = (id: string) => this.view.collections.get("sites")!.get(id)?.visits;
    return { x: visits("x"), y: visits("y") };
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant("write" as const), documents: fc.subarray([...ids], { minLength: 1 }) }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant("author" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("answer" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("arrive" as const), copy: fc.nat() }) },
  fc.record({ do: fc.constant("deliver" as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant("compact" as const), document: fc.constantFrom(...ids) }),
  fc.record({ do: fc.constant("giveUp" as const) }),
  fc.record({ do: fc.constant("settleUnread" as const), isRead: fc.boolean() }),
  fc.record({ do: fc.constant("reload" as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function run(device: Device, next: Step): Promise<void> {
  switch (next.do) {
    case "write":
      return device.write(next.documents);
    case "author":
      return device.author();
    case "answer":
      return device.answerFirst();
    case "giveUp":
      return device.answerFirst(true);
    case "arrive": {
      const copy = device.copies[next.copy % Math.max(1, device.copies.length)];
      return copy && device.server.take(copy);
    }
    case "deliver":
      return device.deliver(next.count);
    case "compact":
      return device.server.compact(next.document);
    case "settleUnread":
      return device.settleUnread(next.isRead);
    case "reload":
      return device.open();
  }
}

test("I-3, I-7: a late copy of what was authored again is shown once at any moment, and counted once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const device = new Device();
      await device.open();
      await device.deliver(2);
      for (const next of steps) {
        await run(device, next);
        expect(device.shown).toEqual(device.expected);
      }
      for (let round = 0; device.unfinished > 0; round++) {
        expect(round).toBeLessThan(20);
        await device.author();
        const sent = device.journal.groups().filter(({ isAnswered }) => !isAnswered);
        for (const group of sent) device.server.take(group);
        for (const _ of sent) await device.answerFirst();
        await device.deliver(100);
        await device.settleUnread(true);
        expect(device.shown).toEqual(device.expected);
      }
      await device.deliver(100);
      expect(device.shown).toEqual(device.expected);
      expect(device.journal.groups()).toEqual([]);
      for (const { id, state } of device.view.transactions())
        expect([state, device.server.applied.has(id)]).toEqual(["failed", false]);
    }),
    { numRuns: 300 },
  );
});
