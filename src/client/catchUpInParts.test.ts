import { beforeEach, expect, test, vi } from "vitest";
import type * as limitsModule from "../shared/limits.js";
import { limits } from "../shared/limits.js";
import { createFieldApp, sites } from "../testing/fieldApp.js";
import { berlin, many, SitesWorld } from "../testing/testWorld.js";
import { ReplicaError } from "./base/errors.js";
import type { Commit } from "./ports/storage.js";

vi.mock("../shared/limits.js", async (load) => {
  const { limits } = await load<typeof limitsModule>();
  return { limits: { ...limits, pageEntries: 2, catchUpEntries: 5 } };
});
const count = 3 * limits.catchUpEntries;

let world: SitesWorld;
/** In place of a commit. */
let onCommit: (changes: Commit, store: () => Promise<number>) => Promise<number>;

beforeEach(() => {
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
  onCommit = (_changes, store) => store();
});

/** A tab that has read DE, and FR by another subscription, and was cut off. */
async function openCutOff() {
  const tab = await world.openReader({
    storage: (own) => ({
      commit: (term, changes) => onCommit(changes, () => own.commit(term, changes)),
    }),
  });
  tab.replica.subscribe(sites, { scopes: ["FR"] });
  await world.waitUntil(() => tab.status.scopes.length === 2 && tab.isLive());
  tab.client.disconnect();
  const sizes = new Set<number>();
  tab.col.subscribe(() => sizes.add(tab.col.size));
  const { client, col, subscription } = tab;
  return { client, col, sizes, subscription: subscription! };
}
const soon = (act: () => void) => queueMicrotask(() => queueMicrotask(act));

test("I-6: a catch-up that is stored in parts is shown whole, though its end could not be stored at first", async () => {
  const { client, sizes } = await openCutOff();
  await world.seed(...many(count));
  let nth = 0;
  onCommit = (_changes, store) =>
    ++nth === 2 ? Promise.reject(new ReplicaError("storage_full", "There is no room.")) : store();
  client.reconnect();
  await world.waitUntil(() => sizes.has(count));
  expect([...sizes]).toEqual([count]);
});

test("I-6: so it is though nobody wants it any more when a part is stored, and its data is kept", async () => {
  const { client, sizes, subscription } = await openCutOff();
  await world.seed(...many(count));
  let nth = 0;
  onCommit = async (_changes, store) => {
    const commit = await store();
    if (++nth === 1) soon(() => subscription.stop({ keepData: true }));
    return commit;
  };
  client.reconnect();
  await world.waitUntil(() => sizes.has(count));
  expect([...sizes]).toEqual([count]);
});

test("I-7: what has left a scope is gone, though nobody wants the scope any more when that is stored", async () => {
  await world.seed(berlin);
  const { client, col, subscription } = await openCutOff();
  await world.app.writer((writer) => writer.update("x", (draft) => void (draft.country = "IT")));
  await world.seed(...many(count, "FR"));
  onCommit = async ({ removedDocuments = [] }, store) => {
    const commit = await store();
    if (removedDocuments.length > 0) soon(() => subscription.stop({ keepData: true }));
    return commit;
  };
  client.reconnect();
  await world.waitUntil(() => col.size >= count);
  expect(col.has("x")).toBe(false);
});
