import { v } from "convex/values";
import { expect, test } from "vitest";
import { sites } from "../testing/fieldApp.js";
import { replicaTable } from "./index.js";

test("a replica table has the row's fields, the server's own, and the index that replication finds rows by", () => {
  const table = replicaTable(sites, { score: v.optional(v.number()) });
  expect(Object.keys(table.validator.fields).sort()).toEqual([
    ...["country", "id", "name", "note", "score", "status", "tags", "visits"],
  ]);
  expect(table[" indexes"]()).toEqual([{ indexDescriptor: "by_replica_id", fields: ["id"] }]);
});

test("server fields must be optional and not replicated already: replication inserts rows without them", () => {
  expect(() => replicaTable(sites, { score: v.number() as never })).toThrow(/"score" must be v.optional/);
  expect(() => replicaTable(sites, { name: v.optional(v.string()) })).toThrow(/"name" is a replicated field/);
});
