/* eslint-disable */
/**
 * Generated `ComponentApi` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type { FunctionReference } from "convex/server";

/**
 * A utility for referencing a Convex component's exposed API.
 *
 * Useful when expecting a parameter like `components.myComponent`.
 * Usage:
 * ```ts
 * async function myFunction(ctx: QueryCtx, component: ComponentApi) {
 *   return ctx.runQuery(component.someFile.someQuery, { ...args });
 * }
 * ```
 */
export type ComponentApi<Name extends string | undefined = string | undefined> =
  {
    append: {
      append: FunctionReference<
        "mutation",
        "internal",
        {
          deltas: Array<{
            bytes: ArrayBuffer;
            client: string;
            collection: string;
            document: string;
            schemaVersion: number;
            scope: string;
            transactions: Array<string>;
          }>;
        },
        null,
        Name
      >;
    };
    compact: {
      compact: FunctionReference<
        "mutation",
        "internal",
        { collection: string; document: string },
        number,
        Name
      >;
    };
    states: {
      load: FunctionReference<
        "query",
        "internal",
        { collection: string; document: string },
        {
          blobs: Array<ArrayBuffer>;
          deltaRows: Array<string>;
          scope: string | null;
          snapshotRows: Array<string>;
          ts: bigint;
        },
        Name
      >;
    };
    stream: {
      page: FunctionReference<
        "query",
        "internal",
        {
          collection: string;
          cursor: { document: string; ts: bigint };
          scope: string;
        },
        {
          cursor: { document: string; ts: bigint };
          done: boolean;
          entries: Array<{
            bytes: ArrayBuffer;
            client?: string;
            document: string;
            transactions?: Array<string>;
            ts: bigint;
            type: "update" | "snapshot";
          }>;
          epoch: string;
          type: "page";
        },
        Name
      >;
    };
  };
