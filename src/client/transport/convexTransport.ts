import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server";
import type { ReplicaApi } from "../../shared/replicaApi.js";
import type {
  PullArgs,
  PullResult,
  PushArgs,
  PushResult,
  StatusArgs,
  TransactionStatus,
} from "../../shared/wire.js";
import type { ConvexClientLike, SessionTransport, Transport } from "../ports/transport.js";

/** Over the app's own Convex client, so over its socket, session and authentication. */
export class ConvexTransport implements Transport {
  readonly #client: ConvexClientLike;
  readonly #api: ReplicaApi;
  readonly #user: string | null;

  /** @param user whose data is replicated; null: nobody's */
  constructor(client: ConvexClientLike, api: ReplicaApi, user: string | null) {
    this.#client = client;
    this.#api = api;
    this.#user = user;
  }

  get deployment(): string {
    return "url" in this.#client ? this.#client.url : this.#client.client.url;
  }

  get isConnected(): boolean {
    return this.#client.connectionState().isWebSocketConnected;
  }

  onConnectionChange(listener: () => void): () => void {
    let wasConnected = this.isConnected;
    return this.#client.subscribeToConnectionState(({ isWebSocketConnected }) => {
      if (isWebSocketConnected === wasConnected) return;
      wasConnected = isWebSocketConnected;
      listener();
    });
  }

  watchPull(
    args: PullArgs,
    onResult: (result: PullResult) => void,
    onError: (error: unknown) => void,
  ): () => void {
    return this.#watch(this.#api.pull, args, onResult, onError);
  }

  get watchPart(): Transport["watchPart"] {
    const { pullPart } = this.#api;
    if (pullPart === undefined) return null;
    return (args, onResult, onError) => this.#watch(pullPart, args, onResult, onError);
  }

  push(args: PushArgs): Promise<PushResult> {
    const told = this.#user === null ? args : { ...args, hasUser: true };
    return this.#client.mutation(this.#api.push, told);
  }

  get sessions(): SessionTransport | null {
    const { join, heartbeat, leave } = this.#api;
    if (join === undefined || heartbeat === undefined || leave === undefined) return null;
    return {
      join: (args) => this.#client.mutation(join, args),
      heartbeat: (args) => this.#client.mutation(heartbeat, args),
      leave: (args) => this.#client.mutation(leave, args),
    };
  }

  status(args: StatusArgs): Promise<TransactionStatus[]> {
    return this.#client.query(this.#api.status, args);
  }

  #watch<Q extends FunctionReference<"query">>(
    query: Q,
    args: FunctionArgs<Q>,
    onResult: (result: FunctionReturnType<Q>) => void,
    onError: (error: unknown) => void,
  ): () => void {
    if ("onUpdate" in this.#client) return this.#client.onUpdate(query, args, onResult, onError);
    return watchReact(this.#client.watchQuery(query, args), onResult, onError);
  }
}

interface Watch<Result> {
  onUpdate(listener: () => void): () => void;
  localQueryResult(): Result | undefined;
}

/** A React watch says that something changed, and throws a failed query's error when asked for the result. */
function watchReact<Result>(
  watch: Watch<Result>,
  onResult: (result: Result) => void,
  onError: (error: unknown) => void,
): () => void {
  let isOpen = true;
  const report = () => {
    if (!isOpen) return;
    let result: Result | undefined;
    try {
      result = watch.localQueryResult();
    } catch (error) {
      return onError(error);
    }
    if (result !== undefined) onResult(result);
  };
  const stop = watch.onUpdate(report);
  queueMicrotask(report); // another watch of the same query may hold a result already
  return () => {
    isOpen = false;
    stop();
  };
}
