import type { Runtime } from "../../engine/engine.js";
import * as acting from "./acting.js";
import * as counts from "./counter/counts.js";
import counterSchema from "./counter/schema.js";
import * as documents from "./documents.js";
import * as environment from "./environment.js";
import * as files from "./files.js";
import * as entries from "./ledger/entries.js";
import ledgerSchema from "./ledger/schema.js";
import * as limits from "./limits.js";
import * as mounting from "./mounting.js";
import * as nesting from "./nesting.js";
import * as paging from "./paging.js";
import * as racing from "./racing.js";
import * as reading from "./reading.js";
import * as scheduling from "./scheduling.js";
import schema from "./schema.js";
import * as searching from "./searching.js";
import * as stamping from "./stamping.js";
import * as validated from "./validated.js";

const modules = {
  acting,
  documents,
  environment,
  files,
  limits,
  mounting,
  nesting,
  paging,
  racing,
  reading,
  scheduling,
  searching,
  stamping,
  validated,
};

/** The app that the suite deploys: evaluated modules, as a push would bring them. */
export const conformanceApp: Runtime = {
  root: { schema, modules },
  components: [
    { path: "counter", schema: counterSchema, modules: { counts } },
    { path: "counter/ledger", schema: ledgerSchema, modules: { entries } },
  ],
};
