import { v, type GenericValidator } from "convex/values";
import { expect, test } from "vitest";
import { faultOfFields, faultOfValue } from "./validateValue.js";

const site = v.object({
  name: v.string(),
  address: v.object({ city: v.string(), zip: v.optional(v.string()) }),
  status: v.union(v.literal("open"), v.literal("surveyed")),
});

const good: [GenericValidator, unknown][] = [
  [v.string(), ""],
  [v.number(), NaN],
  [v.int64(), 2n ** 60n],
  [v.boolean(), false],
  [v.null(), null],
  [v.bytes(), new ArrayBuffer(1)],
  [v.any(), { a: [1, null] }],
  [v.literal(3), 3],
  [v.array(v.number()), [1, 2]],
  [v.record(v.string(), v.number()), { a: 1 }],
  [v.nullable(v.number()), null],
  [site, { name: "a", address: { city: "b" }, status: "open" }],
];
test.each(good)("%o accepts %o", (validator, value) => {
  expect(faultOfValue(validator, value, "field")).toBeNull();
});

const bad: [GenericValidator, unknown, string][] = [
  [v.string(), 1, "field should be string but is of type number."],
  [v.number(), 1n, "field should be float64 but is of type int64."],
  [v.bytes(), new Uint8Array(1), "field should be bytes but is of type Uint8Array. Pass its `buffer`."],
  [v.literal("a"), "b", 'field should be "a" but is of type string.'],
  [v.array(v.number()), [1, "2"], "field[1] should be float64 but is of type string."],
  [v.record(v.string(), v.number()), { a: "1" }, "field.a should be float64 but is of type string."],
  [v.object({ a: v.number() }), new Date(0), "field should be an object but is of type Date."],
  [v.object({ a: v.number() }), {}, "field.a is missing."],
  [v.object({ a: v.number() }), { a: 1, b: 2 }, "field.b is no field of this collection."],
  [
    v.object({ a: v.number() }),
    JSON.parse('{"a":1,"__proto__":2}'),
    "field.__proto__ is no field of this collection.",
  ],
];
test.each(bad)("I-16: %o refuses %o and names the field", (validator, value, message) => {
  expect(faultOfValue(validator, value, "field")?.message).toBe(message);
});

test.each([new Date(0), new Map(), [undefined], () => 1, Symbol("s")])(
  "I-16: v.any() refuses %o",
  (value) => {
    expect(faultOfValue(v.any(), value, "field")?.path).toBe("field");
  },
);

test("the first fault of a row is reported by its own path", () => {
  const fault = faultOfFields(site.fields, { name: "a", address: { city: 1 }, status: "open" });
  expect(fault).toEqual({
    path: "address.city",
    message: "address.city should be string but is of type number.",
  });
});
