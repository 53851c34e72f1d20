import type { GenericValidator, Validator } from "convex/values";
import type { Primitive } from "../shared/operations.js";

/** A validator that a set's members may have: primitives only, because members are keys. */
export type MemberValidator = Validator<Primitive, "required", string>;

/** A number that is changed by increments, so that increments made at the same time add up. */
export interface CounterField {
  readonly fieldKind: "counter";
}

/** A set of primitives whose members are added and removed one by one; a concurrent add and remove of different members both count. */
export interface SetField<V extends MemberValidator = MemberValidator> {
  readonly fieldKind: "set";
  readonly member: V;
}

/** A text of its own Yjs document, loaded when it is opened. No part of a row: it may be large. */
export interface TextField {
  readonly fieldKind: "text";
}

/** Like a text, with elements and marks, as rich text editors write it. */
export interface RichTextField {
  readonly fieldKind: "richText";
}

/** What a field may be: a Convex validator makes a register (the last write wins), `field.…` the other kinds. */
export type Field = GenericValidator | CounterField | SetField | TextField | RichTextField;

/** The fields of a collection by name. */
export type Fields = Record<string, Field>;

/**
 * The kinds of field that are no plain registers.
 *
 * @example
 * ```ts
 * defineCollection("sites", { fields: { name: v.string(), visits: field.counter(), tags: field.set(v.string()) } });
 * ```
 */
export const field = {
  /** A counter: a number in rows, `increment` and `decrement` in drafts. Starts at 0 unless inserted otherwise. */
  counter: (): CounterField => ({ fieldKind: "counter" }),
  /**
   * A set: an array in rows, `add` and `delete` in drafts. Starts empty unless inserted otherwise.
   *
   * @param member the validator of a member: strings, numbers, booleans, and literals and unions of these
   */
  set: <V extends MemberValidator>(member: V): SetField<V> => ({ fieldKind: "set", member }),
  /** A part: a text that many people edit at once, character by character (`Y.Text`). Up to 2 MiB of history. */
  text: (): TextField => ({ fieldKind: "text" }),
  /** A part: a text with elements and marks (`Y.XmlFragment`), for rich text editors. Up to 2 MiB of history. */
  richText: (): RichTextField => ({ fieldKind: "richText" }),
};

/** Whether a field is a part, that is, has a Yjs document of its own, and no place in rows. */
export function isPart(value: Field): value is TextField | RichTextField {
  return !isRegister(value) && (value.fieldKind === "text" || value.fieldKind === "richText");
}

/** Whether a field is a register, that is, was given as a Convex validator. */
export function isRegister(value: Field): value is GenericValidator {
  return "isConvexValidator" in value;
}
