import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server";
import type {
  HeartbeatArgs,
  HeartbeatResult,
  JoinArgs,
  JoinResult,
  LeaveArgs,
} from "../../shared/sessionWire.js";
import type {
  PullArgs,
  PullPartArgs,
  PullPartResult,
  PullResult,
  PushArgs,
  PushResult,
  StatusArgs,
  TransactionStatus,
} from "../../shared/wire.js";

/** Sessions (see `src/shared/sessionWire.ts`). Each call may throw whatever calls throw. */
export interface SessionTransport {
  join(args: JoinArgs): Promise<JoinResult>;
  heartbeat(args: HeartbeatArgs): Promise<HeartbeatResult>;
  leave(args: LeaveArgs): Promise<null>;
}

/** The way to the server. */
export interface Transport {
  /** Names the deployment; part of the local database's name. */
  readonly deployment: string;
  readonly isConnected: boolean;
  /** Calls `listener` after each change of `isConnected`. */
  onConnectionChange(listener: () => void): () => void;
  /**
   * Asks for the stream after a cursor and goes on watching it. `onResult` is called with the first answer and
   * with each that differs from it; `onError` if the query fails. Neither is called after the returned function.
   */
  watchPull(
    args: PullArgs,
    onResult: (result: PullResult) => void,
    onError: (error: unknown) => void,
  ): () => void;
  /** As `watchPull`, of a part. Null: the app reads none. */
  readonly watchPart:
    | ((
        args: PullPartArgs,
        onResult: (result: PullPartResult) => void,
        onError: (error: unknown) => void,
      ) => () => void)
    | null;
  /** Sends one push. May settle late, but never runs it twice by itself. @throws whatever the call throws */
  push(args: PushArgs): Promise<PushResult>;
  /** What the server knows of transactions. @throws whatever the call throws */
  status(args: StatusArgs): Promise<TransactionStatus[]>;
  /** Null: the app keeps no sessions. */
  readonly sessions: SessionTransport | null;
}

interface ConnectionLike {
  connectionState(): { readonly isWebSocketConnected: boolean };
  subscribeToConnectionState(
    listener: (state: { readonly isWebSocketConnected: boolean }) => void,
  ): () => void;
  query<Q extends FunctionReference<"query">>(
    query: Q,
    args: FunctionArgs<Q>,
  ): Promise<FunctionReturnType<Q>>;
  mutation<M extends FunctionReference<"mutation">>(
    mutation: M,
    args: FunctionArgs<M>,
  ): Promise<FunctionReturnType<M>>;
}

/** What of `ConvexClient` is used. Structural: neither class is imported. */
export interface ConvexClientShape extends ConnectionLike {
  readonly client: { readonly url: string };
  onUpdate<Q extends FunctionReference<"query">>(
    query: Q,
    args: FunctionArgs<Q>,
    onResult: (result: FunctionReturnType<Q>) => unknown,
    onError?: (error: Error) => unknown,
  ): () => void;
}

/** What of `ConvexReactClient` is used. */
export interface ConvexReactClientShape extends ConnectionLike {
  readonly url: string;
  watchQuery<Q extends FunctionReference<"query">>(
    query: Q,
    args: FunctionArgs<Q>,
  ): {
    onUpdate(listener: () => void): () => void;
    localQueryResult(): FunctionReturnType<Q> | undefined;
  };
}

/** A `ConvexClient` or a `ConvexReactClient`. */
export type ConvexClientLike = ConvexClientShape | ConvexReactClientShape;
