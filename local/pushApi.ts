import type { Engine, Runtime } from "./engine.js";
import { analyzePush, noSchemaChange } from "./push.js";
import type { StartPush } from "./pushTypes.js";
import type { HttpReply } from "./httpApi.js";

const emptyConfig = {
  config: { functions: "convex/", authInfo: [], modules: [] },
  moduleHashes: [],
  nodeDependencies: [],
  udfServerVersion: null,
  nodeVersion: null,
};

/** The push API: the stock CLI sends an app, it is evaluated, and takes effect once the CLI finishes the push. */
export class PushApi {
  readonly #engine: Engine;
  readonly #onActivated: () => void;
  #pending: Runtime | null = null;

  constructor(engine: Engine, onActivated: () => void) {
    this.#engine = engine;
    this.#onActivated = onActivated;
  }

  /** @returns null if the path is none of this API. A push that fails is answered with what its code threw. */
  async answer(path: string, body: unknown, url: string): Promise<HttpReply | null> {
    switch (path) {
      case "/api/get_config_hashes":
        return ok(emptyConfig);
      case "/api/v1/get_canonical_urls":
        return ok({ convexCloudUrl: url, convexSiteUrl: url });
      case "/api/deploy2/start_push":
        return this.#start(body as StartPush);
      case "/api/deploy2/evaluate_schema":
        return ok({ schemaChange: noSchemaChange, tables: {} });
      case "/api/deploy2/wait_for_schema":
        return this.#validate();
      case "/api/deploy2/finish_push":
        return this.#finish();
      case "/api/deploy2/report_push_completed":
        return ok({});
      default:
        return null;
    }
  }

  async #start(push: StartPush): Promise<HttpReply> {
    try {
      const { reply, runtime } = await analyzePush(push);
      this.#pending = runtime;
      return ok(reply);
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { status: 400, body: { code: "InvalidPush", message } };
    }
  }

  /** Data that is there must match the new schema. */
  #validate(): HttpReply {
    if (this.#pending === null) return ok({ type: "complete" });
    const problem = this.#engine.findSchemaProblem(this.#pending);
    if (problem === null) return ok({ type: "complete" });
    const { component, table, message } = problem;
    return ok({ type: "failed", error: message, componentPath: component, tableName: table });
  }

  async #finish(): Promise<HttpReply> {
    if (this.#pending === null)
      return { status: 400, body: { code: "NoPush", message: "No push was started on this backend." } };
    await this.#engine.activate(this.#pending);
    this.#pending = null;
    this.#onActivated();
    return ok({ authDiff: { added: [], removed: [] }, definitionDiffs: {}, componentDiffs: {} });
  }
}

function ok(body: unknown): HttpReply {
  return { status: 200, body };
}
