import { afterEach, describe, expect, test } from "vitest";
import type { Value } from "convex/values";
import type { FunctionKind, Identity } from "../engine/engine.js";
import { conformanceApp } from "./app/app.js";
import type { Args, Outcome, Subject, SubjectCall } from "./subject.js";
import { subjects } from "./subjects.js";

/** What a case rests on: where Convex says it, and what it says there. */
export interface Ground {
  readonly source: string;
  readonly says: string;
}

export type Check = (title: string, ground: Ground, body: (app: DeployedApp) => Promise<void>) => void;

/**
 * Declares the cases of a theme, for each subject. A case starts with an app that has just been deployed and has no data.
 *
 * @throws Error if a lack names a case that does not exist
 */
export function conformance(theme: string, declare: (check: Check) => void): void {
  describe.each(subjects)(`${theme}: $name`, ({ create, lacks }) => {
    const open: Subject[] = [];
    afterEach(async () => void (await Promise.all(open.splice(0).map((subject) => subject.close()))));
    const expected = new Map(Object.entries(lacks[theme] ?? {}));
    declare((title, ground, body) => {
      const lack = expected.get(title);
      expected.delete(title);
      const run = async () => {
        const subject = create();
        open.push(subject);
        await subject.activate(conformanceApp);
        await body(new DeployedApp(subject));
      };
      const { shows } = lack ?? {};
      if (shows === undefined) test(title, () => run().catch((error: unknown) => explain(error, ground)));
      else if (shows === null) test.skip(`lacks: ${title}`, run);
      else test(`lacks: ${title}`, () => expect(run(), "the lack is gone").rejects.toThrow(shows));
    });
    if (expected.size > 0) throw new Error(`No such case in ${theme}: ${[...expected.keys()].join("; ")}`);
  });
}

/** Adds to a failure what the case rests on, so that one sees who is wrong. */
function explain(error: unknown, { source, says }: Ground): never {
  if (error instanceof Error) error.message += `\nConvex: ${says} (${source})`;
  throw error;
}

export interface CallOptions {
  readonly identity?: Identity;
  /** Default: true, as most cases are not about who may call. */
  readonly isTrusted?: boolean;
}

/** A function's refusal, as its caller sees it. */
export class Refusal extends Error {
  constructor(
    path: string,
    readonly reason: string,
    readonly data: Value | undefined,
  ) {
    super(`${path}: ${reason}`);
  }
}

/** The fixture app, as those who call it see it. */
export class DeployedApp {
  readonly #subject: Subject;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  query<T = Value>(path: string, args: Args = {}, options?: CallOptions): Promise<T> {
    return this.#value<T>("query", path, args, options);
  }

  mutation<T = Value>(path: string, args: Args = {}, options?: CallOptions): Promise<T> {
    return this.#value<T>("mutation", path, args, options);
  }

  action<T = Value>(path: string, args: Args = {}, options?: CallOptions): Promise<T> {
    return this.#value<T>("action", path, args, options);
  }

  /** Expects the call to fail. */
  async refusal(kind: FunctionKind, path: string, args: Args = {}, options?: CallOptions): Promise<Refusal> {
    const outcome = await this.outcome({ kind, path, args, ...options });
    expect(outcome, `${path} should have been refused`).toMatchObject({ ok: false });
    return outcome.ok ? expect.unreachable() : new Refusal(path, outcome.message, outcome.data);
  }

  outcome(call: SubjectCall): Promise<Outcome> {
    return this.#subject.run({ isTrusted: true, ...call });
  }

  settle(): Promise<void> {
    return this.#subject.settle();
  }

  async #value<T>(kind: FunctionKind, path: string, args: Args, options?: CallOptions): Promise<T> {
    const outcome = await this.outcome({ kind, path, args, ...options });
    if (!outcome.ok) throw new Refusal(path, outcome.message, outcome.data);
    return outcome.value as T;
  }
}
