import { queryGeneric } from "convex/server";
import { convexToJson, type JSONValue, type Value } from "convex/values";
import { startFieldEngine } from "../local/fieldEngine.js";
import { startCursor, type PullResult, type PushArgs, type PushResult } from "../src/shared/wire.js";
import { sites } from "../src/testing/fieldApp.js";
import { seedFunctions, seedModules } from "./componentSeed.js";
import {
  callOf,
  collection,
  scope as defaultScope,
  succeed,
  valueOf,
  type StartDesign,
  type Tab,
} from "./design.js";

export const startOurs: StartDesign = async (options) => {
  const { engine } = await startFieldEngine(
    options,
    (replicate) => ({
      ...seedFunctions,
      stats: queryGeneric({
        args: {},
        handler: (ctx) => replicate.stats(ctx as never, sites, defaultScope),
      }),
    }),
    seedModules,
  );
  const page = (answer: JSONValue) => {
    const result = valueOf<PullResult>(answer);
    if (result.type !== "page") throw new Error(`Expected a page, got ${result.type}.`);
    return result;
  };
  return {
    name: "ours",
    engine,
    push: (author, edits) => {
      const operations = edits.map(({ document, part, bytes }) => ({
        ...{ collection, document, part, schemaVersion: 1 },
        bytes: bytes.buffer,
      }));
      const transactions = operations.map((operation) => {
        const sequence = author.nextSequence();
        return { ids: [`${author.client}-${sequence}`], sequence, operations: [operation] };
      });
      const args: PushArgs = { client: author.client, epochs: {}, settledBelow: 0, transactions };
      return callOf("mutation", "replicate:push", args);
    },
    checkPushed: (answer) => {
      const result = valueOf<PushResult>(answer);
      const isApplied =
        result.type === "results" &&
        result.results.every(({ status }) => status === "applied" || status === "duplicate");
      if (!isApplied) throw new Error(`A push was not applied: ${JSON.stringify(answer)}`);
    },
    pull: (scope, cursor) => ({
      ...callOf("query", "replicate:pull", {}),
      args: { collection, scope, cursor: cursor ?? convexToJson(startCursor as unknown as Value) },
    }),
    cursorAfter: (answer) => {
      page(answer);
      return (answer as { cursor: JSONValue }).cursor;
    },
    entriesIn: (answer) => page(answer).entries.length,
    compact: (document) => callOf("mutation", "planted:compact", { collection, document }),
    enter: async (document, number) => {
      const client = { client: `client${number}`, tab: `tab ${number}` };
      const { value } = await succeed(engine, callOf("mutation", "replicate:join", client));
      const { session } = valueOf<{ session: string }>(value);
      const where = { session, collection, scope: defaultScope, document };
      const tab: Tab = {
        beat: () => callOf("mutation", "replicate:heartbeat", { session }),
        show: (state) => callOf("mutation", "replicate:setPresence", { ...where, state }),
      };
      await succeed(engine, tab.show(0));
      return tab;
    },
    presence: (document) =>
      callOf("query", "replicate:presence", { collection, scope: defaultScope, document }),
    stats: () => callOf("query", "planted:stats", {}),
    seedDeltas: async (edits) => {
      const deltas = edits.map(({ document, scope, bytes }) => ({
        ...{ collection, scope, document, bytes: bytes.slice().buffer, chunk: { index: 0, count: 1 } },
        ...{ part: "", client: "seed", transactions: [], schemaVersion: 1 },
      }));
      await succeed(engine, callOf("mutation", "planted:insertDeltas", { deltas }));
      await engine.importDocuments(
        "sites",
        edits.filter(({ isInsert }) => isInsert).map(({ row }) => row),
      );
    },
    noteCounted: async (count) => {
      await succeed(
        engine,
        callOf("mutation", "planted:noteCounted", { collection, scope: defaultScope, count }),
      );
    },
  };
};
