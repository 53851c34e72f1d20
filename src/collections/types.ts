import type { GenericValidator, ObjectType, VArray, VFloat64, VObject, VString } from "convex/values";
import type { CounterField, Fields, RichTextField, SetField, TextField } from "./fields.js";

/** Stands where a type has to accept every instance of a generic, or a stored value of unknown shape. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Any = any;
type Expand<T> = T extends infer O ? { [K in keyof O]: O[K] } : never;
type KeysOf<F, Kind> = { [K in keyof F]: F[K] extends Kind ? K : never }[keyof F] & string;
type TypeOf<T> = T extends { type: infer X } ? Exclude<X, undefined> : never;
type CounterKeys<F> = KeysOf<F, CounterField>;
type SetKeys<F> = KeysOf<F, SetField<Any>>;
/** The names of a collection's parts. */
export type PartKeys<F> = KeysOf<F, TextField | RichTextField>;
type RegisterKeys<F> = KeysOf<F, GenericValidator>;
type OptionalRegisters<F> = {
  [K in RegisterKeys<F>]: F[K] extends { isOptional: "optional" } ? K : never;
}[RegisterKeys<F>];
type RequiredRegisters<F> = Exclude<RegisterKeys<F>, OptionalRegisters<F>>;

/** The validators of a row: what an app's table stores. */
export type RowValidators<F extends Fields> = Expand<
  { id: VString } & {
    [K in keyof F as F[K] extends TextField | RichTextField ? never : K]: F[K] extends GenericValidator
      ? F[K]
      : F[K] extends SetField<infer V>
        ? VArray<V["type"][], V>
        : VFloat64;
  }
>;
type FieldPaths<T extends Record<string, GenericValidator>> = {
  [P in keyof T]: P | `${P & string}.${T[P]["fieldPaths"]}`;
}[keyof T] &
  string;
export type RowValidator<F extends Fields> = VObject<
  ObjectType<RowValidators<F>>,
  RowValidators<F>,
  "required",
  FieldPaths<RowValidators<F>>
>;

/** A document's id and registers: what `scope` sees and `defaults` may name. */
export type RegistersOfFields<F extends Fields> = Expand<
  { id: string } & { [K in RequiredRegisters<F>]: TypeOf<F[K]> } & {
    [K in OptionalRegisters<F>]?: TypeOf<F[K]>;
  }
>;

/** A counter in a draft. */
export interface CounterDraft {
  /** The value with the increments of this draft. */
  readonly value: number;
  /** Adds `by`, 1 if omitted. @throws TypeError if `by` is no finite number */
  increment(by?: number): void;
  /** Subtracts `by`, 1 if omitted. @throws TypeError if `by` is no finite number */
  decrement(by?: number): void;
}

/** A set in a draft; reads see the changes of this draft. */
export interface SetDraft<T> extends Iterable<T> {
  readonly size: number;
  has(member: T): boolean;
  /** @throws TypeError if `member` is no string, number or boolean */
  add(member: T): void;
  /** Whether the member was there. */
  delete(member: T): boolean;
  clear(): void;
}

export type DraftOfFields<F extends Fields> = Expand<
  { readonly id: string } & { [K in RequiredRegisters<F>]: TypeOf<F[K]> } & {
    [K in OptionalRegisters<F>]?: TypeOf<F[K]> | undefined;
  } & { readonly [K in CounterKeys<F>]: CounterDraft } & {
    readonly [K in SetKeys<F>]: F[K] extends SetField<infer V> ? SetDraft<V["type"]> : never;
  }
>;

export type InsertOfFields<F extends Fields, Defaulted> = Expand<
  { id: string } & { [K in Exclude<RequiredRegisters<F>, Defaulted>]: TypeOf<F[K]> } & {
    [K in OptionalRegisters<F> | (RegisterKeys<F> & Defaulted)]?: TypeOf<F[K]> | undefined;
  } & { [K in CounterKeys<F>]?: number | undefined } & {
    [K in SetKeys<F>]?: F[K] extends SetField<infer V> ? Iterable<V["type"]> | undefined : never;
  }
>;

/** Registers only; `undefined` removes an optional field. */
export type PatchOfFields<F extends Fields> = Expand<
  { [K in RequiredRegisters<F>]?: TypeOf<F[K]> } & {
    [K in OptionalRegisters<F>]?: TypeOf<F[K]> | undefined;
  }
>;

/** What a stored document may look like before a migration: any register, any value. */
export type OldRow = Readonly<Record<string, Any>>;

/** A collection as `defineCollection` returns it: plain data and pure functions, for server and browser. */
export interface CollectionDefinition<
  Name extends string = string,
  F extends Fields = Any,
  Defaulted extends string = Any,
  Scoped extends boolean = boolean,
> {
  readonly name: Name;
  readonly fields: F;
  /** The row as a Convex validator: for function arguments and `defineTable`. */
  readonly row: RowValidator<F>;
  /** Register values for inserts, and for stored documents, that lack the field. */
  readonly defaults: OldRow;
  /** The scope function as defined; call it through `scopeOf`, which checks its result. */
  readonly scope: ((row: Any) => string) | undefined;
  /** The version that documents are written with; 1 unless defined otherwise. */
  readonly schemaVersion: number;
  /** Patches by the version that they lead to; run through `projectRow` and the others of migrate.ts, which check them. */
  readonly migrate: { readonly [to: number]: (old: OldRow) => Readonly<Record<string, Any>> };
  /** Only for TypeScript. */
  readonly "~types"?: { defaulted: Defaulted; scoped: Scoped };
}

/** Any collection, as a bound of generics. */
export type AnyCollection = CollectionDefinition<string, Any, Any, Any>;

/** The row of a collection: registers, counters as numbers, sets as arrays. */
export type RowOf<C extends AnyCollection> = C["row"]["type"];

/** What a change function gets: registers to assign and mutate in place, counters and sets to call. */
export type DraftOf<C extends AnyCollection> = DraftOfFields<C["fields"]>;

/** The names of a collection's texts and rich texts. */
export type PartOf<C extends AnyCollection> = PartKeys<C["fields"]>;

/** A patch of registers; `undefined` removes an optional field. */
export type PatchOf<C extends AnyCollection> = PatchOfFields<C["fields"]>;

/** What an insert takes: fields with a default, counters and sets may be omitted. */
export type InsertOf<C extends AnyCollection> =
  C extends CollectionDefinition<string, infer F, infer D, Any> ? InsertOfFields<F, D> : never;

/** Whether a collection has a scope function, as a type. */
export type ScopedOf<C extends AnyCollection> =
  C extends CollectionDefinition<string, Any, Any, infer S> ? S : never;
