// Operations for property tests, by what they do to which field.
import fc from "fast-check";

/** @param value - undefined takes the field away */
export const setting = <T>(field: fc.Arbitrary<string> | string, value: fc.Arbitrary<T>) =>
  fc.record({
    type: fc.constant("set" as const),
    field: typeof field === "string" ? fc.constant(field) : field,
    value,
  });

/** By -9 to 9. */
export const incrementing = (field: string) =>
  fc.record({
    type: fc.constant("increment" as const),
    field: fc.constant(field),
    by: fc.integer({ min: -9, max: 9 }),
  });

export const addingOrRemoving = <T>(field: string, member: fc.Arbitrary<T>) =>
  fc.record({
    type: fc.constantFrom("add" as const, "remove" as const),
    field: fc.constant(field),
    member,
  });
