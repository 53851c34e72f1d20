// The replica in React: each hook reads a snapshot and renders again when it has changed.
import type { AnyCollection, RowOf } from "convex-replicate/collections";
import type {
  Query,
  Replica,
  ReplicaCollection,
  ReplicaStatus,
  RowStatus,
  ScopeState,
  Transaction,
  TransactionState,
} from "convex-replicate/client";
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { sites } from "../convex/collections.js";

type SiteReplica = Replica<typeof sites>;

/** The rows of a query that was made once (`useMemo`); the same array until one of them changes. */
export function useQuery<C extends AnyCollection>(query: Query<C>): readonly Readonly<RowOf<C>>[] {
  const subscribe = useCallback((listener: () => void) => query.subscribe(listener), [query]);
  return useSyncExternalStore(subscribe, () => query.current);
}

export function useStatus({ status }: SiteReplica): ReplicaStatus {
  const subscribe = useCallback((listener: () => void) => status.subscribe(listener), [status]);
  return useSyncExternalStore(subscribe, () => status.get());
}

/** Whether a row is on the server. */
export function useRowStatus<C extends AnyCollection>(
  collection: ReplicaCollection<C>,
  id: string,
): RowStatus {
  const subscribe = useCallback(
    (listener: () => void) => collection.subscribe((ids) => ids.has(id) && listener()),
    [collection, id],
  );
  return useSyncExternalStore(subscribe, () => collection.status(id));
}

/** The transactions in one state, oldest first. */
export function useTransactions(replica: SiteReplica, state: TransactionState): readonly Transaction[] {
  const list = useMemo(() => {
    let shown: readonly Transaction[] = [];
    return {
      subscribe: (listener: () => void) => replica.transactions.subscribe(listener),
      get: () => {
        const now = replica.transactions.list({ state });
        const isSame = now.length === shown.length && now.every((each, index) => each === shown[index]);
        return (shown = isSame ? shown : now); // React asks again and again, and needs one array for one answer
      },
    };
  }, [replica, state]);
  return useSyncExternalStore(list.subscribe, list.get);
}

/** How far a scope is. */
export interface Loading {
  readonly state: ScopeState;
  /** Entries received so far of the first load. */
  readonly progress: number;
  /** Whether all of it is on the device, from an earlier session or now. */
  readonly isLoaded: boolean;
}

const notBegun: Loading = { state: "idle", progress: 0, isLoaded: false };

/** Subscribes to one scope while the component is there. What was loaded stays on the device. */
export function useScope(replica: SiteReplica, definition: typeof sites, scope: string): Loading {
  const [shown, setShown] = useState({ scope, loading: notBegun });
  useEffect(() => {
    const subscription = replica.subscribe(definition, { scopes: [scope] });
    let isLoaded = false;
    let isCurrent = true;
    const refresh = () => {
      if (!isCurrent) return;
      const { state, progress } = subscription;
      setShown({ scope, loading: { state, progress, isLoaded } });
    };
    refresh();
    const stopListening = subscription.subscribe(refresh);
    void subscription.loaded.then(() => {
      isLoaded = true;
      refresh();
    });
    return () => {
      isCurrent = false;
      stopListening();
      subscription.stop({ keepData: true });
    };
  }, [replica, definition, scope]);
  return shown.scope === scope ? shown.loading : notBegun;
}
