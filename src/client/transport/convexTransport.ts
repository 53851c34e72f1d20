import type { ReplicaApi } from "../../shared/replicaApi.js";
import type {
  PullArgs,
  PullResult,
  PushArgs,
  PushResult,
  StatusArgs,
  TransactionStatus,
} from "../../shared/wire.js";
import type {
  ConvexClientLike,
  ConvexReactClientShape,
  SessionTransport,
  Transport,
} from "../ports/transport.js";

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
    if ("onUpdate" in this.#client) return this.#client.onUpdate(this.#api.pull, args, onResult, onError);
    return watchReact(this.#client.watchQuery(this.#api.pull, args), onResult, onError);
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
}

type Watch = ReturnType<ConvexReactClientShape["watchQuery"]>;

/** A React watch says that something changed, and throws a failed query's error when asked for the result. */
function watchReact(
  watch: Watch,
  onResult: (result: PullResult) => void,
  onError: (error: unknown) => void,
): () => void {
  let isOpen = true;
  const report = () => {
    if (!isOpen) return;
    let result: PullResult | undefined;
    try {
      result = watch.localQueryResult() as PullResult | undefined;
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
