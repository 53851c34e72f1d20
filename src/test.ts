/// <reference types="vite/client" />
// Published as source: convex-test's `import.meta.glob` must see the component's files in the app's own build.
import aggregate from "@convex-dev/aggregate/test";
import batchWorker from "@convex-dev/batch-worker/test";
import shardedCounter from "@convex-dev/sharded-counter/test";
import workpool from "@convex-dev/workpool/test";
import type { TestConvex } from "convex-test";
import type { GenericSchema, SchemaDefinition } from "convex/server";
import schema from "./component/schema.js";

const modules = import.meta.glob(["./component/**/*.ts", "!./component/**/*.test.ts"]);

/**
 * Mounts the component and the components nested in it in a convex-test instance.
 *
 * @param t - what `convexTest()` returned.
 * @param name - the component's name in the app's `convex.config.ts`.
 * @example `const t = convexTest(schema, modules); register(t);`
 */
export function register(
  t: TestConvex<SchemaDefinition<GenericSchema, boolean>>,
  name: string = "replicate",
): void {
  t.registerComponent(name, schema, modules);
  registerChildren(t, name);
}

/** What the component is built on. @param name - where it is mounted */
export function registerChildren(
  t: TestConvex<SchemaDefinition<GenericSchema, boolean>>,
  name: string,
): void {
  workpool.register(t, `${name}/workpool`);
  workpool.register(t, `${name}/importPool`);
  batchWorker.register(t, `${name}/batchWorker`);
  shardedCounter.register(t, `${name}/shardedCounter`);
  aggregate.register(t, `${name}/aggregate`);
  batchWorker.register(t, `${name}/aggregate/batchWorker`); // which its own `register` leaves out
}
