import type { ReplicaStatus } from "convex-replicate/client";
import { useCallback, useSyncExternalStore } from "react";
import { useFieldbook } from "./fieldbook.js";
import { formatAgo } from "./format.js";
import { useStatus } from "./replicaHooks.js";
import { useNow } from "./useNow.js";

type Connection = "online" | "connecting" | "offline";

const connectionLabels: Record<Connection, string> = {
  online: "Online",
  connecting: "No connection",
  offline: "Offline",
};

/** Where the device stands with the server, and the switch that cuts it off. */
export function StatusBar() {
  const { replica, network } = useFieldbook();
  const status = useStatus(replica);
  const isOffline = useSyncExternalStore(
    useCallback((listener: () => void) => network.subscribe(listener), [network]),
    () => network.isOffline,
  );
  const connection = isOffline ? "offline" : status.connection === "connected" ? "online" : "connecting";
  return (
    <section
      className="status-bar"
      aria-label="Synchronisation"
      data-testid="status-bar"
      data-connection={connection}
    >
      <div className="status-facts">
        <p className="connection" data-testid="connection">
          <span className="lamp" aria-hidden="true" />
          {connectionLabels[connection]}
        </p>
        <p className={status.pending > 0 ? "pending has-pending" : "pending"}>
          <b data-testid="pending-count">{status.pending}</b> waiting
        </p>
        <SyncFacts status={status} />
      </div>
      <button
        type="button"
        role="switch"
        className="switch"
        aria-checked={isOffline}
        onClick={() => network.setOffline(!isOffline)}
        data-testid="offline-switch"
      >
        Work offline
        <span className="switch-track" aria-hidden="true" />
      </button>
      {status.blocked !== null && (
        <p className="blocked" role="alert">
          {status.blocked.message}
        </p>
      )}
    </section>
  );
}

function SyncFacts({ status }: { status: ReplicaStatus }) {
  const now = useNow(5_000);
  return (
    <>
      <p className="last-sync" data-testid="last-sync">
        {status.lastSyncAt === null ? "Not synced yet" : `Synced ${formatAgo(status.lastSyncAt, now)}`}
      </p>
      <p
        className="role"
        data-testid="role"
        title="Of all windows with the book open on this device, one speaks to the server for the others."
      >
        {status.leader ? "Leader" : "Follower"}
        <span className="only-wide"> window</span>
      </p>
    </>
  );
}
