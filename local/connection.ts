import { randomUUID } from "node:crypto";
import type { JSONValue } from "convex/values";
import type { WebSocket } from "ws";
import type { Calls } from "./calls.js";
import type { CallResult, Engine, Identity } from "./engine.js";
import type { Faults } from "./faults.js";
import type { QueryExecutions } from "./queryExecutions.js";
import {
  encodeTs,
  encodeVersion,
  identityOf,
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
  /** What was sent last, as JSON; null: nothing yet, it has to run. */
  sent: string | null;
  isStale: boolean;
  reads: ReadonlySet<string>;
}

/** What connections share. */
export interface ConnectionOptions {
  readonly engine: Engine;
  readonly calls: Calls;
  readonly faults: Faults;
  readonly executions: QueryExecutions;
  /** Answers to mutations by session and request: one that is sent again is not run again. */
  readonly answers: Map<string, ServerMessage>;
}

/**
 * One socket. Query results go out in transitions, each from the version before it to the next; mutations run one
 * at a time, in order, and are answered before the transition that shows what they did.
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

  /** Some tables were written: queries that read them run again. */
  noteWrites(tables: ReadonlySet<string>): void {
    let isAny = false;
    for (const query of this.#queries.values()) {
      if (!tables.has("*") && ![...query.reads].some((table) => tables.has(table))) continue;
      query.isStale = true;
      isAny = true;
    }
    if (isAny) this.#scheduleTransition();
  }

  ping(): void {
    this.#send({ type: "Ping" });
  }

  cut(): void {
    this.#socket.terminate();
  }

  #modifyQuerySet({
    baseVersion,
    newVersion,
    modifications,
  }: Extract<ClientMessage, { type: "ModifyQuerySet" }>) {
    if (baseVersion !== this.#wanted.querySet)
      return this.#refuse(
        `Base version ${baseVersion} passed up doesn't match the current version ${this.#wanted.querySet}`,
      );
    this.#wanted.querySet = newVersion;
    for (const modification of modifications) this.#modify(modification);
    this.#scheduleTransition();
  }

  #modify(modification: QueryModification): void {
    const { queryId } = modification;
    if (modification.type === "Add") {
      const { udfPath, args } = modification;
      this.#queries.set(queryId, { udfPath, args, sent: null, isStale: true, reads: new Set() });
    } else {
      this.#queries.delete(queryId);
      this.#removed.push(queryId);
    }
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
    for (const query of this.#queries.values()) query.isStale = true;
    this.#scheduleTransition();
  }

  async #mutate({ requestId, udfPath, args }: FunctionRequest): Promise<void> {
    const { faults, answers, calls } = this.#options;
    if (faults.takes("failAsOcc", udfPath))
      return this.#socket.close(1013, "OptimisticConcurrencyControlFailure");
    const key = `${this.#sessionId} ${requestId}`;
    let answer = answers.get(key);
    if (answer === undefined) {
      const result = await calls.make({
        kind: "mutation",
        path: udfPath,
        args: args[0] ?? {},
        identity: this.#identity,
      });
      answer = {
        type: "MutationResponse",
        requestId,
        ...toAnswer(result, result.ok ? encodeTs(result.ts) : null),
      };
      answers.set(key, answer);
    }
    if (faults.takes("loseAnswer", udfPath)) return this.cut();
    this.#send(answer);
    this.#scheduleTransition(); // the client's promise resolves with a transition at or after the mutation's ts
  }

  async #act({ requestId, udfPath, args }: FunctionRequest): Promise<void> {
    const call = { kind: "action", path: udfPath, args: args[0] ?? {}, identity: this.#identity } as const;
    const result = await this.#options.calls.make(call);
    this.#send({ type: "ActionResponse", requestId, ...toAnswer(result, null) });
  }

  #scheduleTransition(): void {
    if (this.#isTransitionDue) return;
    this.#isTransitionDue = true;
    this.#transitions = this.#transitions.then(() => this.#transition()).catch((error) => this.#fail(error));
  }

  async #transition(): Promise<void> {
    this.#isTransitionDue = false;
    const now = await this.#options.engine.currentTs();
    const end = { ...this.#wanted, ts: now > this.#version.ts ? now : this.#version.ts };
    const removed = this.#removed.map((queryId) => ({ type: "QueryRemoved", queryId }));
    this.#removed = [];
    const updated = await Promise.all(
      [...this.#queries].map(([queryId, query]) => this.#runQuery(queryId, query)),
    );
    this.#send({
      type: "Transition",
      startVersion: encodeVersion(this.#version),
      endVersion: encodeVersion(end),
      modifications: [...removed, ...updated.filter((update) => update !== null)],
      clientClockSkew: this.#clockSkew,
      serverTs: Date.now() * 1e6,
    });
    this.#version = end;
  }

  /** @returns null if the client has this result already */
  async #runQuery(queryId: number, query: WatchedQuery): Promise<object | null> {
    if (!query.isStale) return null;
    query.isStale = false;
    const { udfPath, args } = query;
    const result = await this.#options.executions.run(udfPath, args[0] ?? {}, this.#identity);
    query.reads = result.reads;
    const { logLines } = result;
    const update = result.ok
      ? { type: "QueryUpdated", queryId, value: result.value, logLines, journal: null }
      : {
          type: "QueryFailed",
          queryId,
          errorMessage: serverError(result.message),
          errorData: result.data,
          logLines,
          journal: null,
        };
    const sent = JSON.stringify(result.ok ? ["value", result.value] : ["error", result.message, result.data]);
    if (sent === query.sent) return null;
    query.sent = sent;
    return update;
  }

  #send(message: ServerMessage): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
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

/** An error as production words it, so that clients' own wording is the same. */
export function serverError(message: string): string {
  return `[Request ID: ${randomUUID().replaceAll("-", "").slice(0, 16)}] Server Error\n${message}`;
}

function toAnswer(result: CallResult, ts: string | null): object {
  const { logLines } = result;
  if (result.ok) return { success: true, result: result.value, logLines, ...(ts === null ? {} : { ts }) };
  const errorData = result.data === undefined ? {} : { errorData: result.data };
  return { success: false, result: serverError(result.message), logLines, ...errorData };
}
