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
            part: string;
            schemaVersion: number;
            scope?: string;
            transactions: Array<string>;
          }>;
          guarded?: Array<{ collection: string; document: string }>;
          history?: Array<{
            automatic?: "daily";
            collection: string;
            keepDays: number;
          }>;
          moves?: Array<{
            bytes: ArrayBuffer;
            collection: string;
            document: string;
            from: string;
            to: string;
          }>;
          overdue?: Array<{ collection: string; document: string }>;
          push?: {
            authors: Array<number>;
            client: string;
            maintain?: string;
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
        { collection: string; document: string; part?: string },
        number,
        Name
      >;
    };
    compactAll: {
      document: FunctionReference<
        "mutation",
        "internal",
        { collection: string; document: string },
        number,
        Name
      >;
      start: FunctionReference<
        "mutation",
        "internal",
        { collection: string },
        null,
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
    exporting: {
      page: FunctionReference<
        "query",
        "internal",
        {
          collection: string;
          cursor: { document: string; ts: bigint };
          epoch?: string;
          horizon?: bigint;
          limit: number;
          scope: string;
        },
        | {
            cursor: { document: string; ts: bigint };
            documents: Array<{
              blobs: Array<ArrayBuffer>;
              document: string;
              isCut: boolean;
              scope: string | null;
              texts: Array<{ field: string; text: string }>;
              ts: bigint;
            }>;
            done: boolean;
            epoch: string;
            horizon?: bigint;
            type: "page";
          }
        | { epoch: string; type: "reset" },
        Name
      >;
    };
    health: {
      ofCollection: FunctionReference<
        "query",
        "internal",
        { collection: string; now: number },
        {
          bytes: number;
          collection: string;
          deltas: number;
          failedJobs: number;
          followedAt: number | null;
          followerLagMs: number;
          isResyncing: boolean;
          isStalled: boolean;
          lastError: { at: number; document: string; message: string } | null;
          lastLagMs: number;
          oldestUncompacted: number | null;
          sessions: number;
          snapshots: number;
        },
        Name
      >;
    };
    imports: {
      cancel: FunctionReference<
        "mutation",
        "internal",
        { job: string },
        boolean,
        Name
      >;
      put: FunctionReference<
        "mutation",
        "internal",
        {
          collection: string;
          documents: Array<{
            bytes: ArrayBuffer;
            document: string;
            scope: string;
          }>;
          hasGuards: boolean;
        },
        null,
        Name
      >;
      stage: FunctionReference<
        "mutation",
        "internal",
        {
          chunks: Array<{ count: number; rows: string }>;
          collection: string;
          isLast: boolean;
          job: string | null;
          maintain?: string;
        },
        string,
        Name
      >;
      status: FunctionReference<
        "query",
        "internal",
        { job: string },
        {
          collection: string;
          done: number;
          failed: number;
          failures: Array<{ code: string; id: string; message: string }>;
          finishedAt?: number;
          scopes: Array<{ documents: number; scope: string }>;
          startedAt: number;
          state: "staging" | "running" | "done" | "cancelled";
          total: number;
        } | null,
        Name
      >;
    };
    parts: {
      fullness: FunctionReference<
        "query",
        "internal",
        {
          parts: Array<{ collection: string; document: string; part: string }>;
        },
        Array<"open" | "full" | "closed">,
        Name
      >;
      page: FunctionReference<
        "query",
        "internal",
        {
          collection: string;
          cursor: bigint;
          document: string;
          epoch?: string;
          part: string;
        },
        | {
            cursor: bigint;
            done: boolean;
            entries: Array<{
              bytes: ArrayBuffer;
              client?: string;
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
      scopeOf: FunctionReference<
        "query",
        "internal",
        { collection: string; document: string },
        string | null,
        Name
      >;
      text: FunctionReference<
        "query",
        "internal",
        { collection: string; document: string; field: string },
        string,
        Name
      >;
    };
    pointInTime: {
      at: FunctionReference<
        "query",
        "internal",
        {
          collection: string;
          document: string;
          fields: Array<string>;
          partBytes?: number;
          ts: bigint;
        },
        | {
            large: Array<string>;
            main: ArrayBuffer;
            parts: Array<{ bytes: ArrayBuffer; part: string }>;
            type: "state";
          }
        | { earliest: bigint | null; type: "unknown" },
        Name
      >;
    };
    presence: {
      list: FunctionReference<
        "query",
        "internal",
        { collection: string; document: string; scope: string },
        {
          entries: Array<{
            peer: string;
            state: any;
            updatedAt: number;
            user: string | null;
          }>;
          more: boolean;
        },
        Name
      >;
      scopeOf: FunctionReference<
        "query",
        "internal",
        { collection: string; document: string },
        string | null,
        Name
      >;
      set: FunctionReference<
        "mutation",
        "internal",
        {
          collection: string;
          document: string;
          scope: string;
          session: string;
          state: any;
          user: string | null;
        },
        "set" | "gone" | "denied",
        Name
      >;
    };
    purge: {
      purge: FunctionReference<
        "mutation",
        "internal",
        { collection: string; document: string },
        boolean,
        Name
      >;
    };
    rebuild: {
      rebuild: FunctionReference<
        "mutation",
        "internal",
        { collection: string; maintain?: string },
        boolean,
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
            ts: bigint;
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
    restores: {
      begin: FunctionReference<
        "mutation",
        "internal",
        {
          restores: Array<{
            author: number;
            collection: string;
            document: string;
            field: string;
            incarnation: number;
            kind: "text" | "richText";
            replaced: string | null;
            schemaVersion: number;
          }>;
          target: { version: string } | { ts: bigint };
        },
        null,
        Name
      >;
    };
    retryFailed: {
      retryFailed: FunctionReference<
        "mutation",
        "internal",
        { collection: string },
        number,
        Name
      >;
    };
    sessions: {
      heartbeat: FunctionReference<
        "mutation",
        "internal",
        {
          cursors?: Array<{ collection: string; scope: string; ts: bigint }>;
          session: string;
          user: string | null;
        },
        "alive" | "gone" | "denied",
        Name
      >;
      join: FunctionReference<
        "mutation",
        "internal",
        {
          client: string;
          cursors: Array<{ collection: string; scope: string; ts: bigint }>;
          tab: string;
          user: string | null;
        },
        { peer: string; session: string },
        Name
      >;
      leave: FunctionReference<
        "mutation",
        "internal",
        { session: string; user: string | null },
        "left" | "gone" | "denied",
        Name
      >;
    };
    states: {
      load: FunctionReference<
        "query",
        "internal",
        {
          documents: Array<{
            collection: string;
            document: string;
            part: string;
          }>;
        },
        {
          snapshotTs: bigint;
          states: Array<{
            blobs: Array<ArrayBuffer>;
            deltaBytes: number;
            deltaRows: Array<string>;
            isCut: boolean;
            pieces: number;
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
        Array<{ blobs: Array<ArrayBuffer>; scope: string | null }>,
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
          horizon?: bigint;
          scope: string;
        },
        | {
            cursor: { document: string; ts: bigint };
            done: boolean;
            entries: Array<
              | {
                  bytes: ArrayBuffer;
                  client?: string;
                  document: string;
                  transactions?: Array<string>;
                  ts: bigint;
                  type: "update" | "snapshot";
                }
              | {
                  document: string;
                  isFull?: boolean;
                  newest: bigint;
                  part: string;
                  preview: string;
                  ts: bigint;
                  type: "part";
                }
              | {
                  count: number;
                  document: string;
                  job: string;
                  ts: bigint;
                  type: "bulk";
                }
              | { document: string; ts: bigint; type: "leave" }
            >;
            epoch: string;
            horizon?: bigint;
            type: "page";
          }
        | { epoch: string; type: "reset" },
        Name
      >;
    };
    totals: {
      ofScope: FunctionReference<
        "query",
        "internal",
        { collection: string; scope: string },
        { bytes: number; documents: number },
        Name
      >;
    };
    versions: {
      current: FunctionReference<
        "query",
        "internal",
        {
          collection: string;
          document: string;
          fields?: Array<string>;
          partBytes?: number;
        },
        {
          incarnation: number;
          isPresent: boolean;
          large: Array<string>;
          parts: Array<{ blobs: Array<ArrayBuffer>; part: string }>;
          scope: string | null;
          snapshotTs: bigint;
          ts: bigint;
        },
        Name
      >;
      list: FunctionReference<
        "query",
        "internal",
        {
          collection: string;
          cursor: number | null;
          document: string;
          limit: number;
        },
        {
          cursor: number | null;
          versions: Array<{
            at: number;
            author: string | null;
            kind: "named" | "automatic" | "restore";
            label?: string;
            version: string;
          }>;
        },
        Name
      >;
      read: FunctionReference<
        "query",
        "internal",
        {
          collection: string;
          document: string;
          partBytes?: number;
          version: string;
        },
        {
          at: number;
          author: string | null;
          kind: "named" | "automatic" | "restore";
          label?: string;
          large: Array<string>;
          parts: Array<{ bytes: ArrayBuffer; part: string }>;
          version: string;
        } | null,
        Name
      >;
      remove: FunctionReference<
        "mutation",
        "internal",
        { collection: string; document: string; version: string },
        boolean,
        Name
      >;
      save: FunctionReference<
        "mutation",
        "internal",
        {
          author: string | null;
          collection: string;
          document: string;
          fields: Array<string>;
          kind: "named" | "automatic" | "restore";
          label?: string;
        },
        string | null,
        Name
      >;
    };
  };
