import { partKey } from "../../shared/partDocument.js";
import { startOfPart } from "../../shared/wire.js";
import { append, fingerprintOf, isSameState, noUpdates, stateOf, type Updates } from "./documentState.js";
import type { ModelServer } from "./modelServer.js";
import type { Subject } from "./subject.js";
import { Violation } from "../violation.js";

interface World {
  readonly subject: Subject;
  readonly model: ModelServer;
}

/** The text of a document as the server has it now, in the life that the document is in; null: there is none. */
export function livingPart(model: ModelServer, document: string) {
  const found = model.documents.get(document);
  const state = found === undefined ? null : stateOf(found.updates);
  if (found === undefined || state?.existence !== "present") return null;
  const part = partKey({ field: "log", incarnation: state.incarnation });
  return { part, born: found.born, scope: found.scope, updates: found.parts.get(part) ?? noUpdates };
}

/** Somebody who has a text open: it stands on all that was ever sent of it, from whichever position. */
export class PartReader {
  readonly document: string;
  readonly part: string;
  /** When the document was inserted: one that is purged and inserted again is another. */
  readonly born: bigint;
  updates: Updates;
  #cursor: bigint;
  #epoch: string | undefined;
  readonly #world: World;

  constructor(
    world: World,
    { document, part, born }: { document: string; part: string; born: bigint },
    from: { updates: Updates; cursor: bigint; epoch: string | undefined } = {
      updates: noUpdates,
      cursor: startOfPart,
      epoch: undefined,
    },
  ) {
    this.#world = world;
    this.document = document;
    this.part = part;
    this.born = born;
    this.updates = from.updates;
    this.#cursor = from.cursor;
    this.#epoch = from.epoch;
  }

  fork(): PartReader {
    const from = { updates: this.updates, cursor: this.#cursor, epoch: this.#epoch };
    return new PartReader(this.#world, this, from);
  }

  /** Whether there still is what it has open: who reads the scope is told when not. */
  get isOpen(): boolean {
    const living = livingPart(this.#world.model, this.document);
    return living?.born === this.born && living.part === this.part;
  }

  /** One page. @returns whether there is no more */
  async pull(): Promise<boolean> {
    const { model, subject } = this.#world;
    const { document, part } = this;
    const epoch = this.#epoch === undefined ? {} : { epoch: this.#epoch };
    const place = { collection: "sites", document, part, cursor: this.#cursor };
    const result = await subject.pullPart({ ...place, ...epoch });
    const scope = livingPart(model, document)?.scope;
    if ((result.type !== "denied") !== (scope !== undefined && model.readable.has(scope)))
      throw new Violation("I-12", `a text in ${scope} was answered with ${result.type}`);
    if (result.type === "denied") return true;
    if (result.type === "gone") throw new Violation("I-11", `the text of "${document}" is gone`);
    const isOtherEpoch = this.#epoch !== undefined && this.#epoch !== model.epoch;
    if ((result.type === "reset") !== isOtherEpoch)
      throw new Violation("I-18", `a text was answered with ${result.type} in epoch ${this.#epoch}`);
    if (result.type === "reset") {
      [this.updates, this.#cursor, this.#epoch] = [noUpdates, startOfPart, undefined];
      return false;
    }
    for (const { bytes } of result.entries) this.updates = append(this.updates, bytes);
    [this.#cursor, this.#epoch] = [result.cursor, result.epoch];
    return result.done;
  }

  /** @throws Violation if it does not end with what the model has */
  async catchUp(): Promise<void> {
    for (let pages = 0; !(await this.pull()); pages++)
      if (pages > 100) throw new Violation("I-11", `the text of "${this.document}" has no end`);
    const living = livingPart(this.#world.model, this.document);
    if (living === null || !this.#world.model.readable.has(living.scope)) return;
    const [real, wanted] = [fingerprintOf(this.updates), fingerprintOf(living.updates)];
    if (!isSameState(real, wanted))
      throw new Violation("I-10", `a text is read as ${real.entries}, and should as ${wanted.entries}`);
  }
}
