// The server with history switched on for sites, in time that a test drives.
import type { FunctionArgs } from "convex/server";
import type { HistoryApi } from "../shared/replicaApi.js";
import { createServerApp } from "./serverApp.js";
import type { SiteHooks } from "./serverFunctions.js";

export type HistoryApp = ReturnType<typeof createHistoryApp>;

/** Call `vi.useFakeTimers()` before. Nothing that is scheduled runs unless the test lets time pass, or calls it. */
export function createHistoryApp(history: SiteHooks["history"], hooks: Partial<SiteHooks> = {}) {
  const app = createServerApp(() => ({ ...(history === undefined ? {} : { history }), ...hooks }), {
    hasFollowers: true,
  });
  const api = app.api as ServerHistoryApi;
  const internal = app.component as unknown as Record<string, Record<string, never>>;
  /** Runs a function of the component, an internal one too, as a transaction of its own. */
  const call = (file: string, name: string, args: object = {}) =>
    app.t.mutation((ctx) => ctx.runMutation(internal[file]![name]!, args as never));
  return {
    ...app,
    api,
    call,
    /** What the wake-up of the first write does: the component knows the collection's history. */
    tellHistory: (told = history) =>
      call("follower", "wake", {
        collection: "sites",
        history: told === undefined ? [] : [{ collection: "sites", ...told }],
      }),
    compact: (document: string) =>
      app.t.mutation((ctx) =>
        ctx.runMutation(app.component.compact.compact, { collection: "sites", document }),
      ),
    fold: (document: string) => call("foldArchives", "fold", { collection: "sites", document, part: "" }),
    versions: (document: string, page: Partial<FunctionArgs<HistoryApi["versions"]>> = {}) =>
      app.t.query(api.versions, { collection: "sites", document, ...page }),
    versionAt: (document: string, target: { at?: number; version?: string }) =>
      app.t.query(api.versionAt, { collection: "sites", document, ...target }),
    save: (document: string, label = "named") =>
      app.t.mutation(api.saveVersion, { collection: "sites", document, label }),
    restore: (document: string, target: { at?: number; version?: string }) =>
      app.t.mutation(api.restoreVersion, { collection: "sites", document, ...target }),
    /** The app's row of a document, without what Convex adds; null: there is none. */
    row: async (document: string) => {
      const row = (await app.rows()).find(({ id }) => id === document);
      if (row === undefined) return null;
      const { _id, ...fields } = row;
      return fields;
    },
  };
}

type ServerHistoryApi = ReturnType<typeof createServerApp>["api"] & HistoryApi;
