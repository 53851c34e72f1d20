import { compareValues } from "convex/values";
import { limits } from "../../shared/limits.js";
import {
  endOfCommit,
  isStateEntry,
  startCursor,
  type Cursor,
  type Page,
  type StreamEntry,
} from "../../shared/wire.js";
import { append, fingerprintOf, noUpdates, type Updates } from "./documentState.js";
import type { Leave, ModelServer } from "./modelServer.js";
import type { Rules } from "./rules.js";
import type { Subject } from "./subject.js";
import { Violation } from "../violation.js";

/** A document as a reader holds it: where its newest entry stood, and all that it was made of. */
export interface Held {
  readonly scope: string;
  readonly ts: bigint;
  readonly updates: Updates;
}
interface Position {
  readonly cursor: Cursor;
  readonly horizon?: bigint | undefined;
  readonly epoch?: string | undefined;
}
export type Pulled = "more" | "done" | "reset" | "denied";

const start: Position = { cursor: startCursor };

/**
 * What a client has that reads some scopes, as far as the stream tells it: it pulls from where it stands, keeps what it
 * gets, and drops what left. Whatever a page must not do is noticed here; what it all comes to, by the oracle.
 */
export class Reader {
  readonly scopes: readonly string[];
  readonly held: Map<string, Held>;
  readonly #positions: Map<string, Position>;
  readonly #subject: Subject;
  readonly #model: ModelServer;
  readonly #rules: Rules;

  constructor(
    world: { readonly subject: Subject; readonly model: ModelServer; readonly rules: Rules },
    scopes: readonly string[],
    from: { held?: Map<string, Held>; positions?: Map<string, Position> } = {},
  ) {
    this.#subject = world.subject;
    this.#model = world.model;
    this.#rules = world.rules;
    this.scopes = scopes;
    this.held = new Map(from.held);
    this.#positions = new Map(from.positions);
  }

  /** Another one that stands where this one does. */
  fork(): Reader {
    const world = { subject: this.#subject, model: this.#model, rules: this.#rules };
    return new Reader(world, this.scopes, { held: this.held, positions: this.#positions });
  }

  /** The newest commit that it can know of. */
  get newestTs(): bigint {
    return [...this.#positions.values()].reduce((max, { cursor: { ts } }) => (ts > max ? ts : max), 0n);
  }

  get epoch(): string {
    return [...this.#positions.values()].find(({ epoch }) => epoch !== undefined)?.epoch ?? this.#model.epoch;
  }

  /** Reads every scope to its end, as a client does before it shows anything. @returns how often it was told to begin anew */
  async catchUp(): Promise<number> {
    let resets = 0;
    for (const scope of this.scopes) {
      const seen = { more: 0, done: 0, reset: 0, denied: 0 };
      while (seen.done + seen.denied === 0) {
        seen[await this.pull(scope)] += 1;
        if (seen.more > 200 || seen.reset > 1)
          throw new Violation("I-11", `${scope} is never read to its end: ${JSON.stringify(seen)}`);
      }
      resets += seen.reset;
    }
    return resets;
  }

  async pull(scope: string): Promise<Pulled> {
    const { cursor, horizon, epoch } = this.#positions.get(scope) ?? start;
    const known = {
      ...(epoch === undefined ? {} : { epoch }),
      ...(horizon === undefined ? {} : { horizon }),
    };
    const result = await this.#subject.pull({ collection: "sites", scope, cursor, ...known });
    const isReadable = this.#model.readable.has(scope);
    if ((result.type !== "denied") !== isReadable)
      throw new Violation("I-12", `a pull of ${scope} came to ${result.type}`);
    if (result.type === "denied") {
      this.#forget(this.#rules.deniedForgets ? scope : "");
      return "denied";
    }
    const isOtherEpoch = epoch !== undefined && epoch !== this.#model.epoch;
    if (result.type === "reset") {
      const missed = this.#model.pruned.filter((leave) => isMissed(leave, scope, { cursor, horizon }));
      if (!isOtherEpoch && missed.length === 0)
        throw new Violation("I-18", `a reset of ${scope} at ${show(cursor)} with nothing missed`);
      const isAnew = (each: string) => (this.#positions.get(each)?.epoch ?? epoch) === epoch;
      for (const each of isOtherEpoch ? this.scopes.filter(isAnew) : [scope])
        this.#forget(this.#rules.resetForgets ? each : "", each);
      return "reset";
    }
    if (isOtherEpoch) throw new Violation("I-18", `a page of ${scope} in another epoch`);
    this.#checkPage(scope, cursor, result);
    for (const entry of result.entries) this.#take(scope, entry);
    const next = this.#rules.cursorInsideCommit
      ? result.cursor
      : { ...result.cursor, document: startCursor.document };
    const behind = this.#rules.horizonIsSent ? result.horizon : undefined;
    this.#positions.set(scope, { cursor: next, horizon: behind, epoch: result.epoch });
    return result.done ? "done" : "more";
  }

  #checkPage(scope: string, from: Cursor, { entries, cursor, done, epoch }: Page): void {
    if (epoch !== this.#model.epoch) throw new Violation("I-18", `a page of epoch ${epoch}`);
    let last: Cursor = from;
    for (const entry of entries) {
      if (comparePosition(last, entry) > (last === from ? -1 : 0))
        throw new Violation("I-11", `${show(entry)} of ${scope} after ${show(last)}`);
      last = entry;
      const stands = this.#model.documents.get(entry.document)?.scope;
      if (isStateEntry(entry) && stands !== scope)
        throw new Violation("I-12", `${show(entry)} is served in ${scope} and stands in ${stands}`);
    }
    const isBehind = done
      ? comparePosition(last, cursor) > 0
      : comparePosition(last, cursor) !== 0 || last === from;
    if (isBehind)
      throw new Violation("I-11", `the page ends at ${show(last)}, its cursor is ${show(cursor)}`);
    const before = entries.filter((entry) => comparePosition(entry, last) < 0).length;
    if (before >= limits.pageEntries) throw new Violation("I-14", `a page of ${entries.length} entries`);
  }

  #take(scope: string, entry: StreamEntry): void {
    const { document, ts } = entry;
    const known = this.held.get(document);
    if (!isStateEntry(entry) && entry.type !== "leave") return; // it tells of something, and brings nothing
    if (entry.type === "leave") {
      const isMeant =
        !this.#rules.leaveOfNewest || (known !== undefined && known.scope === scope && known.ts <= ts);
      if (isMeant && this.#rules.leaveDrops) this.held.delete(document);
      return;
    }
    const isNewer = known === undefined || known.ts <= ts;
    const isWhole = entry.type === "snapshot" || known?.scope !== scope;
    const startsAnew = isNewer && isWhole && this.#rules.snapshotReplaces;
    const base = startsAnew ? noUpdates : (known?.updates ?? noUpdates);
    const updates = append(base, entry.bytes);
    this.held.set(document, isNewer ? { scope, ts, updates } : { ...known, updates });
    if (fingerprintOf(updates).hasPending)
      throw new Violation("I-10", `${entry.type} ${show(entry)} of ${scope} stands on what was not sent`);
  }

  #forget(heldIn: string, positionOf = heldIn): void {
    for (const [document, { scope }] of [...this.held]) if (scope === heldIn) this.held.delete(document);
    this.#positions.delete(positionOf);
  }
}

/** Whether who stands there may still hold what a leave told to drop. */
function isMissed(leave: Leave, scope: string, { cursor, horizon = 0n }: Position): boolean {
  return leave.scope === scope && leave.ts >= cursor.ts && leave.ts > horizon;
}

/** As indexes order them: ids by their UTF-8 bytes. The end of a commit stands behind all of them. */
function comparePosition(a: Cursor, b: Cursor): number {
  if (a.ts !== b.ts) return a.ts < b.ts ? -1 : 1;
  const rank = ({ document }: Cursor) => (document === endOfCommit ? 1 : 0);
  return rank(a) - rank(b) || compareValues(a.document, b.document);
}

function show({ ts, document }: { ts: bigint; document: string }): string {
  return `(${ts}, ${JSON.stringify(document)})`;
}
