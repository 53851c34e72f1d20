import { randomUUID } from "node:crypto";
import type { JSONValue } from "convex/values";
import type { WebSocket } from "ws";
import type { Answers } from "./answers.js";
import type { Calls } from "./calls.js";
import type { CallResult, Engine, Identity } from "./engine.js";
import type { Faults } from "./faults.js";
import type { QueryCache, QueryExecution } from "./queryCache.js";
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
}

/** What connections share. */
export interface ConnectionOptions {
  readonly engine: Engine;
  readonly calls: Calls;
  readonly faults: Faults;
  readonly queries: QueryCache;
  readonly answers: Answers;
}

/** So often queries run again beside writers that make their results stale; after that writers wait. */
const roundsBesideWriters = 3;

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

  constructor(socket: WebSocket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.once("close", () => this.#forgetResults());
  }

  get sessionId(): string {
    return this.#sessionId;
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
    const isAny = [...this.#queries.values()].some(({ execution }) => execution?.isStale);
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
      const { udfPath, args } = modification;
      this.#queries.set(queryId, { udfPath, args, execution: null, sent: null });
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
    if (faults.takes("failAsOcc", udfPath))
      return this.#socket.close(1013, "OptimisticConcurrencyControlFailure");
    const answer = await answers.once(this.#sessionId, requestId, async () => {
      const result = await this.#call("mutation", udfPath, args);
      const ts = result.ok ? { ts: encodeTs(result.ts) } : {};
      return { type: "MutationResponse", requestId, ...toAnswer(result), ...ts };
    });
    if (faults.takes("loseAnswer", udfPath)) return this.cut();
    this.#send(answer);
    this.#scheduleTransition(); // the client's promise resolves with a transition at or after the mutation's ts
  }

  async #act({ requestId, udfPath, args }: FunctionRequest): Promise<void> {
    const result = await this.#call("action", udfPath, args);
    if (this.#options.faults.takes("loseAnswer", udfPath)) return this.cut();
    this.#send({ type: "ActionResponse", requestId, ...toAnswer(result) });
  }

  #call(kind: "mutation" | "action", path: string, args: readonly JSONValue[]): Promise<CallResult> {
    const call = { kind, path, args: args[0] ?? {}, identity: this.#identity };
    return this.#options.calls.make(call, { sessionId: this.#sessionId });
  }

  #scheduleTransition(): void {
    if (this.#isTransitionDue) return;
    this.#isTransitionDue = true;
    this.#transitions = this.#transitions.then(() => this.#transition()).catch((error) => this.#fail(error));
  }

  async #transition(): Promise<void> {
    await this.#refresh();
    // Nothing is awaited from here on: no result is stale, so all of them are those of this one timestamp.
    this.#isTransitionDue = false;
    if (!this.#isOpen) return;
    const now = this.#options.engine.currentTs();
    const end = { ...this.#wanted, ts: now > this.#version.ts ? now : this.#version.ts };
    const removed = this.#removed.splice(0).map((queryId) => ({ type: "QueryRemoved", queryId }));
    const updated = [...this.#queries].flatMap(([queryId, query]) => toUpdate(queryId, query) ?? []);
    this.#send({
      type: "Transition",
      startVersion: encodeVersion(this.#version),
      endVersion: encodeVersion(end),
      modifications: [...removed, ...updated],
      clientClockSkew: this.#clockSkew,
      serverTs: Date.now() * 1e6,
    });
    this.#version = end;
  }

  /** Runs queries until the result of each is of the present. */
  async #refresh(): Promise<void> {
    for (let round = 1; this.#isOpen; round++) {
      const outdated = [...this.#queries.values()].filter((query) => !isFresh(query));
      if (outdated.length === 0) return;
      const run = () => Promise.all(outdated.map((query) => this.#run(query)));
      await (round > roundsBesideWriters ? this.#options.engine.holdWrites(run) : run());
    }
  }

  async #run(query: WatchedQuery): Promise<void> {
    if (query.execution?.isStale) this.#forgetResult(query);
    const { udfPath, args } = query;
    const { queries } = this.#options;
    query.execution ??= queries.watch(udfPath, args[0] ?? {}, this.#identity, this.#sessionId);
    await query.execution.ended;
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

  #fail(error: unknown): void {
    console.error(error);
    this.#socket.close(1011, "InternalServerError");
  }
}

function isFresh({ execution }: WatchedQuery): boolean {
  return execution !== null && execution.result !== null && !execution.isStale;
}

/** @returns null if the client has this result already */
function toUpdate(queryId: number, query: WatchedQuery): object | null {
  const result = query.execution?.result;
  if (!result) return null;
  const sent = JSON.stringify(result.ok ? [result.value] : [result.message, result.data ?? null, "error"]);
  if (sent === query.sent) return null;
  query.sent = sent;
  const common = { queryId, logLines: result.logLines, journal: null };
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
