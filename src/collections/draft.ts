import type { Value } from "convex/values";
import { canonicalJson, isSameValue } from "../shared/canonicalJson.js";
import type { Operation, Primitive } from "../shared/operations.js";
import { isPart, isRegister, type Field } from "./fields.js";
import { assertMember } from "./insertOperations.js";
import type { AnyCollection, CounterDraft, DraftOf, RowOf, SetDraft } from "./types.js";
import { cloneValue, describeValue, faultOfValue } from "./values.js";

/**
 * Runs a change on a draft of a row and returns what it changed, as few operations as possible: registers whose
 * value is another by content, increments summed into one, members that came or went. The row stays as it is.
 * Whether registers match their validators is `validateFields`' to say, on the resulting row.
 *
 * @param change mutates the draft; its result is ignored
 * @throws TypeError if `change` is async, assigns to `id`, a counter, a set or an unknown field, or leaves a
 * value that Convex cannot store; and whatever `change` throws
 *
 * @example
 * ```ts
 * recordDraft(sites, row, (draft) => { draft.status = "surveyed"; draft.visits.increment(); });
 * // [{ type: "set", field: "status", value: "surveyed" }, { type: "increment", field: "visits", by: 1 }]
 * ```
 */
export function recordDraft<C extends AnyCollection>(
  definition: C,
  row: Readonly<RowOf<C>>,
  change: (draft: DraftOf<C>) => unknown,
): Operation[] {
  const recorder = new DraftRecorder(definition, row);
  try {
    refuseThenable(change(recorder.draft as DraftOf<C>));
    return recorder.operations();
  } finally {
    recorder.close();
  }
}

/** Refused after the fact: a function's being async shows in its result only. */
function refuseThenable(result: unknown): void {
  if (typeof result !== "object" || result === null || !("then" in result)) return;
  if (typeof result.then !== "function") return;
  result.then(undefined, () => {}); // The TypeError says it all; no unhandled rejection beside it.
  throw new TypeError(
    "A change function must not be async: what it does after its first await would be lost. Await first, then change.",
  );
}

type Row = Readonly<Record<string, unknown>>;
type Target = Record<string, unknown>;

/** The draft of one change, and the comparison with the row it was made of. */
class DraftRecorder {
  readonly draft: object;
  readonly #fields: Readonly<Record<string, Field>>;
  readonly #row: Row;
  readonly #target: Target;
  #isOpen = true;

  constructor(definition: AnyCollection, row: Row) {
    this.#fields = definition.fields as Record<string, Field>;
    this.#row = row;
    this.#target = this.#draftFields();
    this.draft = new Proxy(this.#target, this.#traps(definition.name));
  }

  close(): void {
    this.#isOpen = false;
  }

  operations(): Operation[] {
    return Object.entries(this.#fields).flatMap(([name, field]) => {
      if (isPart(field)) return [];
      if (isRegister(field)) return this.#registerOperations(name);
      return (this.#target[name] as RecordedCounter | RecordedSet).operations();
    });
  }

  #registerOperations(name: string): Operation[] {
    const value = ownValue(this.#target, name);
    const before = ownValue(this.#row, name);
    if (typeof value !== "object" && Object.is(value, before)) return []; // as most of them
    if (value === undefined) return [{ type: "set", field: name, value }];
    const fault = faultOfValue(value, name);
    if (fault) throw new TypeError(fault.message);
    if (isSameValue(before as Value | undefined, value as Value)) return [];
    return [{ type: "set", field: name, value: cloneValue(value as Value) }];
  }

  #draftFields(): Target {
    const assertOpen = () => this.#assertOpen();
    const target: Target = { id: this.#row["id"] };
    for (const [name, field] of Object.entries(this.#fields)) {
      const value = ownValue(this.#row, name);
      if (isPart(field)) continue;
      if (isRegister(field)) {
        if (value !== undefined) target[name] = cloneValue(value as Value);
      } else if (field.fieldKind === "counter") {
        target[name] = new RecordedCounter(name, (value as number | undefined) ?? 0, assertOpen);
      } else {
        target[name] = new RecordedSet(name, (value as Primitive[] | undefined) ?? [], assertOpen);
      }
    }
    return target;
  }

  #traps(collection: string): ProxyHandler<Target> {
    const assertRegister = (name: string | symbol) => {
      this.#assertOpen();
      const field = typeof name === "string" && Object.hasOwn(this.#fields, name) ? this.#fields[name] : null;
      const problem =
        name === "id" ? "the id of a document never changes" : problemOfWrite(collection, field ?? null);
      if (problem) throw new TypeError(`Cannot assign to "${String(name)}": ${problem}.`);
    };
    return {
      set: (target, name, value) => {
        assertRegister(name);
        return value === undefined ? Reflect.deleteProperty(target, name) : Reflect.set(target, name, value);
      },
      deleteProperty: (target, name) => {
        assertRegister(name);
        return Reflect.deleteProperty(target, name);
      },
      defineProperty: (_target, name) => {
        throw new TypeError(`Cannot define "${String(name)}" on a draft: assign to it.`);
      },
    };
  }

  #assertOpen(): void {
    if (this.#isOpen) return;
    throw new TypeError("The draft is closed: it can be used inside its change function only.");
  }
}

function problemOfWrite(collection: string, field: Field | null): string | null {
  if (!field) return `collection "${collection}" has no such field`;
  if (isRegister(field)) return null;
  if (isPart(field)) return `it is a ${field.fieldKind}; open the document and edit its text`;
  return field.fieldKind === "counter"
    ? "it is a counter; call its increment() or decrement()"
    : "it is a set; call its add(), delete() or clear()";
}

function ownValue(record: Row, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

class RecordedCounter implements CounterDraft {
  readonly #field: string;
  readonly #start: number;
  readonly #assertOpen: () => void;
  #sum = 0;

  constructor(field: string, start: number, assertOpen: () => void) {
    this.#field = field;
    this.#start = start;
    this.#assertOpen = assertOpen;
  }

  get value(): number {
    return this.#start + this.#sum;
  }

  increment(by = 1): void {
    this.#assertOpen();
    if (typeof by !== "number" || !Number.isFinite(this.#sum + by))
      throw new TypeError(
        `Field "${this.#field}": a counter takes finite numbers, got ${describeValue(by)}.`,
      );
    this.#sum += by;
  }

  decrement(by = 1): void {
    if (typeof by !== "number") return this.increment(by);
    this.increment(-by);
  }

  operations(): Operation[] {
    return this.#sum === 0 ? [] : [{ type: "increment", field: this.#field, by: this.#sum }];
  }
}

/** Members by their canonical JSON, as the document keys them. */
class RecordedSet implements SetDraft<Primitive> {
  readonly #field: string;
  readonly #start: readonly Primitive[];
  readonly #assertOpen: () => void;
  /** Null: nobody has asked for them. */
  #asked: Map<string, Primitive> | null = null;

  constructor(field: string, start: readonly Primitive[], assertOpen: () => void) {
    this.#field = field;
    this.#start = start;
    this.#assertOpen = assertOpen;
  }

  get #members(): Map<string, Primitive> {
    return (this.#asked ??= keyed(this.#start));
  }

  get size(): number {
    return this.#members.size;
  }

  has(member: Primitive): boolean {
    return this.#members.has(this.#keyOf(member));
  }

  add(member: Primitive): void {
    this.#assertOpen();
    this.#members.set(this.#keyOf(member), member);
  }

  delete(member: Primitive): boolean {
    this.#assertOpen();
    return this.#members.delete(this.#keyOf(member));
  }

  clear(): void {
    this.#assertOpen();
    this.#members.clear();
  }

  [Symbol.iterator](): IterableIterator<Primitive> {
    return this.#members.values();
  }

  operations(): Operation[] {
    if (this.#asked === null) return [];
    const field = this.#field;
    const start = keyed(this.#start);
    const gone = [...start].filter(([key]) => !this.#members.has(key));
    const come = [...this.#members].filter(([key]) => !start.has(key));
    return [
      ...gone.map(([, member]): Operation => ({ type: "remove", field, member })),
      ...come.map(([, member]): Operation => ({ type: "add", field, member })),
    ];
  }

  #keyOf(member: Primitive): string {
    assertMember(this.#field, member);
    return canonicalJson(member);
  }
}

function keyed(members: readonly Primitive[]): Map<string, Primitive> {
  return new Map(members.map((member) => [canonicalJson(member), member]));
}
