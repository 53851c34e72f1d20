import { ConvexClient } from "convex/browser";
import { createReplica, type Replica, type ReplicaCollection } from "convex-replicate/client";
import { createContext, useContext } from "react";
import { api } from "../convex/_generated/api.js";
import { sites } from "../convex/collections.js";
import { NetworkSwitch } from "./networkSwitch.js";

/** What the app is made of. */
export interface Fieldbook {
  readonly replica: Replica<typeof sites>;
  readonly sites: ReplicaCollection<typeof sites>;
  readonly network: NetworkSwitch;
}

declare global {
  interface Window {
    /** For the console and for tests: `fieldbook.sites.get(id)`, `fieldbook.replica.status.get()`. */
    fieldbook?: Pick<Fieldbook, "replica" | "sites">;
  }
}

export function openFieldbook(): Fieldbook {
  const network = new NetworkSwitch();
  network.start();
  const client = new ConvexClient(deploymentUrl(), {
    webSocketConstructor: network.WebSocket,
    unsavedChangesWarning: false, // what is written is on the device: closing the window loses nothing
  });
  const replica = createReplica({
    client,
    api: api.replicate,
    collections: [sites],
    name: "fieldbook",
    user: null,
  });
  const fieldbook = { replica, sites: replica.collection(sites), network };
  window.fieldbook = fieldbook;
  return fieldbook;
}

/** `?backend=` first, then `VITE_CONVEX_URL`, then whoever served the app: the local backend answers `/api` too. */
function deploymentUrl(): string {
  const named = new URLSearchParams(location.search).get("backend");
  return named ?? import.meta.env.VITE_CONVEX_URL ?? location.origin;
}

export const FieldbookContext = createContext<Fieldbook | null>(null);

export function useFieldbook(): Fieldbook {
  const fieldbook = useContext(FieldbookContext);
  if (fieldbook === null) throw new Error("There is no <FieldbookContext> above this component.");
  return fieldbook;
}
