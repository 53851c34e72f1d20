import { randomUUID } from "node:crypto";
import type { JSONValue } from "convex/values";
import type { WebSocket } from "ws";
import type { Answers } from "./answers.js";
import type { Calls } from "./calls.js";
import type { CallResult, Engine, Identity } from "../engine/engine.js";
import type { Faults } from "./faults.js";
import { isRightAt, type QueryCache, type QueryExecution } from "./queryCache.js";
import {
  encodeTs,
  encodeVersion,
  identityOf,
  serverError,
  toFrames,
  type ClientMessage,
  type FunctionRequest,
  type QueryModification,
  type ServerMessage,
  type StateVersion,
} from "./syncProtocol.js";

interface WatchedQuery {
  readonly udfPath: string;
  readonly args: JSONValue[];
  /** null: it has not run as the present user. */
  execution: QueryExecution | null;
  /** What was sent last, as JSON; null: nothing yet. */
  sent: string | null;
  /** What its last run has left. */
  journal: string | null;
}

/** What connections share. */
export interface ConnectionOptions {
  readonly engine: Engine;
  readonly calls: Calls;
  readonly faults: Faults;
  readonly queries: QueryCache;
  readonly answers: Answers;
}

/**
 * One socket. Query results go out in transitions, each from the version before it to the next, all of one
 * timestamp; mutations run one at a time, in order, and are answered before the transition that shows what they did.
 */
export class Connection {
  readonly #socket: WebSocket;
  readonly #options: ConnectionOptions;
  readonly #queries = new Map<number, WatchedQuery>();
  #removed: number[] = [];
  #version: StateVersion = { querySet: 0, identity: 0, ts: 0n };
  #wanted = { querySet: 0, identity: 0 };
  #identity: Identity | null = null;
  #sessionId = "";
  #clockSkew: number | undefined;
  #mutations: Promise<void> = Promise.resolve();
  #transitions: Promise<void> = Promise.resolve();
  #isTransitionDue = false;
  /** Of the transition that is being worked on. */
  #comingTs: bigint | null = null;

  constructor(socket: WebSocket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.once("close", () => this.#forgetResults());
  }

  get sessionId(): string {
    return this.#sessionId;
  }

  /** The functions that it watches, one for each query. */
  get watched(): string[] {
    return [...this.#queries.values()].map(({ udfPath }) => udfPath);
  }

  receive(message: ClientMessage): void {
    switch (message.type) {
      case "Connect":
        this.#sessionId = message.sessionId;
        if (message.clientTs !== undefined) this.#clockSkew = message.clientTs - Date.now();
        return;
      case "ModifyQuerySet":
        return this.#modifyQuerySet(message);
      case "Authenticate":
        return this.#authenticate(message);
      case "Mutation":
        this.#mutations = this.#mutations.then(() => this.#mutate(message)).catch((e) => this.#fail(e));
        return;
      case "Action":
        void this.#act(message).catch((error: unknown) => this.#fail(error));
        return;
      case "Event":
    }
  }

  /** To be called when executions may have become stale. */
  noteStale(): void {
    const isAny = [...this.#queries.values()].some(
      ({ execution }) => execution && execution.staleAt !== null,
    );
    if (isAny) this.#scheduleTransition();
  }

  ping(): void {
    this.#send({ type: "Ping" });
  }

  cut(): void {
    this.#socket.terminate();
  }

  #modifyQuerySet(message: Extract<ClientMessage, { type: "ModifyQuerySet" }>): void {
    const { baseVersion, newVersion, modifications } = message;
    const current = this.#wanted.querySet;
    if (baseVersion !== current)
      return this.#refuse(
        `Base version ${baseVersion} passed up doesn't match the current version ${current}`,
      );
    this.#wanted.querySet = newVersion;
    for (const modification of modifications) this.#modify(modification);
    this.#scheduleTransition();
  }

  #modify(modification: QueryModification): void {
    const { queryId } = modification;
    if (modification.type === "Add") {
      const { udfPath, args, journal = null } = modification;
      this.#queries.set(queryId, { udfPath, args, execution: null, sent: null, journal });
      return;
    }
    this.#forgetResult(this.#queries.get(queryId));
    this.#queries.delete(queryId);
    this.#removed.push(queryId);
  }

  #authenticate({ baseVersion, tokenType, value }: Extract<ClientMessage, { type: "Authenticate" }>): void {
    if (baseVersion !== this.#wanted.identity) return this.#refuse("Identity version mismatch");
    const identity = tokenType === "User" ? identityOf(value ?? "", Date.now()) : null;
    if (tokenType === "User" && identity === null) {
      const error = "Could not parse the token, or it has expired";
      this.#send({ type: "AuthError", error, baseVersion, authUpdateAttempted: true });
      return this.#socket.close(1000);
    }
    this.#identity = identity;
    this.#wanted.identity = baseVersion + 1;
    this.#forgetResults();
    this.#scheduleTransition();
  }

  async #mutate({ requestId, udfPath, args }: FunctionRequest): Promise<void> {
    if (!this.#isOpen) return; // the client sends it again, on another socket
    const { faults, answers } = this.#options;
    if (faults.takes("failAsOcc", udfPath)) return this.#closeAsConflict();
    const result = await answers.once(this.#sessionId, requestId, () =>
      this.#call("mutation", udfPath, args),
    );
    if (!result.ok && result.isConflict) return this.#closeAsConflict();
    if (faults.takes("loseAnswer", udfPath)) return this.cut();
    const ts = result.ok ? { ts: encodeTs(result.ts) } : {};
    this.#send({ type: "MutationResponse", requestId, ...toAnswer(result), ...ts });
    // The client's promise resolves with the next transition at or after the mutation's ts.
    if (result.ok && (this.#comingTs === null || this.#comingTs < result.ts)) this.#scheduleTransition();
  }

  async #act({ requestId, udfPath, args }: FunctionRequest): Promise<void> {
    const result = await this.#call("action", udfPath, args);
    if (this.#options.faults.takes("loseAnswer", udfPath)) return this.cut();
    this.#send({ type: "ActionResponse", requestId, ...toAnswer(result) });
  }

  #call(kind: "mutation" | "action", path: string, args: readonly JSONValue[]): Promise<CallResult> {
    const call = { kind, path, args: args[0] ?? {}, identity: this.#identity };
    return this.#options.calls.make(call, this.#sessionId);
  }

  #scheduleTransition(): void {
    if (this.#isTransitionDue) return;
    this.#isTransitionDue = true;
    this.#transitions = this.#transitions.then(() => this.#transition()).catch((error) => this.#fail(error));
  }

  /** Sends what all queries come to as of one timestamp. */
  async #transition(): Promise<void> {
    this.#isTransitionDue = false;
    const wanted = { ...this.#wanted };
    const removed = this.#removed.splice(0).map((queryId) => ({ type: "QueryRemoved", queryId }));
    const queries = [...this.#queries];
    const ts = await this.#runAll(queries.map(([, query]) => query));
    await new Promise((resolve) => setImmediate(resolve)); // mutations that are done are answered before
    this.#comingTs = null;
    if (!this.#isOpen) return;
    if (wanted.identity !== this.#wanted.identity) queries.splice(0); // another user's now: a transition of their own follows
    const updated = queries.flatMap(([queryId, query]) => toUpdate(queryId, query) ?? []);
    const end = { ...wanted, ts: ts > this.#version.ts ? ts : this.#version.ts };
    this.#send({
      type: "Transition",
      startVersion: encodeVersion(this.#version),
      endVersion: encodeVersion(end),
      modifications: [...removed, ...updated],
      clientClockSkew: this.#clockSkew,
      serverTs: Date.now() * 1e6,
    });
    this.#version = end;
    this.noteStale(); // by what was committed while they ran
  }

  /** @returns the timestamp as of which all of them are right */
  async #runAll(queries: readonly WatchedQuery[]): Promise<bigint> {
    for (;;) {
      const ts = this.#options.engine.currentTs();
      this.#comingTs = ts;
      await Promise.all(queries.map((query) => this.#runAt(ts, query)));
      // One that had to wait before it could begin may have seen what was committed meanwhile.
      const isRight = queries.every(({ execution }) => execution === null || isRightAt(execution, ts));
      if (isRight || !this.#isOpen) return ts;
    }
  }

  async #runAt(ts: bigint, query: WatchedQuery): Promise<void> {
    const { queries } = this.#options;
    if (query.execution !== null && !isRightAt(query.execution, ts)) this.#forgetResult(query);
    const { udfPath: path, args, journal } = query;
    const asked = { path, args: args[0] ?? {}, identity: this.#identity, journal };
    query.execution ??= queries.watch(asked, this.#sessionId);
    const { execution } = query;
    await execution.ended;
    if (execution.result?.ok) query.journal = execution.result.journal;
  }

  #forgetResults(): void {
    for (const query of this.#queries.values()) this.#forgetResult(query);
  }

  #forgetResult(query: WatchedQuery | undefined): void {
    if (query === undefined || query.execution === null) return;
    this.#options.queries.release(query.execution);
    query.execution = null;
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  #send(message: ServerMessage): void {
    if (!this.#isOpen) return;
    for (const frame of toFrames(message, randomUUID())) this.#socket.send(frame);
  }

  #refuse(error: string): void {
    this.#send({ type: "FatalError", error });
    this.#socket.close(1000);
  }

  /** The client sends it again, on another socket. */
  #closeAsConflict(): void {
    this.#socket.close(1013, "OptimisticConcurrencyControlFailure");
  }

  #fail(error: unknown): void {
    console.error(error);
    this.#socket.close(1011, "InternalServerError");
  }
}

/** @returns null if the client has this result already */
function toUpdate(queryId: number, query: WatchedQuery): object | null {
  const result = query.execution?.result;
  if (!result) return null;
  const sent = JSON.stringify(result.ok ? [result.value] : [result.message, result.data ?? null, "error"]);
  if (sent === query.sent) return null;
  query.sent = sent;
  const common = { queryId, logLines: result.logLines, journal: query.journal };
  if (result.ok) return { type: "QueryUpdated", value: result.value, ...common };
  const errorData = result.data === undefined ? {} : { errorData: result.data };
  return { type: "QueryFailed", errorMessage: serverError(result.message), ...errorData, ...common };
}

function toAnswer(result: CallResult): object {
  const { logLines } = result;
  if (result.ok) return { success: true, result: result.value, logLines };
  const errorData = result.data === undefined ? {} : { errorData: result.data };
  return { success: false, result: serverError(result.message), logLines, ...errorData };
}
