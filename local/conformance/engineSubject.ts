import { convexToJson, jsonToConvex } from "convex/values";
import type { Runtime } from "../engine/engine.js";
import { LocalEngine } from "../engine/localEngine.js";
import type { Outcome, Subject, SubjectCall } from "./subject.js";

/** The development backend's own engine. */
export class EngineSubject implements Subject {
  readonly name = "own engine";
  readonly #engine = new LocalEngine();

  activate(runtime: Runtime): Promise<void> {
    return this.#engine.activate(runtime);
  }

  async run({ kind, path, args, identity, isTrusted = false }: SubjectCall): Promise<Outcome> {
    const call = { kind, path, args: convexToJson(args), identity: identity ?? null, isTrusted };
    const { logLines, ...result } = await this.#engine.run(call);
    if (result.ok) return { ok: true, value: jsonToConvex(result.value), logLines };
    const data = result.data === undefined ? undefined : jsonToConvex(result.data);
    return { ok: false, message: result.message, data, logLines };
  }

  settle(): Promise<void> {
    return this.#engine.settled();
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
