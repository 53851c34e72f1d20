import { convexTest } from "convex-test";
import {
  defineSchema,
  makeFunctionReference,
  type GenericSchema,
  type SchemaDefinition,
} from "convex/server";
import type { Value } from "convex/values";
import type { Runtime, RuntimeComponent } from "../engine/engine.js";
import type { Outcome, Subject, SubjectCall } from "./subject.js";

type AnySchema = SchemaDefinition<GenericSchema, boolean>;

/** convex-test by its public interface alone. */
export class ConvexTestSubject implements Subject {
  readonly name = "convex-test";
  #test: ReturnType<typeof convexTest> | null = null;

  async activate({ root, components }: Runtime): Promise<void> {
    if (this.#test !== null) throw new Error("convex-test cannot change an app that is deployed");
    this.#test = convexTest({
      schema: schemaOf(root),
      modules: loadersOf(root),
      transactionLimits: true,
    }) as unknown as ReturnType<typeof convexTest>;
    for (const component of components)
      this.#test.registerComponent(component.path, schemaOf(component), loadersOf(component));
  }

  async run({ kind, path, args, identity }: SubjectCall): Promise<Outcome> {
    const test = this.#deployed();
    const caller = identity === undefined ? test : test.withIdentity({ ...identity });
    const run = caller[kind] as (reference: unknown, args: unknown) => Promise<Value | undefined>;
    try {
      return { ok: true, value: (await run(makeFunctionReference(path), args)) ?? null };
    } catch (error) {
      return { ok: false, ...describe(error) };
    }
  }

  /** With real timers: what is due fires within a few turns of the event loop, which convex-test waits for. */
  async settle(): Promise<void> {
    await this.#deployed().finishAllScheduledFunctions(() => {});
  }

  close(): void {}

  #deployed(): ReturnType<typeof convexTest> {
    if (this.#test === null) throw new Error("nothing is deployed");
    return this.#test;
  }
}

function schemaOf({ schema }: RuntimeComponent): AnySchema {
  return (schema ?? defineSchema({}, { schemaValidation: false })) as AnySchema;
}

function loadersOf({ modules }: RuntimeComponent): Record<string, () => Promise<unknown>> {
  const loaders = Object.entries(modules).map(([path, module]) => [`./${path}.ts`, async () => module]);
  // It takes the place of this folder for the root of the functions.
  return { ...Object.fromEntries(loaders), "./_generated/api.js": async () => ({}) };
}

function describe(error: unknown): { message: string; data: Value | undefined } {
  const { message = String(error) } = (error ?? {}) as { message?: string };
  const isCoded = typeof error === "object" && error !== null && Symbol.for("ConvexError") in error;
  return { message, data: isCoded ? (error as { data?: Value }).data : undefined };
}
