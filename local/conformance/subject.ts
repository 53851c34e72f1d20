// What the conformance suite runs against. A subject deploys the fixture app and runs its functions; the suite
// knows nothing else of it, so a case can only say what an app's author or its clients can see.
import type { Value } from "convex/values";
import type { FunctionKind, Identity, Runtime } from "../engine/engine.js";

export type Args = Record<string, Value | undefined>;

export interface SubjectCall {
  readonly kind: FunctionKind;
  /** `folder/module:name`. */
  readonly path: string;
  readonly args: Args;
  readonly identity?: Identity;
  /** Whether internal functions may be called: by the operator, never by a client. */
  readonly isTrusted?: boolean;
}

export type Outcome = {
  /** What the function wrote to the console, as clients get it; undefined: this subject does not tell. */
  readonly logLines?: readonly string[];
} & (
  | { readonly ok: true; readonly value: Value }
  /** `data` is what a `ConvexError` carries; undefined: another error. */
  | { readonly ok: false; readonly message: string; readonly data: Value | undefined }
);

export interface Subject {
  readonly name: string;
  /** Deploys an app. The suite calls it once, before anything else. */
  activate(runtime: Runtime): Promise<void>;
  /** Never rejects. */
  run(call: SubjectCall): Promise<Outcome>;
  /** Until nothing that is due is scheduled or running. What is scheduled for later stays. */
  settle(): Promise<void>;
  close(): void | Promise<void>;
}

/** What a subject is known not to do as Convex documents it. */
export interface Lack {
  /** What it does instead, and why that is accepted. */
  readonly why: string;
  /**
   * What the case fails with, as it is run and must fail so: a subject that learns it makes the suite ask for the
   * entry's removal. null: the case is listed and not run, because it would hang or harm others.
   */
  readonly shows: RegExp | null;
}

/** By theme, then by the title of the case. */
export type Lacks = Readonly<Partial<Record<string, Readonly<Record<string, Lack>>>>>;

export interface SubjectEntry {
  readonly name: string;
  readonly lacks: Lacks;
  create(): Subject;
}
