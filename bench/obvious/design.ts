import { LocalEngine } from "../../local/engine/localEngine.js";
import { callOf, collection, succeed, valueOf, type StartDesign, type Tab } from "../design.js";
import * as documents from "./documents.js";
import * as floor from "./floor.js";
import { schema } from "./schema.js";

export const startObvious: StartDesign = async (options) => {
  let seq = 1_000; // What is seeded comes after what was pushed before.
  const engine = new LocalEngine(options);
  await engine.activate({ root: { schema, modules: { documents, floor } }, components: [] });
  return {
    name: "obvious",
    engine,
    push: (_author, edits) => {
      const toEdit = ({ document, scope, bytes, row }: (typeof edits)[number]) => ({
        ...{ document, scope, row },
        bytes: bytes.slice(1).buffer, // It has no use for a format byte.
      });
      return callOf("mutation", "documents:push", { collection, edits: edits.map(toEdit) });
    },
    checkPushed: () => {},
    pull: (scope, cursor) =>
      callOf("query", "documents:pull", { collection, scope, after: (cursor as number | null) ?? 0 }),
    cursorAfter: (answer) => valueOf<{ cursor: number }>(answer).cursor,
    entriesIn: (answer) => valueOf<{ entries: unknown[] }>(answer).entries.length,
    compact: (document) => callOf("mutation", "documents:compact", { collection, document }),
    enter: async (document, number) => {
      const where = { collection, document, session: `session ${number}` };
      const tab: Tab = {
        beat: () => callOf("mutation", "documents:beat", where),
        show: (state) => callOf("mutation", "documents:beat", { ...where, state }),
      };
      await succeed(engine, tab.show(0));
      return tab;
    },
    presence: (document) => callOf("query", "documents:presence", { collection, document }),
    stats: () => callOf("query", "documents:stats", { collection }),
    seedDeltas: async (edits) => {
      const deltas = edits.map(({ document, scope, bytes }) => ({
        ...{ collection, scope, document },
        ...{ seq: (seq += 1), bytes: bytes.slice(1).buffer },
      }));
      await engine.importDocuments("deltas", deltas);
      const rows = edits.filter(({ isInsert }) => isInsert);
      const toSite = ({ document, row }: (typeof edits)[number]) => ({ id: document, deltas: 1, row });
      await engine.importDocuments("sites", rows.map(toSite));
    },
    noteCounted: async (count) => {
      await succeed(engine, callOf("mutation", "floor:noteCounted", { collection, seq, documents: count }));
    },
  };
};
