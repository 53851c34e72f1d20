import { CronError } from "../crons/cronSpecs.js";
import type { Engine } from "../engine/engine.js";
import { findVariableProblem } from "../engine/variables.js";
import type { HttpReply } from "../server/httpApi.js";
import { analyzePush, noSchemaChange, type AnalyzedPush } from "./push.js";
import type { StartPush } from "./pushTypes.js";
import { HttpRouteError, type HttpComponent } from "../site/httpRoutes.js";

const emptyConfig = {
  config: { functions: "convex/", authInfo: [], modules: [] },
  moduleHashes: [],
  nodeDependencies: [],
  udfServerVersion: null,
  nodeVersion: null,
};

/** What a push that took effect brought, besides the code that went to the engine. */
export interface ActivatedPush {
  readonly http: HttpComponent;
  /** What the CLI sent: the same again brings the same. */
  readonly source: StartPush;
}

interface PendingPush extends AnalyzedPush {
  /** The CLI brings it back when it finishes the push. */
  readonly id: number;
  readonly isDryRun: boolean;
  readonly source: StartPush;
}

type FinishPush = { startPush?: { schemaChange?: { schemaIds?: { push?: number } } }; dryRun?: boolean };

/** The push API: the stock CLI sends an app, it is evaluated, and takes effect once the CLI finishes the push. */
export class PushApi {
  readonly #engine: Engine;
  readonly #onActivated: (push: ActivatedPush) => void;
  #pending: PendingPush | null = null;
  #started = 0;

  constructor(engine: Engine, onActivated: (push: ActivatedPush) => void) {
    this.#engine = engine;
    this.#onActivated = onActivated;
  }

  /**
   * Answers what the CLI asks.
   *
   * @param url of this backend
   * @param siteUrl where the app's HTTP actions are reached
   * @returns null if the path is none of this API. A push that fails is answered with what its code threw.
   */
  async answer(path: string, body: unknown, url: string, siteUrl: string = url): Promise<HttpReply | null> {
    switch (path) {
      case "/api/get_config_hashes":
        return ok(emptyConfig);
      case "/api/v1/get_canonical_urls":
        return ok({ convexCloudUrl: url, convexSiteUrl: siteUrl });
      case "/api/deploy2/start_push":
        return this.#start(body as StartPush);
      case "/api/deploy2/evaluate_push":
        return evaluated(body as StartPush, () => ok({ schemaChange: noSchemaChange }));
      case "/api/deploy2/evaluate_schema":
        // A prediction of what takes long in production: indexes and validation are a matter of a moment here.
        return ok({ componentSchemaEvaluations: {}, newComponentDefinitions: [] });
      case "/api/deploy2/wait_for_schema":
        return this.#validate();
      case "/api/deploy2/finish_push":
        return this.#finish(body as FinishPush | null);
      case "/api/deploy2/report_push_completed":
        return ok({});
      default:
        return null;
    }
  }

  #start(push: StartPush): Promise<HttpReply> {
    return evaluated(push, (analyzed) => {
      const problem = findVariableProblem(analyzed.runtime, this.#engine.variables.app);
      if (problem !== null) return refused("InvalidEnvironmentVariables", problem);
      const id = ++this.#started;
      this.#pending = { ...analyzed, id, isDryRun: push.dryRun === true, source: push };
      return ok({ ...analyzed.reply, schemaChange: { ...noSchemaChange, schemaIds: { push: id } } });
    });
  }

  /** Data that is there must match the new schema. */
  #validate(): HttpReply {
    if (this.#pending === null) return ok({ type: "complete" });
    const problem = this.#engine.findSchemaProblem(this.#pending.runtime);
    if (problem === null) return ok({ type: "complete" });
    const { component, table, message } = problem;
    return ok({ type: "failed", error: message, componentPath: component, tableName: table });
  }

  async #finish(body: FinishPush | null): Promise<HttpReply> {
    const pending = this.#pending;
    if (pending === null) return refused("NoPush", "No push was started on this backend.");
    const finished = body?.startPush?.schemaChange?.schemaIds?.push ?? pending.id;
    if (finished !== pending.id)
      return refused(
        "RaceDetected",
        "Another push was started on this backend before this one was finished.",
      );
    if (!pending.isDryRun && body?.dryRun !== true) {
      await this.#engine.activate(pending.runtime);
      this.#onActivated({ http: pending.http, source: pending.source });
    }
    if (this.#pending === pending) this.#pending = null;
    return ok({ authDiff: { added: [], removed: [] }, definitionDiffs: {}, componentDiffs: {} });
  }
}

async function evaluated(push: StartPush, reply: (push: AnalyzedPush) => HttpReply): Promise<HttpReply> {
  let analyzed: AnalyzedPush;
  try {
    analyzed = await analyzePush(push);
  } catch (error) {
    if (error instanceof CronError || error instanceof HttpRouteError)
      return refused("InvalidModules", `Hit an error while pushing:\n${error.message}`);
    return refused("InvalidPush", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return reply(analyzed);
}

function ok(body: unknown): HttpReply {
  return { status: 200, body };
}

function refused(code: string, message: string): HttpReply {
  return { status: 400, body: { code, message } };
}
