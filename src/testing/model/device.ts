import { authorUpdate, hasPending } from "../../shared/document.js";
import { readMain } from "../../shared/mainDocument.js";
import { authorText, partKey } from "../../shared/partDocument.js";
import type { PushArgs, PushOperation, PushTransaction } from "../../shared/wire.js";
import { openAll } from "./documentState.js";
import type { PartReader } from "./partReader.js";
import type { Reader } from "./reader.js";
import { operationsOf, type Change } from "./steps.js";

const keptPushes = 3;

/** A client that writes: on what it has read and on what it has sent and not seen again, answered or not. */
export class Device {
  readonly name: string;
  reader: Reader;
  author: number;
  /** Texts that are open, by document and part. */
  readonly texts = new Map<string, PartReader>();
  /** Whose answer may have been lost, the newest last: any of them may be sent again. */
  kept: PushTransaction[][] = [];
  readonly #index: number;
  readonly #own = new Map<string, { readonly bytes: Uint8Array[]; readonly wasHeld: boolean }>();
  #generation = 0;
  #sequence = 0;

  constructor(index: number, reader: Reader) {
    this.#index = index;
    this.name = `device ${index}`;
    this.reader = reader;
    this.author = this.#freshAuthor();
  }

  /** @returns null if it changes nothing */
  change(change: Change): PushOperation | null {
    const { document } = change;
    const held = this.reader.held.get(document);
    const own = this.#own.get(document);
    const isLeft = own?.wasHeld === true && held === undefined;
    const doc = openAll([...(held?.updates ?? []), ...(isLeft ? [] : (own?.bytes ?? []))]);
    // It has left, or what its own updates stood on has: their clocks are never used again.
    if (isLeft || hasPending(doc)) {
      this.startAnew();
      return this.change(change);
    }
    const { existence, incarnation } = readMain(doc);
    if (change.kind === "type" && existence === "present") return this.#type(change, incarnation);
    const operations = operationsOf(change, existence === "present");
    const update = authorUpdate(doc, this.author, operations);
    if (update === null) return null;
    const wasHeld = own?.wasHeld === true || held !== undefined;
    this.#own.set(document, { bytes: [...(own?.bytes ?? []), update.bytes], wasHeld });
    return { collection: "sites", document, part: "", schemaVersion: 1, bytes: update.bytes.buffer };
  }

  /** Opens the text if it was not open, without reading it: what it types then is at its beginning. */
  #type({ document, value }: Change, incarnation: number): PushOperation | null {
    const part = partKey({ field: "log", incarnation });
    const key = JSON.stringify([document, part]);
    const own = this.#own.get(key)?.bytes ?? [];
    const doc = openAll([...(this.texts.get(key)?.updates ?? []), ...own]);
    const bytes = authorText(doc, this.author, (text) => {
      if (value % 4 === 0 && text.length > 1) text.delete(0, 1);
      else text.insert(value % (text.length + 1), `${value} `);
    });
    if (bytes === null) return null;
    this.#own.set(key, { bytes: [...own, bytes], wasHeld: false });
    return { collection: "sites", document, part, schemaVersion: 1, bytes: bytes.buffer };
  }

  /** Every third of them is two local transactions that were coalesced. */
  transaction(operations: readonly PushOperation[]): PushTransaction {
    const sequence = this.#sequence++;
    const id = `${this.name} ${sequence}`;
    return { ids: sequence % 3 === 2 ? [id, `${id}+`] : [id], sequence, operations: [...operations] };
  }

  toArgs(transactions: readonly PushTransaction[]): PushArgs {
    const oldest = this.kept[0]?.[0]?.sequence ?? transactions[0]?.sequence ?? 0;
    return {
      client: this.name,
      epochs: { sites: this.reader.epoch },
      settledBelow: oldest,
      transactions: [...transactions],
    };
  }

  keep(transactions: PushTransaction[]): void {
    this.kept = [...this.kept, transactions].slice(-keptPushes);
  }

  /** What it has sent came to nothing, or what it stood on has gone: nothing more is made on that. */
  startAnew(): void {
    this.#own.clear();
    this.author = this.#freshAuthor();
  }

  /** Neither rising nor falling: of two concurrent writes the higher author wins. */
  #freshAuthor(): number {
    const n = this.#generation++ * 16 + this.#index + 1;
    return Math.imul(n, 0x9e3779b1) >>> 1;
  }
}
