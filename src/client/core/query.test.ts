import { expect, test } from "vitest";
import type { PlainRow } from "../../collections/index.js";
import { runQuery } from "./query.js";

const row = (id: string, value: PlainRow[string] | undefined): PlainRow =>
  value === undefined ? { id } : { id, value };
const order = (...values: (PlainRow[string] | undefined)[]) =>
  runQuery(
    values.map((value, index) => row(`${index}`, value)),
    { orderBy: "value" },
  ).map(({ id }) => Number(id));

test("rows stand in the order of their values: missing, null, and then by type", () => {
  expect(order("b", "a", true, 2, 1, 5n, null, undefined)).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
});

test("rows of equal values stand in the order of their ids, be they zeros of either sign, bytes or objects", () => {
  expect(order(0, -0, 0)).toEqual([0, 1, 2]);
  expect(order(NaN, NaN)).toEqual([0, 1]);
  expect(order({ a: 1 }, { a: 1 })).toEqual([0, 1]);
  expect(order(new Uint8Array([1]).buffer, new Uint8Array([1]).buffer)).toEqual([0, 1]);
});
