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
          due?: Array<{ collection: string; document: string }>;
          guarded?: Array<{ collection: string; document: string }>;
          overdue?: Array<{ collection: string; document: string }>;
          push?: {
            authors: Array<number>;
            client: string;
            receipts: Array<{
              outcome:
                | { status: "applied" }
                | {
                    code: string;
                    data?: any;
                    message: string;
                    status: "rejected";
                  };
              sequence: number;
              transaction: string;
            }>;
            seenAt: number | null;
            settledBelow: number;
            user: string | null;
          };
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
    epochs: {
      newEpoch: FunctionReference<
        "mutation",
        "internal",
        { collection: string },
        string,
        Name
      >;
    };
    receipts: {
      status: FunctionReference<
        "query",
        "internal",
        { client: string; transactions: Array<string>; user: string | null },
        Array<
          | { id: string; status: "applied" }
          | { id: string; status: "unknown" }
          | {
              code: string;
              data?: any;
              id: string;
              message: string;
              status: "rejected";
            }
        >,
        Name
      >;
    };
    registry: {
      read: FunctionReference<
        "query",
        "internal",
        {
          authors: Array<number>;
          client: string;
          collections: Array<string>;
          transactions: Array<string>;
        },
        {
          authorClients: Array<string | null>;
          epochs: Array<string>;
          owner?: { seenAt: number; user: string | null };
          receipts: Array<{
            outcome:
              | { status: "applied" }
              | {
                  code: string;
                  data?: any;
                  message: string;
                  status: "rejected";
                };
            transaction: string;
          }>;
        },
        Name
      >;
      serverAuthor: FunctionReference<
        "mutation",
        "internal",
        { collection: string },
        number,
        Name
      >;
    };
    states: {
      load: FunctionReference<
        "query",
        "internal",
        { documents: Array<{ collection: string; document: string }> },
        {
          snapshotTs: bigint;
          states: Array<{
            blobs: Array<ArrayBuffer>;
            deltaBytes: number;
            deltaRows: Array<string>;
            isCut: boolean;
            scope: string | null;
            snapshotBytes: number;
            snapshotRows: Array<string>;
            ts: bigint;
          }>;
        },
        Name
      >;
      loadOwn: FunctionReference<
        "mutation",
        "internal",
        {
          documents: Array<{ collection: string; document: string }>;
          hasGuards: boolean;
        },
        Array<Array<ArrayBuffer>>,
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
          epoch?: string;
          scope: string;
        },
        | {
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
          }
        | { epoch: string; type: "reset" },
        Name
      >;
    };
  };
