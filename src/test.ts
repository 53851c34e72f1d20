/// <reference types="vite/client" />
// Published as source: convex-test's `import.meta.glob` must see the component's files in the app's own build.
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
  workpool.register(t, `${name}/workpool`);
}
